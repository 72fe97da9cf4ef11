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
from .receiver import Receiver, receiving
from .terminal import Terminal

DATA_PORT = 8600
HEALTH_PORT = 8601
ADMIN_PORT = 8602
MODEL_PORT = 8680
CANDIDATE_PORT = 8690
COLLECTOR_PORT = 8695
_NAMES = ("iris", "diabetes")
# What the demo adds to a policy that has no shadow of its own: a tolerance in the units of the prediction.
_SHADOW = """
shadow:
  - candidate: diabetes-4
    upstream: {url}
    unit: row
    compare: {{predict: {{tolerance: 16}}}}
    limits: {{timeout: 5s}}
"""


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
    receiver: Receiver
    data: Path
    url: str
    health: str
    admin: str


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
    receiver = cleanup.enter_context(receiving(pick(COLLECTOR_PORT)))
    configuration = write_configuration(folder / "policies", policies, model.candidate_url, receiver.url)
    return _start_sidecar(model, receiver, folder, configuration, terminal, cleanup)


def write_configuration(folder: Path, policies: tuple[Path, ...], candidate_url: str, collector_url: str) -> list[str]:
    """Write the policies with the candidate in them and a sidecar.yaml that names the collector; `serve`'s flags."""
    folder.mkdir()
    flags = ["--config", str(folder / "sidecar.yaml")]
    (folder / "sidecar.yaml").write_text(f"trace: {{to: {collector_url}, sample: 100%}}\n")
    for path in policies:
        text = path.read_text(encoding="utf-8")
        shadow = _SHADOW.format(url=candidate_url) if path.stem == "diabetes" else ""
        (folder / path.name).write_text(text + shadow, encoding="utf-8")
        flags += ["--policy", str(folder / path.name)]
    return flags


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
    model: Model, receiver: Receiver, folder: Path, flags: list[str], terminal: Terminal, cleanup: ExitStack
) -> Running:
    started = time.monotonic()
    port = pick(DATA_PORT)
    health = pick(HEALTH_PORT, {port})
    admin = pick(ADMIN_PORT, {port, health})
    data = folder / "data"
    command = [sys.executable, "-m", "sidecar", "serve", "--upstream", model.url, "--data", str(data), *flags]
    command += ["--listen", f"{HOST}:{port}", "--health", f"{HOST}:{health}", "--admin", f"{HOST}:{admin}"]
    command += ["--pre-stop", "0s"]
    sidecar = Server("sidecar serve", command, folder / "sidecar.log")
    cleanup.callback(sidecar.stop)
    with terminal.busy("starting the sidecar") as tick:
        sidecar.wait_ready(f"http://{HOST}:{health}/readyz", tick)
    names = ", ".join(f"{name}.yaml" for name in _NAMES)
    _line(terminal, "sidecar", f"http://{HOST}:{port}  judges by {names}", time.monotonic() - started)
    _line(terminal, "admin", f"http://{HOST}:{admin}/  the page")
    if (port, health, admin) != (DATA_PORT, HEALTH_PORT, ADMIN_PORT):
        _line(terminal, "", f"of ports {DATA_PORT} to {ADMIN_PORT} some are taken, these were free")
    urls = (f"http://{HOST}:{each}" for each in (port, health, admin))
    return Running(model, sidecar, receiver, data, *urls)


def _start_model(options: Options, folder: Path, terminal: Terminal, cleanup: ExitStack) -> Model:
    started = time.monotonic()
    model = _choose_model(options, folder, terminal)
    cleanup.callback(model.stop)
    _line(terminal, "model", f"{model.url}  {model.title}", time.monotonic() - started)
    _line(terminal, "shadow", f"{model.candidate_url}  the diabetes model, trained anew")
    return model


def _choose_model(options: Options, folder: Path, terminal: Terminal) -> Model:
    port = pick(MODEL_PORT)
    candidate = pick(CANDIDATE_PORT, {port})
    found = None if options.stand_in else find_mlserver(options.mlserver)
    if found is None and options.mlserver is not None:
        raise RuntimeSetupError(
            f"--mlserver {options.mlserver} has no bin/mlserver; name an environment with MLServer."
        )
    if found is not None:
        try:
            with terminal.busy("training scikit-learn models and starting MLServer") as tick:
                return start_mlserver(found, folder, port, candidate, tick)
        except RuntimeSetupError as error:
            terminal.say(f"  {terminal.paint('MLServer could not be used:', 'yellow')} {error}")
    elif not options.stand_in:
        terminal.say("  " + terminal.paint("MLServer is not installed (`make demo` does that).", "yellow"))
    with terminal.busy("starting a stand-in model") as tick:
        return start_stand_in(folder, port, candidate, tick)


def _line(terminal: Terminal, label: str, text: str, seconds: float | None = None) -> None:
    took = "" if seconds is None else terminal.paint(f"  {seconds:.1f} s", "dim")
    terminal.say(f"  {label:<9}{text}{took}")
