"""Everything on, for minutes: what two cores give when every observer runs beside the gateway.

    generator ─▶ sidecar serve (supervisor, worker, cold) ─▶ model
                              journal ─▶ archive, metrics, traces 5 %, shadow 10 % ─▶ candidate, collector

Nothing is pinned but the generator: the kernel shares the cores out, as it does in production.
"""

from __future__ import annotations

import contextlib
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from .collector import collecting
from .exposition import by_label, page, sums
from .failure import BenchError
from .load import PinnedLoad
from .processes import Process, command_line, cores, free_port, own_cpu_seconds, rss_bytes, tree
from .stage import start_model_server
from .sustained_report import Answers, Found, text
from .systems.base import Place
from .systems.sidecar import Sidecar, command
from .verify import verify

OBSERVERS: Final = frozenset({"archive", "metrics", "traces", "shadow"})
START_SECONDS: Final = 30.0
CATCH_UP_SECONDS: Final = 60.0
SAMPLE_SECONDS: Final = 1.0
STOP_SECONDS: Final = 30.0
_MODULES: Final = {"sidecar.runtime.build": "worker", "sidecar.cold.process": "cold"}
_LAG: Final = "sidecar_observer_lag_seconds"
# Counters that stay 0 while nothing is lost.
_DROPS: Final = {
    "sidecar_journal_dropped_records_total": "journal records dropped",
    "sidecar_journal_unread_removed_records_total": "records removed unread",
    "sidecar_observer_lagged_out_total": "records lagged out",
    "sidecar_observer_unreadable_total": "stretches unreadable",
    "sidecar_observer_errors_total": "observer restarts",
    "sidecar_spans_dropped_total": "spans dropped",
    "sidecar_worker_restarts_total": "worker restarts",
    "sidecar_cold_restarts_total": "cold restarts",
    "sidecar_guard_errors_total": "checks failed",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` requests a second whatever happens; None: as fast as 32 callers can."""

    seconds: float = 120.0
    rate: float | None = 3500.0
    compiled: bool = True  # where there is a build


@dataclass(slots=True)
class Samples:
    """Once a second: memory by process, the most that each observer lagged, the most the journal took."""

    memory: dict[str, list[int]] = field(default_factory=dict)
    lag_most: dict[str, float] = field(default_factory=dict)
    disk_most: float = 0.0

    def add(self, scraped: str, processes: dict[str, int], disk: float) -> None:
        for name in ("worker", "cold"):
            self.memory.setdefault(name, []).append(rss_bytes(processes[name]))
        for name, lag in lags(scraped).items():
            self.lag_most[name] = max(lag, self.lag_most.get(name, 0.0))
        self.disk_most = max(self.disk_most, disk)


def sustained(folder: Path, plan: Plan, report: Path | None = None) -> None:
    """Prints the figures and the verdict; BenchError when the run could not be made."""
    load = PinnedLoad(cores()[0], folder)
    with ExitStack() as running:
        place, policy, servers = around(running, folder)
        sidecar = running.enter_context(
            Process(
                "sidecar", command(place, policy, compiled=plan.compiled, observers=True), None, place.folder / "log"
            )
        )
        sidecar.wait_for_port(place.port)
        until(lambda: running_observers(page(place.spare_ports[0])) >= OBSERVERS, START_SECONDS, sidecar)
        verify(Sidecar(), place.port)
        found = measure(load, plan, place, sidecar, servers)
    print(text(found))
    if report is not None:
        report.write_text(json.dumps(asdict(found), indent=1) + "\n")


def around(running: ExitStack, folder: Path, core: int | None = None) -> tuple[Place, str, dict[str, Process]]:
    """Model, candidate and collector, all up; where the sidecar goes, and what its policy says about them."""
    model, candidate = free_port(), free_port()
    servers = {
        "model": start_model_server(running, folder / "model", (model,), core),
        "candidate": start_model_server(running, folder / "candidate", (candidate,), core),
    }
    taken = running.enter_context(collecting())
    own = folder / "sidecar"
    own.mkdir()
    place = Place(free_port(), model, 0, (free_port(), free_port()), own)
    return place, sections(own / "archive", taken.url, f"http://127.0.0.1:{candidate}"), servers


def sections(archive: Path, collector: str, candidate: str) -> str:
    """Of the policy: every observer on. YAML; JSON strings are YAML strings."""
    return (
        f"archive: {{to: {json.dumps(str(archive))}}}\n"
        f"trace: {{to: {json.dumps(collector)}, sample: 5%}}\n"
        f"shadow: [{{candidate: next, upstream: {json.dumps(candidate)}, sample: 10%, "
        "compare: {score: {tolerance: 0.02}}}]\n"
    )


def measure(load: PinnedLoad, plan: Plan, place: Place, sidecar: Process, servers: dict[str, Process]) -> Found:
    """One run, sampled meanwhile, then watched until the observers have read everything; stops the sidecar."""
    port = place.spare_ports[0]
    processes = {**roles(sidecar.pid), **{name: server.pid for name, server in servers.items()}}
    samples = Samples()
    before, cpu_before, generator_before = sums(page(port)), _cpu(processes), _children_seconds()
    own_before, started = time.process_time(), time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        answering = thread.submit(_answers, load, plan, place.port)
        _sample(answering, samples, place, processes, sidecar)
        answers = answering.result()
    seconds = time.monotonic() - started
    ended = page(port)
    samples.add(ended, processes, disk_bytes(place.folder / "data" / "journal"))
    cpu_after = _cpu(processes)
    cpu = {name: cpu_after[name] - cpu_before[name] for name in processes}
    cpu["generator"] = _children_seconds() - generator_before
    cpu["harness and collector"] = time.process_time() - own_before
    waited = until(lambda: caught_up(page(port)), CATCH_UP_SECONDS, sidecar, must=False)
    last = page(port)
    total = sums(last)
    sidecar.stop(STOP_SECONDS)  # the archive commits what it holds
    return Found(
        seconds=seconds,
        answers=answers,
        cpu=cpu,
        journal_bytes=sums(ended)["sidecar_journal_written_bytes_total"]
        - before["sidecar_journal_written_bytes_total"],
        archive_bytes=disk_bytes(place.folder / "archive"),
        journal_disk_bytes=samples.disk_most,
        journal_limit_bytes=total["sidecar_journal_limit_bytes"],
        lag_at_end=lags(ended),
        unread_at_end=unread(ended),
        lag_most=samples.lag_most,
        caught_up_seconds=waited,
        drops={words: total.get(name, 0.0) for name, words in _DROPS.items()},
        shadow={name: count for name, count in by_label(last, "sidecar_shadow_outcomes_total").items() if count},
        memory={name: (sizes[0], sizes[len(sizes) // 2], sizes[-1]) for name, sizes in samples.memory.items()},
        spans_exported=total.get("sidecar_spans_exported_total", 0.0),
    )


def _answers(load: PinnedLoad, plan: Plan, port: int) -> Answers:
    if plan.rate is None:
        free = load.saturate(port, plan.seconds)
        return Answers(None, free.requests_per_second, free.p50_ms, free.p99_ms, free.errors)
    paced = load.pace(port, plan.rate, plan.seconds)
    return Answers(plan.rate, paced.kept_rate, paced.p50_ms, paced.p99_ms, paced.errors)


def _sample(
    answering: Future[Answers], samples: Samples, place: Place, processes: dict[str, int], sidecar: Process
) -> None:
    while not answering.done():
        sidecar.check_alive()
        samples.add(page(place.spare_ports[0]), processes, disk_bytes(place.folder / "data" / "journal"))
        time.sleep(SAMPLE_SECONDS)


def lags(scraped: str) -> dict[str, float]:
    """Seconds by observer, of those that run here."""
    return {name: lag for name, lag in by_label(scraped, _LAG).items() if name in OBSERVERS}


def unread(scraped: str) -> dict[str, float]:
    """Bytes of the journal by observer, of those that run here: a second opinion on the lag."""
    found = by_label(scraped, "sidecar_observer_lag_bytes")
    return {name: size for name, size in found.items() if name in OBSERVERS}


def disk_bytes(folder: Path) -> float:
    """Sizes of all files, as they are now: the sidecar's own gauge follows with a delay. A file may go meanwhile."""
    total = 0.0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def running_observers(scraped: str) -> frozenset[str]:
    """Those that read."""
    return frozenset(name for name, on in by_label(scraped, "sidecar_observer_running").items() if on)


def caught_up(scraped: str) -> bool:
    """Whether every observer has read all there is, and no copy is on its way."""
    behind = any(lags(scraped).values()) or any(unread(scraped).values())
    return not behind and not sums(scraped).get("sidecar_shadow_in_flight", 0.0)


def roles(supervisor: int) -> dict[str, int]:
    """Process numbers by role. BenchError unless there is one of each."""
    found = {"supervisor": supervisor}
    for pid in tree(supervisor):
        for word in command_line(pid):
            if word in _MODULES:
                found[_MODULES[word]] = pid
    missing = sorted(set(_MODULES.values()) - set(found))
    if missing:
        raise BenchError(f"the sidecar has no process for: {', '.join(missing)}")
    return found


def until(
    true: Callable[[], bool], seconds: float, process: Process, *, must: bool = True, pause: float = 0.05
) -> float | None:
    """Seconds until it is true. When the time is up: BenchError, or None unless it `must`."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        process.check_alive()
        if true():
            return time.monotonic() - started
        time.sleep(pause)
    if must:
        raise BenchError(f"not every observer ran within {seconds:g} s: {process.last_words()}")
    return None


def _cpu(processes: dict[str, int]) -> dict[str, float]:
    return {name: own_cpu_seconds(pid) for name, pid in processes.items()}


def _children_seconds() -> float:
    """Of children that have ended: while the load runs, the generator is the only one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
