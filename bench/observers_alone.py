"""How fast the observers are when they have a core to themselves: a filled journal, then `sidecar observe` alone."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .exposition import by_label, page, scrape, sums
from .failure import BenchError
from .load import PinnedLoad
from .processes import Process, cores, peak_rss_bytes, pinned
from .sustained import OBSERVERS, around, running_observers
from .systems.base import Place
from .systems.sidecar import command, program

RECORDS: Final = 60_000
FILL_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 300.0
POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Read:
    """How far they have come: records by observer, at a time, with the CPU used until then. Seconds."""

    at: float
    cpu: float
    records: dict[str, float]


def observers_alone(folder: Path, records: int = RECORDS, *, compiled: bool = True) -> None:
    """Prints records/s, by wall and by CPU. BenchError when they do not come to the end."""
    generator_core, proxy_core = cores()
    # All others on the other core, this process and the collector in it too.
    with pinned(generator_core), ExitStack() as running:
        place, policy, _ = around(running, folder, generator_core)
        serve = command(place, policy, compiled=compiled)
        serving = Process("sidecar", serve, proxy_core, place.folder / "log")
        written = _fill(place, serving, PinnedLoad(generator_core, folder), records)
        port = place.spare_ports[1]
        observe = ("observe", "--data", str(place.folder / "data"), "--admin", f"127.0.0.1:{port}")
        argv = (*program(compiled=compiled), *observe)
        observing = running.enter_context(Process("observers", argv, proxy_core, place.folder / "observe.log"))
        observing.wait_for_port(port)
        reads = _follow(observing, port)
        peak = peak_rss_bytes(observing.pid)
        shadow = by_label(page(port), "sidecar_shadow_outcomes_total")
    print(f"{written:,} records in the journal; all observers on one core")
    print(summary(reads))
    print(f"memory: {peak / 2**20:,.0f} MiB at most")
    print("copies: " + ", ".join(f"{name} {count:,.0f}" for name, count in shadow.items() if count))


def _fill(place: Place, serving: Process, load: PinnedLoad, records: int) -> int:
    """Serve without observers until there are so many records, and stop."""
    with serving:
        serving.wait_for_port(place.port)
        written = 0
        while written < records:
            load.saturate(place.port, FILL_SECONDS)
            written = int(scrape(place.spare_ports[0])["sidecar_journal_records_total"])
    return written


def _follow(observing: Process, port: int) -> list[Read]:
    """What they had read, from when they run until there is nothing left."""
    reads: list[Read] = []
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        observing.check_alive()
        text = page(port)
        counted = by_label(text, "sidecar_observer_records_total")
        records = {name: counted.get(name, 0.0) for name in sorted(OBSERVERS)}
        reads.append(Read(time.monotonic(), observing.cpu_seconds(), records))
        everything = running_observers(text) >= OBSERVERS and all(records.values())
        if everything and not sums(text).get("sidecar_observer_lag_bytes", 1.0):
            return reads
        time.sleep(POLL_SECONDS)
    raise BenchError(f"the observers did not come to the end within {LONGEST_SECONDS:g} s: {reads[-1].records}")


def summary(reads: list[Read]) -> str:
    """One line an observer, and one for all: the time ends where a count last moved. BenchError when none did."""
    first, lines = reads[0], []
    for name in (*first.records, "all together"):
        counts = [read.records.get(name, min(read.records.values())) for read in reads]
        moved = counts[-1] - counts[0]
        if moved <= 0:
            raise BenchError(f"{name} had read everything before it was looked at: take more records")
        end = reads[counts.index(counts[-1])]
        wall, cpu = end.at - first.at, end.cpu - first.cpu
        per_cpu = f"{moved / cpu:,.0f} per CPU second" if cpu else "no CPU time seen"
        lines.append(f"{name:12} {moved:,.0f} records in {wall:.1f} s: {moved / wall:,.0f}/s, {per_cpu} of the process")
    return "\n".join(lines)
