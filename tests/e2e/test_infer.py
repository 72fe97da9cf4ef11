"""A policy from a real MLServer's metadata, and from what the sidecar recorded in front of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.demo.model_server import READY_PATH, find_mlserver
from sidecar.demo.ports import pick
from sidecar.demo.process import Server
from sidecar.policy import Policy, load
from tests.kit.client import ask, request

from .processes import ROOT, Sidecar
from .test_mlserver import INFER, IRISES, body

TENSORS = {
    "inputs": [{"name": "input-0", "datatype": "FP64", "shape": [-1, 4]}],
    "outputs": [{"name": "predict", "datatype": "INT64", "shape": [-1]}],
}


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serves iris, which states its tensors, and diabetes, which does not; its URL."""
    binaries = find_mlserver(None)
    if binaries is None:
        pytest.skip("MLServer is not installed: `make mlserver` installs it into .venvs/mlserver")
    folder = tmp_path_factory.mktemp("mlserver") / "served"
    folder.mkdir()
    ports: list[int] = []
    for _ in range(6):
        ports.append(pick(0, set(ports)))
    train = [str(binaries / "python"), str(ROOT / "sidecar" / "demo" / "train.py"), str(folder), *map(str, ports)]
    subprocess.run(train, check=True, timeout=300, capture_output=True)
    settings = folder / "models" / "iris" / "model-settings.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | TENSORS))
    server = Server("MLServer", [str(binaries / "mlserver"), "start", str(folder / "models")], folder / "log")
    pace = threading.Event()

    def tick() -> None:
        pace.wait(0.05)

    url = f"http://127.0.0.1:{ports[0]}"
    try:
        server.wait_ready(url + READY_PATH, tick)
        server.wait_ready(url + "/v2/models/iris/ready", tick)
        yield url
    finally:
        server.stop()


def sidecar(*words: str, code: int = 0) -> str:
    """The command as a user runs it; what it says on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", *words], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == code, done.stderr
    return done.stderr


def checked(path: Path) -> Policy:
    sidecar("check", str(path))
    (policy,) = load([path]).policies
    return policy


class TestLiveServer:
    def test_its_tensors_become_columns_to_be_named(self, mlserver: str, tmp_path: Path) -> None:
        for command in ("init", "infer"):
            path = tmp_path / f"{command}.yaml"
            sidecar(command, "--upstream", mlserver, "--model", "iris", "-o", str(path))
            policy = checked(path)
            assert (policy.model.protocol, policy.model.name) == ("oip", "iris")
            assert policy.model.wire.columns == {"input-0": ("x0", "x1", "x2", "x3")}  # type: ignore[union-attr]
            assert policy.contract.prediction["predict"].type == "int"
            assert "x0: column 0 of input-0 FP64 [-1, 4]" in path.read_text()

    def test_a_model_that_states_no_tensors(self, mlserver: str, tmp_path: Path) -> None:
        sidecar("init", "--upstream", mlserver, "--model", "diabetes", "-o", str(tmp_path / "p.yaml"))
        assert checked(tmp_path / "p.yaml").contract.features == {}
        assert "The server states no input tensors" in (tmp_path / "p.yaml").read_text()

    def test_of_several_models_one_is_to_be_chosen(self, mlserver: str) -> None:
        for command in ("init", "infer"):
            said = sidecar(command, "--upstream", mlserver, code=2)
            assert "the server has diabetes, iris; choose one with --model NAME" in said

    def test_a_model_it_does_not_have(self, mlserver: str) -> None:
        assert "does not have the model 'iriss'" in sidecar("init", "--upstream", mlserver, "--model", "iriss", code=2)

    def test_the_starter_serves_and_ranges_are_learnt_from_what_it_recorded(
        self, mlserver: str, tmp_path: Path
    ) -> None:
        starter, learnt = tmp_path / "starter.yaml", tmp_path / "learnt.yaml"
        sidecar("init", "--upstream", mlserver, "--model", "iris", "-o", str(starter))
        with Sidecar(tmp_path / "run", "--upstream", mlserver, "--policy", str(starter)) as running:
            running.until_ready()
            for row in IRISES * 10:
                answer = asyncio.run(ask(running.port, request(INFER, body([row]))))
                assert (answer.status, answer.value("x-contract-verdict")) == (200, "ok")
            sidecar("infer", str(running.data), "-o", str(learnt))
        policy = checked(learnt)
        assert policy.model.wire == checked(starter).model.wire
        assert "x0: seen in 20 of 20 rows; numbers 5.1 to 6.7" in learnt.read_text()
        assert policy.contract.features["x0"].min is not None
        assert policy.contract.prediction["predict"].max is not None
