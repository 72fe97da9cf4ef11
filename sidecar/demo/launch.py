"""Bring up what the demo needs: a folder, a model, the sidecar; each stopped when the stack unwinds."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..errors import RuntimeSetupError
from .model_server import Model, find_mlserver, start_mlserver, start_stand_in
from .ports import HOST, pick
from .process import Server
from .terminal import Terminal

DATA_PORT = 8600
HEALTH_PORT = 8601
MODEL_PORT = 8680
_NAMES = ("iris", "diabetes")


@dataclass(frozen=True)
class Options:
    """How the demo is run. `data` None = a temporary folder that goes when the demo goes."""

    data: Path | None = None
    mlserver: Path | None = None
    stand_in: bool = False
    stay: bool = False


@dataclass(frozen=True)
class Running:
    """What is up while the story is told."""

    model: Model
    sidecar: Server
    policies: tuple[Path, ...]
    data: Path
    url: str
    health: str


def find_policies() -> tuple[Path, ...]:
    """The demo's policies: of the repository, or as installed beside the package. RuntimeSetupError without them."""
    for folder in (Path(__file__).parents[2] / "policies", Path(sys.prefix) / "share" / "sidecar" / "policies"):
        paths = tuple(folder / f"{name}.yaml" for name in _NAMES)
        if all(path.is_file() for path in paths):
            return paths
    raise RuntimeSetupError(
        "The demo's policies (policies/iris.yaml, policies/diabetes.yaml) are not there; reinstall the package, "
        "or run `make demo` in a clone of the repository."
    )


def start(options: Options, terminal: Terminal, cleanup: ExitStack) -> Running:
    """Everything up and ready. RuntimeSetupError when something did not start."""
    policies = find_policies()
    folder = _folder(options, cleanup)
    model = _start_model(options, folder, terminal, cleanup)
    return _start_sidecar(model, folder, policies, terminal, cleanup)


def _folder(options: Options, cleanup: ExitStack) -> Path:
    if options.data is None:
        folder = Path(tempfile.mkdtemp(prefix="sidecar-demo-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder
    if options.data.exists() and any(options.data.iterdir()):
        raise RuntimeSetupError(f"--data {options.data} is not empty; name a new folder, or remove this one first.")
    options.data.mkdir(parents=True, exist_ok=True)
    return options.data


def _start_sidecar(
    model: Model, folder: Path, policies: tuple[Path, ...], terminal: Terminal, cleanup: ExitStack
) -> Running:
    started = time.monotonic()
    port = pick(DATA_PORT)
    health = pick(HEALTH_PORT, {port})
    data = folder / "data"
    command = [sys.executable, "-m", "sidecar", "serve", "--upstream", model.url, "--data", str(data)]
    command += ["--listen", f"{HOST}:{port}", "--health", f"{HOST}:{health}", "--admin", "off", "--pre-stop", "0s"]
    for path in policies:
        command += ["--policy", str(path)]
    sidecar = Server("sidecar serve", command, folder / "sidecar.log")
    cleanup.callback(sidecar.stop)
    with terminal.busy("starting the sidecar") as tick:
        sidecar.wait_ready(f"http://{HOST}:{health}/readyz", tick)
    names = ", ".join(path.name for path in policies)
    _line(terminal, "sidecar", f"http://{HOST}:{port}  judges by {names}", time.monotonic() - started)
    if (port, health) != (DATA_PORT, HEALTH_PORT):
        _line(terminal, "", f"ports {DATA_PORT} or {HEALTH_PORT} are taken, these were free")
    return Running(model, sidecar, policies, data, f"http://{HOST}:{port}", f"http://{HOST}:{health}")


def _start_model(options: Options, folder: Path, terminal: Terminal, cleanup: ExitStack) -> Model:
    started = time.monotonic()
    model = _choose_model(options, folder, terminal)
    cleanup.callback(model.server.stop)
    _line(terminal, "model", f"{model.url}  {model.title}", time.monotonic() - started)
    return model


def _choose_model(options: Options, folder: Path, terminal: Terminal) -> Model:
    port = pick(MODEL_PORT)
    found = None if options.stand_in else find_mlserver(options.mlserver)
    if found is None and options.mlserver is not None:
        raise RuntimeSetupError(
            f"--mlserver {options.mlserver} has no bin/mlserver; name an environment with MLServer."
        )
    if found is not None:
        try:
            with terminal.busy("training two scikit-learn models and starting MLServer") as tick:
                return start_mlserver(found, folder, port, tick)
        except RuntimeSetupError as error:
            terminal.say(f"  {terminal.paint('MLServer could not be used:', 'yellow')} {error}")
    elif not options.stand_in:
        terminal.say("  " + terminal.paint("MLServer is not installed (`make demo` does that).", "yellow"))
    with terminal.busy("starting a stand-in model") as tick:
        return start_stand_in(folder, port, tick)


def _line(terminal: Terminal, label: str, text: str, seconds: float | None = None) -> None:
    took = "" if seconds is None else terminal.paint(f"  {seconds:.1f} s", "dim")
    terminal.say(f"  {label:<9}{text}{took}")
