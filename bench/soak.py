"""Many requests to one sidecar: does its memory stay flat?"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .failure import BenchError
from .load import PinnedLoad
from .processes import Process, cores, cpu_seconds, rss_bytes, tree
from .rounds import say
from .stage import stage
from .statistics import slope

STEP_SECONDS: Final = 5.0
# Growth that a long run would notice: 1 byte a request is 86 MB a day at 1 000/s.
FLAT_BYTES_PER_REQUEST: Final = 1.0


def soak(requests: int, folder: Path) -> None:
    """Prints resident memory of the worker after each step, and its growth over the second half."""
    load = PinnedLoad(cores()[0], folder)
    with stage(["sidecar"], folder, must_run=frozenset({"sidecar"})) as running:
        instance = running.instances["sidecar"]
        if instance.process is None:
            raise BenchError("the sidecar has no process")
        sent, errors = 0, 0
        positions: list[float] = []
        memory: list[float] = []
        print("requests  worker RSS MiB")
        while sent < requests:
            run = load.saturate(instance.port, STEP_SECONDS)
            instance.process.check_alive()
            sent += run.requests
            errors += sum(run.errors.values())
            positions.append(sent)
            memory.append(rss_bytes(_worker(instance.process)))
            print(f"{sent:>8}  {memory[-1] / 2**20:.1f}", flush=True)
        print(verdict(positions, memory, errors))
        say(f"{sent / (STEP_SECONDS * len(memory)):,.0f} requests/s")


def verdict(positions: list[float], memory: list[float], errors: int) -> str:
    """One sentence. The first half is left out: caches and the allocator's arenas fill up in it."""
    half = len(positions) // 2
    growth = slope(positions[half:], memory[half:])
    word = "flat" if abs(growth) < FLAT_BYTES_PER_REQUEST else "NOT FLAT" if growth > 0 else "shrinking"
    return f"{word}: {growth:+.3f} bytes a request over the second half; {errors} errors"


def _worker(process: Process) -> int:
    """The process of the tree that did the work: the one with the most CPU time of its own and its children."""
    children = [pid for pid in tree(process.pid) if pid != process.pid]
    return max(children, key=cpu_seconds) if children else process.pid
