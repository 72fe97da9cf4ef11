"""`sidecar serve` as it is used: the real gateway, policies and journal, in front of a scripted model server."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.cli.status import counters_of, span
from tests.e2e.processes import children
from tests.supervisor.serving import REAL, Model, Serving, alive, eventually, free_port, refuses

INFER = "/v2/models/credit/infer"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as running:
        yield running


def policy(path: Path, *, maximum: int = 120, mode: str = "enforce", extra: str = "") -> Path:
    path.write_text(
        f"""policy: credit
version: 1.0.{maximum}
owner: {{team: risk}}
model: {{protocol: oip, name: credit, version: "14", columns: {{input-0: [age, income]}}}}
contract:
  mode: {mode}
  features: {{age: {{type: int, min: 0, max: {maximum}}}}}
{extra}"""
    )
    return path


def row(age: float) -> dict[str, Any]:
    return {"inputs": [{"name": "input-0", "shape": [1, 2], "datatype": "FP64", "data": [age, 1.0]}]}


def ask(sidecar: Serving, age: float) -> httpx.Response:
    return httpx.post(sidecar.url + INFER, json=row(age), timeout=60)


def records(sidecar: Serving, *command: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*REAL[:3], "log", *(command or ("cat",)), "--data", str(sidecar.data), "--format", "json"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def serve(folder: Path, *flags: str, **environ: str) -> Serving:
    return Serving(folder, *flags, command=REAL, environ=environ)


class TestServing:
    def test_a_policy_is_enforced_stamped_and_recorded(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, "--upstream", model.url, "--policy", str(policy(tmp_path / "p.yaml"))) as sidecar:
            sidecar.until_ready()
            good, bad = ask(sidecar, 40), ask(sidecar, 150)
            assert (good.status_code, good.headers["x-contract-verdict"]) == (200, "ok")
            assert good.headers["x-policy"].startswith("credit@1.0.120;digest=b2:")
            assert bad.status_code == 422
            assert "age.max" in bad.text
            assert httpx.get(sidecar.url + "/_sidecar/readyz", timeout=60).status_code == 200
            assert "ENFORCE" in sidecar.said()
            assert "OBSERVING ONLY" not in sidecar.said()
            sidecar.tell(signal.SIGTERM)
            assert sidecar.ended() == 0
            kinds = [record["kind"] for record in records(sidecar)]
            assert kinds == ["transition", "policy", "exchange", "exchange", "transition"]

    def test_without_a_policy_it_only_observes_and_says_so(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, SIDECAR_UPSTREAM=model.url) as sidecar:
            sidecar.until_ready()
            assert ask(sidecar, 150).status_code == 200
            assert "OBSERVING ONLY: no policy is loaded" in sidecar.said()
            eventually(lambda: sidecar.metric("sidecar_unguarded_requests_total") == 1)

    def test_no_upstream_is_told_with_the_remedy(self, tmp_path: Path) -> None:
        with serve(tmp_path) as sidecar:
            assert sidecar.ended() == 2
            assert "--upstream http" in sidecar.said()
            assert "Traceback" not in sidecar.said()

    def test_invalid_policy_shows_every_problem_with_its_place(self, tmp_path: Path, model: Model) -> None:
        path = tmp_path / "p.yaml"
        path.write_text("policy: credit\nmodel: {protocol: oip}\ncontract:\n  featurs: {}\n  mode: strict\n")
        with serve(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            assert sidecar.ended() == 2
            assert re.search(rf"{path}:4:\d+: error: .*featurs", sidecar.said())
            assert re.search(rf"{path}:5:\d+: error: .*strict", sidecar.said())

    def test_sections_without_effect_are_named(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "p.yaml", extra="watch:\n  bias: {max_gap: 5%}\n")
        with serve(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.running()
            eventually(lambda: "not acted on" in sidecar.said())
            assert "watch.bias of policy credit" in sidecar.said()

    def test_tls(self, tmp_path: Path, model: Model) -> None:
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
        )
        names = ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*command.split(), *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
        flags = ("--upstream", model.url, "--tls-cert", str(cert), "--tls-key", str(key))
        with serve(tmp_path, *flags) as sidecar:
            sidecar.until_ready()
            trusting = ssl.create_default_context(cafile=str(cert))
            url = sidecar.url.replace("http:", "https:") + INFER
            assert httpx.post(url, json=row(1), verify=trusting, timeout=60).status_code == 200
        wrong = ("--upstream", model.url, "--tls-cert", str(cert), "--tls-key", str(cert))
        with serve(tmp_path / "wrong", *wrong) as sidecar:
            assert sidecar.ended() == 2
            assert "give PEM files that belong together" in sidecar.said()


class TestLife:
    def test_killed_worker_keeps_its_records_and_its_counters(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, "--upstream", model.url, "--policy", str(policy(tmp_path / "p.yaml"))) as sidecar:
            sidecar.until_ready()
            answered = [ask(sidecar, 40).headers["x-prediction-id"] for _ in range(20)]
            (worker,) = children(sidecar.process.pid)
            os.kill(worker, signal.SIGKILL)
            answered.append(eventually(lambda: ask(sidecar, 41)).headers["x-prediction-id"])
            eventually(lambda: sidecar.metric('sidecar_requests_total{outcome="ok"}') == 21)
            found = [record["prediction_id"] for record in records(sidecar) if record["kind"] == "exchange"]
            assert found == answered

    def test_killed_supervisor_leaves_nothing_behind(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, "--upstream", model.url, "--workers", "2") as sidecar:
            sidecar.until_ready()
            workers = children(sidecar.process.pid)
            assert len(workers) == 2
            sidecar.tell(signal.SIGKILL)
            sidecar.ended()
            with serve(tmp_path, "--upstream", model.url, "--workers", "2") as heir:
                heir.until_ready()
                assert not any(alive(pid) for pid in workers)

    def test_drain_lets_slow_answers_finish(self, tmp_path: Path) -> None:
        go = threading.Event()
        with slow_upstream(go) as url, serve(tmp_path, "--upstream", url) as sidecar:
            sidecar.until_ready()
            answers: list[httpx.Response] = []
            base = sidecar.url
            threads = [
                threading.Thread(target=lambda: answers.append(httpx.post(base + INFER, json=row(1), timeout=60)))
                for _ in range(5)
            ]
            for thread in threads:
                thread.start()
            eventually(lambda: sidecar.readyz()[1]["workers"]["in_flight"] == 5)
            sidecar.tell(signal.SIGTERM)
            eventually(lambda: refuses(int(base.rpartition(":")[2])))  # so the worker knows that it is to leave
            go.set()
            for thread in threads:
                thread.join()
            assert [answer.status_code for answer in answers] == [200] * 5
            assert all(answer.headers["connection"] == "close" for answer in answers)
            assert sidecar.ended() == 0

    def test_model_gone_first(self, tmp_path: Path) -> None:
        with Model() as model, serve(tmp_path, "--upstream", model.url) as sidecar:
            sidecar.until_ready()
            assert ask(sidecar, 1).status_code == 200
            url = sidecar.url
            model.stop()
            answer = httpx.post(url + INFER, json=row(1), timeout=60)
            assert answer.status_code in (502, 503)
            sidecar.tell(signal.SIGTERM)
            assert sidecar.ended() == 0
            assert "Traceback" not in sidecar.said()


class TestPolicies:
    def test_reload_good_bad_good(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "p.yaml", maximum=120)
        with serve(tmp_path, "--upstream", model.url, "--policy", str(path), "--workers", "2") as sidecar:
            sidecar.until_ready()
            assert ask(sidecar, 150).status_code == 422
            policy(path, maximum=160)
            eventually(lambda: sidecar.events("policy.loaded"))
            assert [ask(sidecar, 150).status_code for _ in range(8)] == [200] * 8
            path.write_text(path.read_text().replace("min: 0", "min: 0, minn: 1"))
            refused = eventually(lambda: sidecar.events("policy.refused"))
            assert f"{path}:7:" in refused[0]["reason"]
            assert "minn" in refused[0]["reason"]
            assert ask(sidecar, 150).status_code == 200
            assert sidecar.readyz()[0] == 200
            policy(path, maximum=140)
            eventually(lambda: len(sidecar.events("policy.loaded")) == 2)
            assert [ask(sidecar, 150).status_code for _ in range(8)] == [422] * 8
            sidecar.tell(signal.SIGTERM)
            assert sidecar.ended() == 0
        published: dict[str, int] = {}
        for position, record in enumerate(records(sidecar)):
            if record["kind"] == "policy":
                published.setdefault(record["digest"], position)
            elif record["kind"] == "exchange":
                assert published[record["policy_digest"]] < position

    def test_wrong_model_version_stops_it(self, tmp_path: Path) -> None:
        with Model(versions=("15",)) as other:
            path = policy(tmp_path / "p.yaml")
            with serve(tmp_path, "--upstream", other.url, "--policy", str(path)) as sidecar:
                eventually(lambda: "pinned: 14" in json.dumps(sidecar.readyz()[1]))
                eventually(lambda: ask(sidecar, 40).status_code == 503)
                assert "mismatch" in ask(sidecar, 40).text
                assert INFER not in other.asked[-1:]

    def test_wrong_environment_stops_it(self, tmp_path: Path, model: Model) -> None:
        config = tmp_path / "sidecar.yaml"
        config.write_text("api: v1\nenvironment: production\n")
        path = policy(tmp_path / "p.yaml")
        flags = ("--upstream", model.url, "--policy", str(path), "--config", str(config))
        with serve(tmp_path, *flags, POD_NAMESPACE="credit-staging") as sidecar:
            eventually(lambda: "credit-staging" in json.dumps(sidecar.readyz()[1]["reasons"]))
            eventually(lambda: ask(sidecar, 40).status_code == 503)
        with serve(tmp_path / "chosen", *flags, SIDECAR_ENVIRONMENT="staging") as sidecar:
            eventually(lambda: "SIDECAR_ENVIRONMENT says staging" in json.dumps(sidecar.readyz()[1]["reasons"]))

    def test_model_that_starts_late(self, tmp_path: Path) -> None:
        path = policy(tmp_path / "p.yaml")
        with (
            free_port() as port,
            serve(tmp_path, "--upstream", f"http://127.0.0.1:{port}", "--policy", str(path)) as sidecar,
        ):
            assert sidecar.readyz()[0] == 503
            assert httpx.get(f"{sidecar.health}/healthz", timeout=60).status_code == 200
            early = ask(sidecar, 40)
            assert early.status_code in (502, 503)
            with Model(port=port):
                eventually(lambda: sidecar.readyz()[0] == 200)
                assert ask(sidecar, 40).status_code == 200


class TestStatus:
    def test_tells_what_is_going_on(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "p.yaml", mode="observe")
        with serve(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            ask(sidecar, 150)
            eventually(lambda: sidecar.metric('sidecar_requests_total{outcome="observed"}') == 1)

            def status(*flags: str) -> subprocess.CompletedProcess[str]:
                command = [*REAL[:3], "status", *flags]
                return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])

            told = status("--data", str(sidecar.data))
            assert told.returncode == 0, told.stderr
            for text in ("ready", "1 of 1 ready", model.url, "credit@1.0.120  observe", "b2:", "observing only"):
                assert text in told.stdout
            body = json.loads(status("--health", sidecar.health, "--format", "json").stdout)
            assert body["ready"]
            assert body["counters"]['sidecar_requests_total{outcome="observed"}'] == 1
            assert body["policies"][0]["model_version"] == "14"
            sidecar.tell(signal.SIGTERM)
            sidecar.ended()
            assert status("--data", str(sidecar.data)).returncode == 2

    def test_not_ready_is_exit_1(self, tmp_path: Path) -> None:
        with serve(tmp_path, "--upstream", "http://127.0.0.1:9") as sidecar:
            sidecar.running()
            told = subprocess.run([*REAL[:3], "status", "--data", str(sidecar.data)], capture_output=True, text=True)
            assert told.returncode == 1
            assert "NOT READY" in told.stdout

    @pytest.mark.parametrize(
        ("seconds", "text"), [(5, "5 s"), (65, "1 min 5 s"), (3700, "1 h 1 min"), (90000, "1 d 1 h")]
    )
    def test_spans(self, seconds: float, text: str) -> None:
        assert span(seconds) == text

    def test_counters_are_those_that_counted(self) -> None:
        text = '# HELP x\nsidecar_requests_total{outcome="ok"} 2\nsidecar_requests_total{outcome="error"} 0\nother 3\n'
        assert counters_of(text) == {'sidecar_requests_total{outcome="ok"}': 2.0}


class slow_upstream:  # noqa: N801 - used like a function
    """A model server that answers once `go` is set."""

    def __init__(self, go: threading.Event) -> None:
        self._go = go
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> str:
        self._accepting.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._go.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._answer, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            if connection.recv(65536):
                self._go.wait(600)
                connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
