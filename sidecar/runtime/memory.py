"""How much memory this process may have, and what follows from it.

A container's limit is its control group's (cgroup(7)): what goes beyond it is killed, so what is held of bodies has to
fit into what the processes of the container leave.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024
LARGE_BYTES: Final = 512 * 1024
ARENAS: Final = 2
MOST_BODY_BYTES: Final = 256 * MIB  # held at a time, where nothing says that there is less memory
PROCESS_BYTES: Final = 64 * MIB  # measured: a supervisor is 42 MiB, a worker at rest 45
OBSERVERS_BYTES: Final = 256 * MIB
BYTES_PER_HELD: Final = 3  # room to join and to judge it
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h of glibc
_FILES: Final = ("memory.max", "memory.limit_in_bytes")
_UNLIMITED: Final = 1 << 60  # version 1 says "none" with a number near 2^63


def give_memory_back() -> None:
    """Bodies come and go here: what is large leaves the process when it is let go of, instead of staying in the heap
    because once something as large was freed (mallopt(3), dynamic threshold). Not every C library has it."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_M_ARENA_MAX, ARENAS)


def memory_limit(proc: Path = Path("/proc/self")) -> int | None:
    """The smallest limit of this process's control groups, of version 1 or 2, in bytes; None where there is none."""
    found = [limit for folder in _folders(proc) if (limit := _limit(folder)) is not None]
    return min(found, default=None)


def body_budget(limit: int | None, *, workers: int, observers: bool, largest: int) -> int:
    """Bytes of bodies that one of so many workers may hold. One of the largest that is judged always fits."""
    if limit is None:
        return max(MOST_BODY_BYTES, largest)
    left = limit - PROCESS_BYTES * (workers + 1) - (OBSERVERS_BYTES if observers else 0)
    return max(min(MOST_BODY_BYTES, left // workers // BYTES_PER_HELD), largest)


def _folders(proc: Path) -> Iterable[Path]:
    """This process's groups and those above them, as far as they can be seen from here."""
    try:
        groups = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines()]
        mounts = [line.split() for line in (proc / "mounts").read_text().splitlines()]
    except OSError:
        return
    for mount in mounts:
        place, kind, options = Path(mount[1]), mount[2], mount[3].split(",")
        if kind not in ("cgroup", "cgroup2") or (kind == "cgroup" and "memory" not in options):
            continue
        for _, controllers, path in groups:
            if ("memory" in controllers.split(",")) if kind == "cgroup" else not controllers:
                own = place / path.lstrip("/")  # in a container the path may be the host's: then the mount itself is it
                yield from (own, *own.parents) if own.is_dir() else (place,)


def _limit(folder: Path) -> int | None:
    for name in _FILES:
        with contextlib.suppress(OSError, ValueError):
            limit = int((folder / name).read_text())
            return limit if limit < _UNLIMITED else None
    return None
