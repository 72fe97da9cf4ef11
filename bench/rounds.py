"""The order of the runs and what each of them gave.

A round is every system once at saturation, then every system once at half of *its own* saturation of that round, each
beside the direct upstream at the same rate. No two rounds have the same order (`statistics.round_order`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .load import Load, Saturation
from .openloop import Paced
from .processes import busy_seconds, cores, stolen_seconds
from .stage import DIRECT, Instance
from .statistics import round_order

WARM_UP_SECONDS: Final = 1.0
LOAD_SHARE: Final = 0.5
# The generator shares its core with the model server; beyond this rate it would measure itself.
MAX_RATE: Final = 12_000.0
MIN_PACED_REQUESTS: Final = 500


@dataclass(frozen=True, slots=True)
class Measured:
    """One system in one round.

    During the saturation run: `cpu_seconds` of all its processes (None where it has none), `neighbour_seconds` that
    anybody else spent on the proxy's core, `stolen_seconds` that the hypervisor gave to others.
    """

    saturation: Saturation
    cpu_seconds: float | None
    neighbour_seconds: float
    stolen_seconds: float
    paced: Paced | None = None
    paced_direct: Paced | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """How long everything takes; `paced_seconds` 0 leaves the fixed-rate runs out."""

    rounds: int
    seconds: float
    paced_seconds: float


def paced_rate(requests_per_second: float) -> float:
    """Half of a saturation, as far as the generator can be trusted."""
    return round(min(MAX_RATE, requests_per_second * LOAD_SHARE), 1)


def paced_seconds(rate: float, wanted: float) -> float:
    """Slow systems run longer, so that a p99 stands on at least five answers; never more than five times as long."""
    return min(5 * wanted, max(wanted, MIN_PACED_REQUESTS / rate))


def run_rounds(instances: dict[str, Instance], load: Load, timing: Timing) -> dict[str, list[Measured]]:
    """label → one `Measured` a round."""
    for instance in instances.values():
        say(f"warming up {instance.label}")
        load.saturate(instance.port, WARM_UP_SECONDS)
    results: dict[str, list[Measured]] = {label: [] for label in instances}
    for number in range(timing.rounds):
        order = round_order(list(instances), number)
        found = {label: _saturate(instances[label], load, timing.seconds) for label in order}
        for label in order:
            if label != DIRECT and timing.paced_seconds:
                found[label] = _pace(instances, label, found[label], load, timing.paced_seconds, number)
        for label, measured in found.items():
            results[label].append(measured)
            _check_alive(instances[label])
        say(f"round {number + 1} of {timing.rounds}: {_line(found, order)}")
    return results


def _saturate(instance: Instance, load: Load, seconds: float) -> Measured:
    say(f"saturating {instance.label}")
    core = cores()[1]
    cpu: Callable[[], float] = instance.process.cpu_seconds if instance.process else lambda: 0.0
    before = cpu(), busy_seconds(core), stolen_seconds()
    saturation = load.saturate(instance.port, seconds)
    after = cpu(), busy_seconds(core), stolen_seconds()
    used, busy, stolen = (now - then for now, then in zip(after, before, strict=True))
    return Measured(saturation, used if instance.process else None, max(0.0, busy - used), stolen)


def _pace(
    instances: dict[str, Instance], label: str, measured: Measured, load: Load, wanted: float, number: int
) -> Measured:
    rate = paced_rate(measured.saturation.requests_per_second)
    seconds = paced_seconds(rate, wanted)
    say(f"pacing {label} at {rate:,.0f}/s")
    # Which of the two goes first changes with the round: neither gets the warmer machine every time.
    order = (label, DIRECT) if number % 2 else (DIRECT, label)
    runs = {one: load.pace(instances[one].port, rate, seconds) for one in order}
    return replace(measured, paced=runs[label], paced_direct=runs[DIRECT])


def _check_alive(instance: Instance) -> None:
    if instance.process is not None:
        instance.process.check_alive()


def _line(found: dict[str, Measured], order: Sequence[str]) -> str:
    return ", ".join(f"{label} {found[label].saturation.requests_per_second:,.0f}/s" for label in sorted(order))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
