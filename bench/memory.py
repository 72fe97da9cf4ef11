"""Does a small container carry large bodies while the candidate is down: bodies of 10 MB under a limit of 256 MiB.

    callers ─▶ sidecar serve ─▶ model                    one control group
                  journal ─▶ sidecar observe             another one
                               archive, metrics, shadow ─▶ candidates: one refuses connections, one never answers

Each case is a new sidecar. `defaults`: of such bodies the journal keeps digest and size. `captured`: it keeps them.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from sidecar.archive import read_manifests

from .bodies import BODY_BYTES, CONNECTIONS, Offered, rows_of
from .cgroups import MIB, MemoryGroup, memory_group
from .environments import ROOT
from .exposition import by_label, page, sums
from .failure import BenchError
from .memory_report import Case, Found, Use, text
from .processes import Process, command_line, free_port, own_cpu_seconds, peak_rss_bytes, rss_bytes, tree
from .sustained import caught_up, lags, running_observers, until
from .systems.sidecar import program

OBSERVERS: Final = frozenset({"archive", "metrics", "shadow"})
BOTH: Final = ("gateway", "observers")
FEW: Final = 2  # callers that such a machine can serve; 32 are more than it can
CASES: Final = (
    Case("defaults", "rows", FEW, captured=False, limited=BOTH),
    Case("defaults", "text", FEW, captured=False, limited=BOTH),
    Case("defaults", "bad", CONNECTIONS, captured=False, limited=BOTH),
    Case("defaults", "text", CONNECTIONS, captured=False, limited=BOTH),
    Case("captured", "rows", FEW, captured=True, limited=BOTH, most=0.2),  # 27,000 rows each
    Case("captured", "text", FEW, captured=True, limited=BOTH),
    Case("captured", "text", CONNECTIONS, captured=True, limited=BOTH),
    Case("captured", "text", FEW, captured=True, limited=("observers",)),
)
START_SECONDS: Final = 30.0
CATCH_UP_SECONDS: Final = 300.0
CANDIDATES: Final = 2
STOP_SECONDS: Final = 30.0
SAMPLE_SECONDS: Final = 0.25
_COUNTED: Final = (
    "sidecar_requests_total",
    "sidecar_journal_records_total",
    "sidecar_journal_dropped_records_total",
    "sidecar_journal_unread_removed_records_total",
    "sidecar_observer_lagged_out_total",
    "sidecar_observer_errors_total",
    "sidecar_observer_unreadable_total",
    "sidecar_worker_restarts_total",
    "sidecar_cold_restarts_total",
    "sidecar_guard_errors_total",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` bodies of `size` bytes a second for `seconds`, each case."""

    seconds: float = 60.0
    rate: float = 50.0
    size: int = BODY_BYTES
    limit_bytes: int = 256 * MIB
    compiled: bool = True  # where there is a build


@dataclass(slots=True)
class _Watch:
    """Resident memory by process, again and again; the most that each observer lagged."""

    processes: dict[str, int]
    memory: dict[str, list[int]] = field(default_factory=dict)
    lag_most: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        for name, pid in self.processes.items():
            self.memory.setdefault(name, []).append(rss_bytes(pid))

    def lag(self, scraped: str) -> None:
        for name, lag in lags(scraped).items():
            self.lag_most[name] = max(lag, self.lag_most.get(name, 0.0))


def memory(folder: Path, plan: Plan) -> None:
    """Prints a table for each case. BenchError where no group can be made, or a sidecar does not run."""
    for number, case in enumerate(CASES):
        print(text(case, run_case(folder / f"case-{number}", case, plan)), flush=True)


def run_case(folder: Path, case: Case, plan: Plan) -> Found:
    """One sidecar with its model and candidates, from start to end."""
    folder.mkdir()
    model, port, health = free_port(), free_port(), free_port()
    with ExitStack() as running:
        answering = (sys.executable, "-m", "bench.bodies", "answer", str(model), case.shape, f"--size={plan.size}")
        running.enter_context(Process("the model", answering, None, folder / "model.log")).wait_for_port(model)
        candidates = running.enter_context(dead_and_hung())
        groups = {name: running.enter_context(memory_group(f"bench-{name}", plan.limit_bytes)) for name in case.limited}
        halves: dict[str, Process] = {}
        commands = {"gateway": _serve(folder, case, candidates, model, port, health), "observers": _observe(folder)}
        for name, words in commands.items():
            command = (*program(compiled=plan.compiled), *words)
            argv = groups[name].inside(command) if name in groups else command
            halves[name] = running.enter_context(Process(name, argv, None, folder / f"{name}.log"))
            if name == "gateway":
                halves[name].wait_for_port(port)
        until(lambda: running_observers(page(health)) >= OBSERVERS, START_SECONDS, halves["observers"])
        return _measure(case, plan, halves, groups, port, health)


@contextmanager
def dead_and_hung() -> Iterator[dict[str, int]]:
    """Ports of candidates: one refuses connections, one takes them and never reads nor says a word."""
    with socket.socket() as dead, socket.create_server(("127.0.0.1", 0), backlog=1024) as hung:
        dead.bind(("127.0.0.1", 0))  # held, and nobody listens
        yield {"dead": int(dead.getsockname()[1]), "hung": int(hung.getsockname()[1])}


def _serve(folder: Path, case: Case, candidates: dict[str, int], model: int, port: int, health: int) -> tuple[str, ...]:
    shadows = ", ".join(
        f"{{candidate: {name}, upstream: 'http://127.0.0.1:{at}', compare: {{score: {{tolerance: 0.02}}}}}}"
        for name, at in candidates.items()
    )
    policy = folder / "policy.yaml"
    policy.write_text((ROOT / "bench" / "policy.yaml").read_text() + f"shadow: [{shadows}]\n")
    config = folder / "sidecar.yaml"
    kept = "journal: {max_payload: 32MiB, max_bytes: 8GiB}\n" if case.captured else ""
    config.write_text(f"archive: {{to: archive}}\n{kept}")
    return (
        *("serve", "--workers", "1", "--policy", str(policy), "--config", str(config), "--data", str(folder / "data")),
        *("--upstream", f"http://127.0.0.1:{model}", "--listen", f"127.0.0.1:{port}"),
        *("--health", f"127.0.0.1:{health}", "--pre-stop", "0s", "--admin", "off"),
        *("--observers", "off"),
    )


def _observe(folder: Path) -> tuple[str, ...]:
    return ("observe", "--data", str(folder / "data"), "--admin", "off")


def _measure(
    case: Case, plan: Plan, halves: dict[str, Process], groups: dict[str, MemoryGroup], port: int, health: int
) -> Found:
    gateway = halves["gateway"].pid
    processes = {"supervisor": gateway, "worker": _worker(gateway), "observers": halves["observers"].pid}
    watch = _Watch(processes)
    watch.look()
    cpu = {name: own_cpu_seconds(pid) for name, pid in processes.items()}
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(_offer, case, plan, port)
        _look_until(asked, watch, health)
        offered = asked.result()
    ended = {name: sizes[-1] for name, sizes in watch.memory.items()}
    cpu = {name: own_cpu_seconds(pid) - cpu[name] for name, pid in processes.items()}

    def done() -> bool:
        watch.look()
        scraped = page(health)
        watch.lag(scraped)
        copies = sum(by_label(scraped, "sidecar_shadow_outcomes_total").values())
        # the page is written several times a second: right after the last answer its lag is that of the moment before
        return caught_up(scraped) and copies >= CANDIDATES * sum(offered.statuses.values())

    waited = until(done, CATCH_UP_SECONDS, halves["gateway"], must=False, pause=SAMPLE_SECONDS)
    scraped = page(health)
    total = sums(scraped)
    uses = {
        name: Use(
            start=watch.memory[name][0],
            peak=max(peak_rss_bytes(pid), *watch.memory[name]),
            end=ended[name],
            rest=watch.memory[name][-1],
            cpu=cpu[name],
        )
        for name, pid in processes.items()
    }
    lived = all(rss_bytes(pid) for pid in processes.values())
    for half in halves.values():
        half.stop(STOP_SECONDS)
    return Found(
        limit_bytes=plan.limit_bytes,
        wanted_rate=min(plan.rate, case.most),
        offered=offered,
        uses=uses,
        groups={name: (group.peak_bytes, group.kills) for name, group in groups.items()},
        lived=lived,
        counted={name: total.get(name, 0.0) for name in _COUNTED},
        outcomes=_some(by_label(scraped, "sidecar_requests_total")),
        problems=_some(by_label(scraped, "sidecar_problems_total")),
        would_refuse=_some(by_label(scraped, "sidecar_would_refuse_total")),
        shadow=_some(by_label(scraped, "sidecar_shadow_outcomes_total")),
        rows_answered=_rows(case, plan, offered),
        rows_archived=_archived(halves["gateway"].log.parent / "data" / "archive"),
        lag_most=watch.lag_most,
        caught_up_seconds=waited,
    )


def _rows(case: Case, plan: Plan, offered: Offered) -> int:
    """Those of good answers; a call that was refused is one."""
    good = offered.statuses.get(200, 0)
    return good * rows_of(case.shape, plan.size) + sum(offered.statuses.values()) - good


def _archived(root: Path) -> int:
    files = (file for manifest in read_manifests(root) for file in manifest.files)
    return sum(file.rows for file in files if file.data_set == "predictions")


def _worker(supervisor: int) -> int:
    found = [pid for pid in tree(supervisor) if "sidecar.runtime.build" in command_line(pid)]
    if len(found) != 1:
        raise BenchError(f"the gateway has {len(found)} workers instead of one")
    return found[0]


def _look_until(asked: Future[Offered], watch: _Watch, health: int) -> None:
    number = 0
    while not asked.done():
        watch.look()
        if number % 8 == 0:
            watch.lag(page(health))
        number += 1
        time.sleep(SAMPLE_SECONDS)


def _offer(case: Case, plan: Plan, port: int) -> Offered:
    command = [
        *(sys.executable, "-m", "bench.bodies", "offer", str(port), case.shape),
        *(f"--rate={min(plan.rate, case.most)}", f"--seconds={plan.seconds}", f"--size={plan.size}"),
        f"--connections={case.callers}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise BenchError(f"the callers failed: {done.stderr.strip()[-800:]}")
    return msgspec.json.decode(done.stdout, type=Offered)


def _some(counts: dict[str, float]) -> dict[str, int]:
    return {name: int(count) for name, count in counts.items() if count}
