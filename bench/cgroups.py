"""A memory limit as a container has it: control groups of the kernel, of version 1 or 2, where they can be made.

Page cache that a process fills counts against its group as well as its own memory; the kernel takes the first back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from .failure import BenchError

MIB: Final = 1024 * 1024
REMOVE_SECONDS: Final = 10.0
_LIMIT: Final = {1: "memory.limit_in_bytes", 2: "memory.max"}
_PEAK: Final = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}
_EVENTS: Final = {1: "memory.oom_control", 2: "memory.events"}
_SWAP: Final = {1: "memory.memsw.limit_in_bytes", 2: "memory.swap.max"}


class MemoryGroup:
    """One group: whoever is started in it, and their children, share the limit."""

    def __init__(self, path: Path, version: int, limit_bytes: int) -> None:
        self._path = path
        self._version = version
        self.limit_bytes = limit_bytes
        self._write(_LIMIT[version], limit_bytes)
        with suppress(OSError):  # where swap is not counted, there is none to speak of
            self._write(_SWAP[version], limit_bytes if version == 1 else 0)

    def inside(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command that runs here from its first page on: what a process has when it moves stays with where it was."""
        return ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self._path / "cgroup.procs"), *argv)

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed here for want of memory."""
        words = dict(line.split() for line in (self._path / _EVENTS[self._version]).read_text().splitlines())
        return int(words.get("oom_kill", 0))

    @property
    def peak_bytes(self) -> int:
        """The most that was ever counted here, page cache included; 0 where the kernel does not say."""
        try:
            return int((self._path / _PEAK[self._version]).read_text())
        except OSError:
            return 0

    def _write(self, name: str, value: int) -> None:
        (self._path / name).write_text(str(value))


@contextmanager
def memory_group(name: str, limit_bytes: int) -> Iterator[MemoryGroup]:
    """A new group, gone afterwards; who is left in it goes back. BenchError, with why, where none can be made."""
    parent, version = _parent()
    path = parent / f"{name}-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        raise BenchError(f"no control group can be made: {path}: {error.strerror}") from None
    try:
        try:
            group = MemoryGroup(path, version, limit_bytes)
        except OSError as error:
            raise BenchError(f"no memory can be limited: {error.filename}: {error.strerror}") from None
        yield group
    finally:
        _remove(path, parent)


def _parent() -> tuple[Path, int]:
    """Where groups are made, and of which version they are there."""
    unified = None
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(place), 1
        if kind == "cgroup2":
            unified = Path(place)
    if unified is None:
        raise BenchError("no control group can be made: none is mounted here")
    if "memory" not in (unified / "cgroup.controllers").read_text().split():
        raise BenchError(f"no memory can be limited: {unified} has no memory controller")
    with suppress(OSError):  # may be on already; if it cannot be, the group has no limit to write
        (unified / "cgroup.subtree_control").write_text("+memory")
    return unified, 2


def _remove(path: Path, parent: Path) -> None:
    deadline = time.monotonic() + REMOVE_SECONDS
    while path.exists() and time.monotonic() < deadline:  # a group is busy until its last process is quite gone
        with suppress(OSError):
            for pid in (path / "cgroup.procs").read_text().split():
                with suppress(OSError):
                    (parent / "cgroup.procs").write_text(pid)
            path.rmdir()
            return
        time.sleep(0.01)
