"""A real MLServer behind the sidecar: what tritonclient sends passes as it is, and what MLServer dies of is refused."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.demo.model_server import find_mlserver, start_mlserver
from sidecar.demo.ports import pick
from tests.kit.client import Answer, ask, request

from .books import Books
from .processes import ROOT, Sidecar, eventually

INFER = "/v2/models/iris/infer"
IRISES = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
TRITON_HEAD = b"Accept-Encoding: identity"  # tritonclient sends no Content-Type with a JSON body


def body(rows: list[list[float]] = IRISES, *, shape: list[int] | None = None) -> bytes:
    """As tritonclient writes it: no spaces, a request id, the output asked for."""
    tensor = {
        "name": "input-0",
        "shape": shape or [len(rows), 4],
        "datatype": "FP64",
        "data": [value for values in rows for value in values],
    }
    document = {"id": "42", "inputs": [tensor], "outputs": [{"name": "predict"}]}
    return json.dumps(document, separators=(",", ":")).encode()


class Wire:
    """Between the sidecar and the model server: passes every byte on and keeps what goes to the server."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.heard: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def asked(self, path: str) -> bytes:
        """The bytes of the last connection that asked for a path, from that request on."""
        found = [bytes(heard) for heard in self.heard if path.encode() in heard]
        data = found[-1]
        return data[data.rindex(b"POST " + path.encode()) :]

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._sockets += [near, far]
            heard = bytearray()
            self.heard.append(heard)
            self._start(self._pass_on, near, far, heard)
            self._start(self._pass_on, far, near, bytearray())

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket, heard: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                heard += data
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    binaries = find_mlserver(None)
    if binaries is None:
        pytest.skip("MLServer is not installed: `make mlserver` installs it into .venvs/mlserver")
    port = pick(0)
    pace = threading.Event()
    folder = tmp_path_factory.mktemp("mlserver")

    def tick() -> None:
        pace.wait(0.05)

    model = start_mlserver(binaries, folder, port, pick(0, {port}), tick)
    yield port
    model.stop()


@pytest.fixture(scope="module")
def wire(mlserver: int) -> Iterator[Wire]:
    made = Wire(mlserver)
    yield made
    made.close()


@pytest.fixture(scope="module")
def sidecar(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    flags = ("--upstream", f"http://127.0.0.1:{wire.port}", "--policy", str(ROOT / "policies" / "iris.yaml"))
    with Sidecar(tmp_path_factory.mktemp("sidecar"), *flags) as running:
        running.until_ready()
        yield running
        assert "Traceback" not in running.said()


def send(port: int, data: bytes, *headers: bytes) -> Answer:
    return asyncio.run(ask(port, request(INFER, data, *headers)))


def predictions(answer: Answer) -> list[int]:
    (output,) = answer.json()["outputs"]
    return list(output["data"])


class TestMLServer:
    def test_its_metadata_state_no_version_but_its_repository_does(self, sidecar: Sidecar) -> None:
        body = sidecar.readyz()[1]
        assert [(policy["identity"], policy["model_version"]) for policy in body["policies"]] == [("match", "1")]
        assert not any("version" in warning for warning in body["warnings"])

    def test_another_version_than_the_pinned_one_is_refused_before_any_answer(self, wire: Wire, tmp_path: Path) -> None:
        policy = tmp_path / "iris.yaml"
        policy.write_text((ROOT / "policies" / "iris.yaml").read_text().replace('version: ["1"]', 'version: ["v1"]'))
        flags = ("--upstream", f"http://127.0.0.1:{wire.port}", "--policy", str(policy))
        with Sidecar(tmp_path / "sidecar", *flags) as other:
            said = "another model than the policy is for: the server has version 1, pinned: v1"
            status, ready = eventually(lambda: found if said in str(found := other.readyz()) else None)
            assert (status, ready["policies"][0]["identity"]) == (503, "mismatch")
            asked = sum(heard.count(b"POST " + INFER.encode()) for heard in wire.heard)
            refused = send(other.port, body(), TRITON_HEAD)
            assert (refused.status, "v1" in refused.json()["error"]) == (503, True)
            assert sum(heard.count(b"POST " + INFER.encode()) for heard in wire.heard) == asked

    def test_the_same_answer_as_without_the_sidecar(self, sidecar: Sidecar, mlserver: int) -> None:
        headers = (b"Content-Type: application/json", b"x-request-id: same")
        direct, through = send(mlserver, body(), *headers), send(sidecar.port, body(), *headers)
        assert (through.status, through.body) == (direct.status, direct.body)
        assert predictions(through) == [0, 2]
        assert through.value("x-contract-verdict") == "ok"
        assert through.value("x-model-version") == "1"

    def test_what_tritonclient_sends_arrives_as_it_was_sent(self, sidecar: Sidecar, wire: Wire) -> None:
        answer = send(sidecar.port, body(), TRITON_HEAD)
        assert (answer.status, predictions(answer)) == (200, [0, 2])
        head, _, sent = wire.asked(INFER).partition(b"\r\n\r\n")
        assert sent == body()
        names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
        ours = [b"x-request-id", b"traceparent", b"via"]  # the ones a proxy of this kind has to add
        assert sorted(names) == sorted([b"host", b"accept-encoding", b"content-length", *ours])

    def test_gzip_is_judged_inside_and_passed_on_as_it_is(self, sidecar: Sidecar, wire: Wire) -> None:
        packed = gzip.compress(body(), mtime=0)
        answer = send(sidecar.port, packed, b"Content-Encoding: gzip")
        assert (answer.status, predictions(answer)) == (200, [0, 2])
        assert wire.asked(INFER).partition(b"\r\n\r\n")[2] == packed
        bad = send(sidecar.port, gzip.compress(body([[50, 3, 5, 2]])), b"Content-Encoding: gzip")
        assert bad.status == 422

    @pytest.mark.parametrize(
        ("what", "data"),
        [
            ("shape and data disagree", body(shape=[3, 4])),
            ("too few columns", body([[5.1, 3.5, 1.4]], shape=[1, 3])),
            ("negative shape", body(shape=[-2, -4])),
            ("huge shape", body(shape=[1 << 40, 4])),
        ],
    )
    def test_shapes_that_lie_are_refused_before_the_server_sees_them(
        self, sidecar: Sidecar, mlserver: int, wire: Wire, what: str, data: bytes
    ) -> None:
        asked = sum(heard.count(b"POST ") for heard in wire.heard)
        answer = send(sidecar.port, data, TRITON_HEAD)
        assert answer.status == 422, (what, answer.body)
        assert answer.json()["error"], "in the protocol's own shape"
        assert sum(heard.count(b"POST ") for heard in wire.heard) == asked
        print(f"{what}: MLServer alone answers {send(mlserver, data, TRITON_HEAD).status}")  # noqa: T201

    def test_mlserver_alone_fails_on_a_shape_that_lies(self, mlserver: int) -> None:
        assert send(mlserver, body(shape=[3, 4]), TRITON_HEAD).status == 500  # why the check above is worth having

    def test_values_are_judged_and_repaired(self, sidecar: Sidecar, wire: Wire) -> None:
        refused = send(sidecar.port, body([[50, 3.5, 1.4, 0.2]]), TRITON_HEAD)
        assert refused.status == 422
        assert "sepal_length.max" in refused.body.decode()
        clamped = send(sidecar.port, body([[5.1, 3.5, 1.4, -0.5]]), TRITON_HEAD)
        assert (clamped.status, clamped.value("x-contract-verdict")) == (200, "repaired;rows=1")
        sent = json.loads(wire.asked(INFER).partition(b"\r\n\r\n")[2])
        assert sent["inputs"][0]["data"] == [5.1, 3.5, 1.4, 0]

    def test_each_answer_states_its_version_and_the_record_says_so(self, sidecar: Sidecar) -> None:
        send(sidecar.port, body(), TRITON_HEAD, b"x-request-id: recorded")
        (exchange,) = Books(sidecar.journal).read().exchanges["recorded"]
        assert (exchange.model_version, exchange.version_source, exchange.identity) == ("1", "body", "match")
        assert (exchange.rows, exchange.verdict, exchange.status) == (2, "ok", 200)
