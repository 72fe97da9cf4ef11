"""What was found about memory, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .bodies import Offered

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, what the journal keeps of it, and whose memory is limited."""

    name: str
    shape: str
    callers: int
    captured: bool
    limited: tuple[str, ...]
    most: float = math.inf  # a second, whatever is asked for: what the observers keep up with


@dataclass(frozen=True, slots=True)
class Use:
    """One process: resident bytes before, at most, after the last answer, and once the observers had caught up."""

    start: int
    peak: int
    end: int
    rest: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Found:
    """One case."""

    limit_bytes: int
    wanted_rate: float
    offered: Offered
    uses: Mapping[str, Use]
    groups: Mapping[str, tuple[int, int]]  # (the most that was charged, how many were killed)
    lived: bool
    counted: Mapping[str, float]
    outcomes: Mapping[str, int]
    problems: Mapping[str, int]
    would_refuse: Mapping[str, int]
    shadow: Mapping[str, int]
    rows_answered: int
    rows_archived: int
    lag_most: Mapping[str, float]
    caught_up_seconds: float | None


def text(case: Case, found: Found) -> str:
    """A table of the processes, then what callers saw, what was counted, and the verdict."""
    asked = found.offered
    lines = [
        f"{case.name}, bodies of {case.shape}, {case.callers} callers",
        "process      limit MiB   RSS MiB: start   peak    end  caught up   cpu s   its group: peak MiB   oom kills",
    ]
    for name, use in found.uses.items():
        group = found.groups.get("observers" if name == "observers" else "gateway")
        limit = f"{found.limit_bytes // _MIB}" if group else "none"
        charged, kills = (_mib(group[0]), str(group[1])) if group else ("-", "-")
        lines.append(
            f"{name:11} {limit:>10} {_mib(use.start):>16} {_mib(use.peak):>6} {_mib(use.end):>6} {_mib(use.rest):>10} "
            f"{use.cpu:>7.1f} {charged:>21} {kills:>11}"
        )
    waited = "NOT caught up" if found.caught_up_seconds is None else f"caught up {found.caught_up_seconds:.1f} s later"
    lines += [
        f"callers: {asked.rate:.1f}/s of {found.wanted_rate:g}/s, {asked.sent} sent in {asked.seconds:.1f} s, "
        f"{asked.late} not offered in time; {_words(asked.statuses)}; lost: {_words(asked.lost)}; "
        f"p50 {asked.p50_ms:.0f} ms, longest {asked.longest_ms:.0f} ms",
        f"outcomes: {_words(found.outcomes)}; refused: {_words(found.problems)}; "
        f"would refuse: {_words(found.would_refuse)}",
        f"copies: {_words(found.shadow)}; rows archived: {found.rows_archived} of {found.rows_answered}",
        f"lag at most: {', '.join(f'{name} {lag:.1f} s' for name, lag in found.lag_most.items())}; {waited}",
        f"counted: {', '.join(f'{_short(name)} {count:.0f}' for name, count in found.counted.items())}",
        f"=> {verdict(found)}",
    ]
    return "\n".join(lines) + "\n"


def verdict(found: Found) -> str:
    """`held`, or everything that was not."""
    wrong = []
    if not found.lived or any(kills for _, kills in found.groups.values()):
        wrong.append("KILLED")
    if found.offered.lost:
        wrong.append("ANSWERS LOST")
    answered, counted = sum(found.offered.statuses.values()), found.counted["sidecar_requests_total"]
    if answered != counted:
        wrong.append(f"{answered} ANSWERS, {counted:.0f} COUNTED")
    if found.rows_archived != found.rows_answered:
        wrong.append("ROWS LOST")
    if found.caught_up_seconds is None:
        wrong.append("OBSERVERS BEHIND")
    return ", ".join(wrong) or "held"


def _words(counts: Mapping[object, int] | Mapping[str, int] | Mapping[int, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _short(name: str) -> str:
    return name.removeprefix("sidecar_").removesuffix("_total").replace("_", " ")


def _mib(size: int) -> str:
    return f"{size / _MIB:.0f}"
