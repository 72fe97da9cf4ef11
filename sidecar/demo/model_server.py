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
    """A running model server."""

    server: Server
    url: str
    title: str
    is_real: bool


def find_mlserver(environment: Path | None) -> Path | None:
    """The `bin` folder of a Python environment that has MLServer: the one given, `.venvs/mlserver`, or our own."""
    candidates = [environment] if environment else [_ROOT / ".venvs" / "mlserver", Path(sys.prefix)]
    for candidate in candidates:
        if (candidate / "bin" / "mlserver").exists() and (candidate / "bin" / "python").exists():
            return candidate / "bin"
    return None


def start_mlserver(bin_folder: Path, folder: Path, port: int, tick: Callable[[], None]) -> Model:
    """Train, then serve. RuntimeSetupError when one of them fails."""
    models = folder / "models"
    grpc = pick(port + 1, {port})
    metrics = pick(port + 2, {port, grpc})
    script = str(Path(__file__).with_name("train.py"))
    command = [str(bin_folder / "python"), script, str(models), str(port), str(grpc), str(metrics)]
    training = Server("training", command, folder / "training.log")
    try:
        training.wait_done(tick)
    finally:
        training.stop()
    server = Server("MLServer", [str(bin_folder / "mlserver"), "start", str(models)], folder / "model.log")
    return _ready(Model(server, f"http://{HOST}:{port}", "MLServer with scikit-learn", True), tick)


def start_stand_in(folder: Path, port: int, tick: Callable[[], None]) -> Model:
    """Serve the coefficients scikit-learn found, without scikit-learn."""
    command = [sys.executable, "-m", f"{__package__}.stand_in", str(port)]
    server = Server("the stand-in model", command, folder / "model.log")
    return _ready(Model(server, f"http://{HOST}:{port}", "a small stand-in over the same protocol", False), tick)


def _ready(model: Model, tick: Callable[[], None]) -> Model:
    try:
        model.server.wait_ready(model.url + READY_PATH, tick)
    except BaseException:
        model.server.stop()
        raise
    return model
