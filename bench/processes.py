"""Start, pin, watch and end processes; what the kernel says about them (Linux `/proc`)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from .environments import ROOT
from .failure import BenchError

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0


def cores() -> tuple[int, int]:
    """(core of generator and upstream, core of the proxy); the same one twice on a machine with a single core."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """What is started inside inherits the core, its threads included: pinning a running process would miss some.

    None leaves the choice to the kernel.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tree(pid: int) -> list[int]:
    """This process and all its descendants, as far as they still exist."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        fields = _stat(int(entry.name))
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        queue.extend(parents.get(one, ()))
    return found


def _stat(pid: int) -> list[str]:
    """Fields of `/proc/PID/stat` from the third one on (proc(5)); [] when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The second field is the name in parentheses and may hold spaces and parentheses itself.
    return text[text.rindex(")") + 2 :].split()


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its living descendants."""
    return sum(int(f[11]) + int(f[12]) for f in map(_stat, tree(pid)) if f) / TICKS_PER_SECOND


def own_cpu_seconds(pid: int) -> float:
    """User and system time of the process alone; 0 when it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND if fields else 0.0


def command_line(pid: int) -> list[str]:
    """Its words; [] when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def stolen_seconds() -> float:
    """Time that the hypervisor gave to others, over all cores, since boot (proc(5), `/proc/stat`, eighth column)."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / TICKS_PER_SECOND


def busy_seconds(core: int) -> float:
    """Time that processes of any kind spent on a core since boot, interrupts left out."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            return (int(ticks[0]) + int(ticks[1]) + int(ticks[2])) / TICKS_PER_SECOND
    raise BenchError(f"/proc/stat knows no core {core}")


def rss_bytes(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone."""
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def peak_rss_bytes(pid: int) -> int:
    """The most resident memory one process has had; 0 when it is gone (proc(5), VmHWM)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


class Process:
    """A child in a process group of its own, pinned unless `core` is None; its output goes to a file, to be shown."""

    def __init__(
        self, name: str, argv: Sequence[str], core: int | None, log: Path, env: Mapping[str, str] | None = None
    ):
        self.name = name
        self.log = log
        with log.open("wb") as output, pinned(core):
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C reaches the harness alone, which then ends everybody in order
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def check_alive(self) -> None:
        code = self._popen.poll()
        if code is not None:
            raise BenchError(f"{self.name} ended with exit code {code}: {self.last_words()}")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-6:]) or "it said nothing"

    def wait_for_port(self, port: int, seconds: float = START_SECONDS) -> None:
        """Until something listens there.

        BenchError when the process ends first or the time is up.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check_alive()
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise BenchError(f"{self.name} did not listen on port {port} within {seconds:g} s: {self.last_words()}")

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """SIGTERM, after `seconds` SIGKILL to the group: nobody outlives the harness."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._popen.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
