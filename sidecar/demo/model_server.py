"""The model of the demo: MLServer with scikit-learn where it is installed, the stand-in where not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .ports import HOST, pick
from .process import Server

READY_PATH = "/v2/health/ready"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Model:
    """A running model server, and beside it one that serves the candidate under the same name."""

    server: Server
    url: str
    candidate: Server
    candidate_url: str
    title: str

    def stop(self) -> None:
        """Both."""
        self.candidate.stop()
        self.server.stop()


def find_mlserver(environment: Path | None) -> Path | None:
    """The `bin` folder of a Python environment that has MLServer: the one given, `.venvs/mlserver`, or our own."""
    candidates = [environment] if environment else [_ROOT / ".venvs" / "mlserver", Path(sys.prefix)]
    for candidate in candidates:
        if (candidate / "bin" / "mlserver").exists() and (candidate / "bin" / "python").exists():
            return candidate / "bin"
    return None


def start_mlserver(bin_folder: Path, folder: Path, port: int, candidate_port: int, tick: Callable[[], None]) -> Model:
    """Train, then serve. RuntimeSetupError when one of them fails."""
    taken = [port, candidate_port]
    for beside in (1, 2, 11, 12):  # each server also has a port for gRPC and one for metrics
        taken.append(pick(port + beside, taken))
    ports = [port, *taken[2:4], candidate_port, *taken[4:]]
    script = str(Path(__file__).with_name("train.py"))
    command = [str(bin_folder / "python"), script, str(folder), *map(str, ports)]
    training = Server("training", command, folder / "training.log")
    try:
        training.wait_done(tick)
    finally:
        training.stop()
    start = [str(bin_folder / "mlserver"), "start"]
    server = Server("MLServer", [*start, str(folder / "models")], folder / "model.log")
    candidate = Server("the candidate's MLServer", [*start, str(folder / "candidate")], folder / "candidate.log")
    return _ready(server, port, candidate, candidate_port, "MLServer with scikit-learn", tick)


def start_stand_in(folder: Path, port: int, candidate_port: int, tick: Callable[[], None]) -> Model:
    """Serve the coefficients scikit-learn found, without scikit-learn."""
    command = [sys.executable, "-m", f"{__package__}.stand_in"]
    server = Server("the stand-in model", [*command, str(port)], folder / "model.log")
    candidate = Server("the stand-in candidate", [*command, str(candidate_port), "candidate"], folder / "candidate.log")
    return _ready(server, port, candidate, candidate_port, "a small stand-in over the same protocol", tick)


def _ready(
    server: Server, port: int, candidate: Server, candidate_port: int, title: str, tick: Callable[[], None]
) -> Model:
    model = Model(server, f"http://{HOST}:{port}", candidate, f"http://{HOST}:{candidate_port}", title)
    try:
        server.wait_ready(model.url + READY_PATH, tick)
        candidate.wait_ready(model.candidate_url + READY_PATH, tick)
    except BaseException:
        model.stop()
        raise
    return model
