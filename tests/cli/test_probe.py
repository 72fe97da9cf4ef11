"""`sidecar probe` against a real HTTP server that fails where it is told to, and against a real MLServer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from sidecar.cli import main
from sidecar.demo.model_server import find_mlserver, start_mlserver
from sidecar.demo.ports import pick

POLICY = """
policy: credit
model: {protocol: tfserving, name: credit}
contract:
  features:
    age: {type: int, min: 0, max: 120}
    region: {type: category, values: [n, s], from: "header:x-region"}
  prediction:
    score: {type: float, min: 0, max: 1}
"""


class Model(BaseHTTPRequestHandler):
    """Answers age / 1000; falls over above 100; says no to a region it does not know. Keeps connections open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    callers: ClassVar[list[tuple[str, int]]] = []

    def do_POST(self) -> None:
        self.callers.append(self.client_address)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        ages = [row.get("age") for row in body["instances"]]
        status, answer = 200, {"predictions": [(age or 0) / 1000 if not isinstance(age, str) else 0.5 for age in ages]}
        if self.path != "/v1/models/credit:predict" or self.headers["x-region"] not in ("n", "s", None):
            status, answer = 404, {}
        elif any(isinstance(age, int) and age > 100 for age in ages):
            status, answer = 500, {}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def model() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


def test_no_row_is_blamed_for_a_connection_that_the_row_before_it_broke(model: str, policy: Path) -> None:
    Model.callers.clear()
    main(["probe", model, "--policy", str(policy), "--pairs", "5"])
    assert len(set(Model.callers)) == len(Model.callers) > 20


def test_a_crash_is_found_shrunk_and_can_be_sent_again(
    model: str, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", model, "--policy", str(policy), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (error,) = [each for each in found["findings"] if each["severity"] == "error"]
    assert (error["kind"], error["features"], error["row"]["age"]) == ("server_error", ["age"], 101)
    assert json.loads(error["body"])["instances"][0]["age"] == 101
    assert found["errors"] == 1


def test_a_person_reads_what_it_means(model: str, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", model, "--policy", str(policy)]) == 1
    out = capsys.readouterr().out
    assert "error[server_error]: age: status 500" in out
    assert "the contract allows the row, the server fails on it" in out
    assert "\n1 error, " in out


def test_a_narrower_contract_makes_it_good(model: str, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy.write_text(POLICY.replace("max: 120", "max: 100"))
    assert main(["probe", model, "--policy", str(policy), "--format", "json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["errors"], found["warnings"]) == (0, 1)  # it still falls over at 101, which the contract now forbids
    assert {each["kind"] for each in found["findings"] if each["severity"] == "warning"} == {"breaks_outside"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["http://127.0.0.1:1", "--policy", "POLICY"], "no answer"),
        (["ftp://x", "--policy", "POLICY"], "give the model server's URL"),
        (["http://127.0.0.1:1", "--policy", "/nowhere.yaml"], "nowhere.yaml"),
        (["http://127.0.0.1:1", "--policy", "POLICY", "--row", "[1]"], "JSON object"),
        (["http://127.0.0.1:1", "--policy", "POLICY", "--header", "x"], "write NAME:VALUE"),
    ],
)
def test_what_cannot_be_asked_is_said(
    words: list[str], message: str, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(policy) if word == "POLICY" else word for word in words]
    assert main(["probe", *given]) == 2
    assert message in capsys.readouterr().err


def test_the_route_comes_from_the_protocol_the_path_or_the_url(policy: Path) -> None:
    from sidecar.cli.probe import inference_url
    from sidecar.policy import load

    (credit,) = load([policy]).policies
    assert inference_url("http://m:1", credit) == "http://m:1/v1/models/credit:predict"
    assert inference_url("http://m:1/mine", credit) == "http://m:1/mine"
    policy.write_text("policy: p\nmodel: {protocol: json, path: /predict}\ncontract: {features: {a: {type: int}}}\n")
    (plain,) = load([policy]).policies
    assert inference_url("http://m:1/", plain) == "http://m:1/predict"


@pytest.mark.slow
def test_a_real_mlserver_keeps_the_promises_of_the_iris_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binaries = find_mlserver(None)
    if binaries is None:
        pytest.skip("MLServer is not installed: `make mlserver` installs it into .venvs/mlserver")
    port = pick(0)
    pace = threading.Event()

    def tick() -> None:
        pace.wait(0.05)

    model = start_mlserver(binaries, tmp_path, port, pick(0, {port}), tick)
    written = (Path(__file__).parents[2] / "policies" / "iris.yaml").read_text()
    open_, closed = tmp_path / "open.yaml", tmp_path / "closed.yaml"
    open_.write_text(written)
    closed.write_text(written.replace("contract:\n", "contract:\n  unknown_features: reject\n", 1))
    how = ["--format", "json", "--pairs", "30", "--timeout", "2"]
    try:
        assert main(["probe", f"http://127.0.0.1:{port}", "--policy", str(closed), *how]) in (0, 3)
        assert json.loads(capsys.readouterr().out)["errors"] == 0
        # MLServer answers no request with a tensor that the model does not have (some versions never, others by an
        # error): a contract must refuse those.
        assert main(["probe", f"http://127.0.0.1:{port}", "--policy", str(open_), *how]) == 1
        found = json.loads(capsys.readouterr().out)["findings"]
        errors = [(each["kind"], each["about"]) for each in found if each["severity"] == "error"]
        assert errors in ([("no_answer", "unknown")], [("refused", "unknown")])
    finally:
        model.stop()
