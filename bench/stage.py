"""Everything that runs during a benchmark: the static model server on core 0, each system on core 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sidecar.families import members

from . import environments, nginx
from .failure import BenchError
from .processes import Process, cores, free_port
from .systems import Place, System
from .verify import verify

REFERENCE: Final = "envoy"
DIRECT: Final = "direct"
SPARE_PORTS: Final = 2


@dataclass(frozen=True, slots=True)
class Instance:
    """One running system; `label` is its kind, or `kind/2` for the second instance of an A/A pair."""

    label: str
    system: System
    place: Place
    process: Process | None

    @property
    def port(self) -> int:
        return self.place.port

    def account(self) -> dict[str, int]:
        return dict(self.system.account(self.place))


@dataclass(slots=True)
class Stage:
    """Verified instances by label, and why others are not among them."""

    instances: dict[str, Instance] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def kinds() -> tuple[str, ...]:
    return tuple(members("bench.systems"))


@contextmanager
def stage(labels: Sequence[str], folder: Path, *, must_run: frozenset[str]) -> Iterator[Stage]:
    """Start and verify. What cannot run is left out with its reason; BenchError if it is one of `must_run`."""
    generator_core, proxy_core = cores()
    with ExitStack() as running:
        upstream, mirror = free_port(), free_port()
        start_model_server(running, folder / "model", (upstream, mirror), generator_core)
        found = Stage()
        for label in labels:
            try:
                found.instances[label] = _start(running, label, folder, upstream, mirror, proxy_core)
            except BenchError as error:
                if label in must_run:
                    raise
                found.left_out[label] = str(error)
        yield found


def start_model_server(running: ExitStack, own: Path, ports: tuple[int, ...], core: int | None) -> Process:
    """nginx with the one answer, its files in the new folder `own`; ended by `running`."""
    own.mkdir()
    configuration = own / "nginx.conf"
    configuration.write_text(nginx.model_server(own, ports))
    binary = environments.tool("nginx", "nginx-light")
    argv = (binary, "-e", str(own / "error.log"), "-p", str(own), "-c", str(configuration))
    process = running.enter_context(Process(f"the server {own.name}", argv, core, own / "log"))
    process.wait_for_port(ports[0])
    return process


def _start(running: ExitStack, label: str, folder: Path, upstream: int, mirror: int, core: int) -> Instance:
    system: System = members("bench.systems")[label.partition("/")[0]]()
    own = folder / label.replace("/", "-")
    own.mkdir()
    place = Place(free_port(), upstream, mirror, tuple(free_port() for _ in range(SPARE_PORTS)), own)
    launch = system.launch(place)
    if launch is None:
        verify(system, upstream)
        return Instance(label, system, replace(place, port=upstream), None)
    process = Process(label, launch.argv, core, own / "log", launch.env)
    try:
        process.wait_for_port(place.port)
        verify(system, place.port)
    except BaseException:
        process.stop()
        raise
    running.enter_context(process)
    return Instance(label, system, place, process)
