"""Servers that are not ours, each from an environment of its own, and the policies they are held against."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.demo.ports import pick
from sidecar.demo.process import Server
from tests.supervisor.serving import ROOT

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = ROOT / ".venvs"
_PACE = threading.Event()


def programs(environment: str) -> Path:
    """The `bin` folder of an environment; a skip that says how to make it where it is missing."""
    found = ENVIRONMENTS / environment
    if not (found / ".made").exists():
        pytest.skip(f"the environment `{environment}` is not installed: `make {environment}` installs it")
    return found / "bin"


def tick() -> None:
    """The pace of a poll."""
    _PACE.wait(0.05)


@contextmanager
def serving(name: str, command: Sequence[object], log: Path, port: int, path: str) -> Iterator[str]:
    """The server's URL, once `path` answers 200."""
    server = Server(name, [str(word) for word in command], log)
    try:
        url = f"http://127.0.0.1:{port}"
        server.wait_ready(url + path, tick, timeout_seconds=300)
        yield url
    finally:
        server.stop()


@contextmanager
def mlserver(folder: Path) -> Iterator[str]:
    """MLServer with a scikit-learn model `credit` and a runtime of its own, `credit-risk`, version 14."""
    binaries = programs("mlserver")
    ports = [pick(0)]
    while len(ports) < 3:
        ports.append(pick(0, set(ports)))
    models = folder / "models"
    training = Server(
        "training",
        [str(binaries / "python"), str(PEERS / "credit_mlserver.py"), str(models), *map(str, ports)],
        folder / "training.log",
    )
    try:
        training.wait_done(tick, timeout_seconds=300)
    finally:
        training.stop()
    command = [binaries / "mlserver", "start", models]
    with serving("MLServer", command, folder / "mlserver.log", ports[0], "/v2/health/ready") as url:
        yield url


def enforced(policy: Path, folder: Path) -> Path:
    """The same policy, but that it enforces."""
    text = policy.read_text()
    made = folder / policy.name
    made.write_text(text.replace("contract:\n", "contract:\n  mode: enforce\n"))
    return made


def without_proxies() -> dict[str, str]:
    """The environment of a client that must ask nobody but the loopback."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
