"""What a sustained run found, whether that is what is aimed at, and how it is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

AIM_PER_SECOND: Final = 3000.0
AIM_LAG_SECONDS: Final = 1.0
# Unread bytes are counted from places that the observers tell once a second.
PLACES_SECONDS: Final = 1.0
# What may become of a copy without any having been lost.
_SHADOW_FINE: Final = frozenset({"compared", "not_sampled"})
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Answers:
    """What callers saw. `asked` requests a second, None in a closed loop."""

    asked: float | None
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """One run of `seconds`. CPU in core-seconds, memory in bytes, lag in seconds by observer."""

    seconds: float
    answers: Answers
    cpu: Mapping[str, float]
    journal_bytes: float
    archive_bytes: float
    journal_disk_bytes: float
    journal_limit_bytes: float
    lag_at_end: Mapping[str, float]  # as the sidecar says
    unread_at_end: Mapping[str, float]  # bytes of the journal, by observer
    lag_most: Mapping[str, float]
    caught_up_seconds: float | None  # after the end of the load; None: not within the time given
    drops: Mapping[str, float]
    shadow: Mapping[str, float]
    memory: Mapping[str, tuple[int, int, int]]  # start, middle, end
    spans_exported: float


def lost(drops: Mapping[str, float], shadow: Mapping[str, float]) -> dict[str, float]:
    """Whatever was dropped, left out or failed, by name; copies under `shadow NAME`."""
    copies = {f"shadow {name}": count for name, count in shadow.items() if name not in _SHADOW_FINE}
    return {name: count for name, count in {**drops, **copies}.items() if count}


def backlog_seconds(found: Found) -> dict[str, float]:
    """By observer, how long the journal took to grow by what is unread: a lag in bytes, whatever the records say."""
    per_second = found.journal_bytes / found.seconds
    return {name: size / per_second if per_second else 0.0 for name, size in found.unread_at_end.items()}


def shortfalls(found: Found) -> list[str]:
    """What is not as aimed at, a few words each; [] when all is."""
    short = []
    if found.answers.per_second < AIM_PER_SECOND:
        short.append(f"{found.answers.per_second:,.0f} answers/s, less than {AIM_PER_SECOND:,.0f}")
    if any(found.answers.errors.values()):
        short.append(f"callers saw errors: {counted(found.answers.errors)}")
    late = {name: lag for name, lag in found.lag_at_end.items() if lag > AIM_LAG_SECONDS}
    if late:
        said = ", ".join(f"{name} {lag:.1f} s" for name, lag in late.items())
        short.append(f"lag above {AIM_LAG_SECONDS:g} s at the end: {said}")
    most = AIM_LAG_SECONDS + PLACES_SECONDS
    behind = {name: lag for name, lag in backlog_seconds(found).items() if lag > most and name not in late}
    if behind:
        said = ", ".join(f"{name} {lag:.1f} s" for name, lag in behind.items())
        short.append(f"unread at the end, more than {most:g} s of writing: {said}")
    if found.caught_up_seconds is None:
        short.append("the observers did not catch up")
    gone = lost(found.drops, found.shadow)
    if gone:
        short.append(f"lost: {counted(gone)}")
    if found.journal_disk_bytes >= found.journal_limit_bytes:
        short.append("the journal is at its cap")
    return short


def verdict(found: Found) -> str:
    """One line."""
    aim = f"≥ {AIM_PER_SECOND:,.0f}/s, lag ≤ {AIM_LAG_SECONDS:g} s at the end, nothing lost, journal below its cap"
    short = shortfalls(found)
    return f"NOT REACHED ({aim}): {'; '.join(short)}" if short else f"reached: {aim}"


def counted(counts: Mapping[str, float]) -> str:
    """`name count, …` of those above 0, or `none`."""
    return ", ".join(f"{name} {count:,.0f}" for name, count in counts.items() if count) or "none"


def text(found: Found) -> str:
    """The figures, and the verdict last."""
    answers = found.answers
    asked = "closed loop" if answers.asked is None else f"of {answers.asked:,.0f}/s offered"
    cpu = ", ".join(f"{name} {value:.1f}" for name, value in found.cpu.items())
    share = sum(found.cpu.values()) / found.seconds
    lag = ", ".join(f"{name} {value:.2f}" for name, value in found.lag_at_end.items())
    most = ", ".join(f"{name} {value:.2f}" for name, value in found.lag_most.items())
    unread = ", ".join(f"{name} {value:.2f}" for name, value in backlog_seconds(found).items())
    after = "not in time" if found.caught_up_seconds is None else f"{found.caught_up_seconds:.2f} s"
    rows = [
        ("answers", f"{answers.per_second:,.0f}/s {asked}, for {found.seconds:.1f} s; {counted(answers.errors)} wrong"),
        ("latency", f"p50 {answers.p50_ms:.2f} ms, p99 {answers.p99_ms:.2f} ms"),
        ("CPU core-s", f"{cpu}; {share:.2f} cores in all"),
        (
            "written",
            f"journal {found.journal_bytes / found.seconds / MIB:.2f} MiB/s, "
            f"archive {found.archive_bytes / found.seconds / MIB:.2f} MiB/s (all of it, after the last commit)",
        ),
        ("journal", f"{found.journal_disk_bytes / MIB:,.0f} of {found.journal_limit_bytes / MIB:,.0f} MiB on disk"),
        ("lag at end", f"{lag} s; all caught up after {after}"),
        ("unread", f"{unread} s of writing, at the end"),
        ("lag, most", f"{most} s"),
        ("copies", counted(found.shadow)),
        ("lost", counted(lost(found.drops, found.shadow))),
        ("spans", f"{found.spans_exported:,.0f} exported"),
        *(
            (f"RSS {name}", " → ".join(f"{value / MIB:.0f}" for value in values) + " MiB at start, middle, end")
            for name, values in found.memory.items()
        ),
    ]
    return "\n".join([*(f"{name:11} {value}" for name, value in rows), verdict(found)])
