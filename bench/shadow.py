"""What callers wait while the candidate is dead, hung, slow or flooding, beside what two equal sidecars differ by.

Every request is copied (sample 100 %). Each round asks every sidecar at the same fixed rate in changing order. The p99
is compared with that of the same round's sidecar without a candidate; the second such one gives the A/A interval.
Inside = the median difference lies in that interval, and a sign test over the rounds does not say "slower" at 1 %.
"""

from __future__ import annotations

import re
import sys
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .candidate import KINDS
from .failure import BenchError
from .load import PinnedLoad
from .processes import Process, cores, free_port
from .stage import DIRECT, stage
from .statistics import (
    MIN_ROUNDS_FOR_TAIL_CLAIMS,
    Spread,
    median,
    quartiles,
    round_differences,
    round_order,
    sign_test,
    spread,
)
from .systems.base import Place
from .systems.sidecar import command

OFF: Final = "off"
TWIN: Final = "off/2"
DEAD: Final = "dead"
RATE: Final = 500.0
LEVEL: Final = 0.01  # of the sign test


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` requests a second for `seconds`, `rounds` times, each sidecar."""

    rounds: int = MIN_ROUNDS_FOR_TAIL_CLAIMS
    seconds: float = 4.0
    rate: float = RATE


def shadow(folder: Path, plan: Plan) -> None:
    """Prints one row a candidate. BenchError when a caller saw an error."""
    generator_core, proxy_core = cores()
    load = PinnedLoad(generator_core, folder)
    labels = [OFF, TWIN, DEAD, *KINDS]
    with stage([DIRECT], folder, must_run=frozenset({DIRECT})) as running, ExitStack() as stack:
        upstream = running.instances[DIRECT].place.upstream_port
        places: dict[str, Place] = {}
        for label in labels:
            own = folder / label.replace("/", "-")
            own.mkdir()
            place = places[label] = Place(free_port(), upstream, 0, (free_port(), free_port()), own)
            _start(stack, label, place, generator_core, proxy_core)
        found: dict[str, list[float | None]] = {label: [] for label in labels}
        medians: dict[str, list[float]] = {label: [] for label in labels}
        for number in range(plan.rounds):
            for label in round_order(labels, number):
                run = load.pace(places[label].port, plan.rate, plan.seconds)
                if run.errors:
                    raise BenchError(f"{label}: callers saw errors: {run.errors}")
                found[label].append(run.p99_ms)
                medians[label].append(run.p50_ms)
            print(f"round {number + 1} of {plan.rounds}", file=sys.stderr)
        outcomes = {label: _outcomes(places[label]) for label in labels}
    print(table(found, medians, outcomes, plan))


def table(
    p99: dict[str, list[float | None]],
    p50: dict[str, list[float]],
    outcomes: dict[str, dict[str, int]],
    plan: Plan,
) -> str:
    """The figures, and what is said of each candidate."""
    noise = round_differences(p99[TWIN], p99[OFF])
    interval = spread(noise)
    first, third = quartiles(noise)
    lines = [
        f"p99 of callers at {plan.rate:g}/s, {plan.rounds} interleaved rounds of {plan.seconds:g} s; milliseconds",
        f"A/A: median {interval.median:+.3f}, from {interval.low:+.3f} to {interval.high:+.3f}, "
        f"half of the rounds from {first:+.3f} to {third:+.3f}, slower by chance p = {sign_test(noise):.3f}",
        "candidate   p50    p99   difference: median [low, high]   slower by chance   verdict   the copies",
    ]
    for label in p99:
        each = [value for value in p99[label] if value is not None]
        row = f"{label:10} {median(p50[label]):6.3f} {median(each):6.3f}"
        if label not in (OFF, TWIN):
            differences = round_differences(p99[label], p99[OFF])
            found, chance = spread(differences), sign_test(differences)
            row += f"   {found.median:+.3f} [{found.low:+.3f}, {found.high:+.3f}]   p = {chance:.3f}"
            row += f"   {verdict(interval, found.median, chance)}   "
            row += ", ".join(f"{name} {count}" for name, count in outcomes[label].items())
        lines.append(row)
    if plan.rounds < MIN_ROUNDS_FOR_TAIL_CLAIMS:
        lines.append(f"fewer than {MIN_ROUNDS_FOR_TAIL_CLAIMS} rounds: no claim about tails")
    return "\n".join(lines)


def verdict(interval: Spread, difference: float, chance: float) -> str:
    """In words: inside, or which of the two says no."""
    if not interval.covers(difference):
        return "OUTSIDE the A/A interval"
    return "inside" if chance >= LEVEL else "SLOWER in too many rounds"


def _start(stack: ExitStack, label: str, place: Place, generator_core: int, proxy_core: int) -> None:
    policy = ""
    if label not in (OFF, TWIN):
        port = free_port()
        policy = (
            f"shadow: [{{candidate: {label}, upstream: 'http://127.0.0.1:{port}', "
            "compare: {score: {tolerance: 0.02}}, limits: {timeout: 1s}}]\n"
        )
        if label in KINDS:
            scripted = (sys.executable, "-m", "bench.candidate", label, str(port))
            candidate = Process(f"candidate {label}", scripted, generator_core, place.folder / "candidate.log")
            stack.enter_context(candidate)
            candidate.wait_for_port(port)
    process = stack.enter_context(
        Process(label, command(place, policy, observers=True), proxy_core, place.folder / "log")
    )
    process.wait_for_port(place.port)


def _outcomes(place: Place) -> dict[str, int]:
    """Of all copies, by what became of them."""
    url = f"http://127.0.0.1:{place.spare_ports[0]}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        text = answer.read().decode()
    counted = re.findall(r'^sidecar_shadow_outcomes_total\{outcome="(\w+)"\} (\d+)', text, re.MULTILINE)
    return {name: int(count) for name, count in counted if int(count)}
