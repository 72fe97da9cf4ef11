"""Counts against limits → alerts as values. A share is judged on windows with enough rows, exactly: above is above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .windows import Counts, Profile, Run

Kind: TypeAlias = Literal["null_rate", "unseen_category_rate", "repairs", "frozen"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one feature; None = not watched. Shares are fractions of a window's rows, times are seconds."""

    null_rate: float | None = None
    unseen_category_rate: float | None = None
    repair_alert_above: float | None = None
    frozen_after: float | None = None

    @property
    def any(self) -> bool:
        """Whether anything is watched."""
        return self != _NO_LIMITS


_NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Alert:
    """One limit passed. `seen` and `limit` are shares, or seconds for `frozen`; the times enclose the rows meant."""

    feature: str
    kind: Kind
    seen: float
    limit: float
    rows: int
    from_seconds: float
    to_seconds: float

    @property
    def code(self) -> str:
        """`income.frozen`: stable, as codes of checks are."""
        return f"{self.feature}.{self.kind}"


def alerts(profile: Profile, limits: Mapping[str, Limits], *, min_rows: int) -> tuple[Alert, ...]:
    """Every limit that is passed, by feature, oldest first.

    Windows with fewer than `min_rows` rows are not judged, nor is one value in fewer rows frozen.
    """
    found: list[Alert] = []
    for feature, limit in limits.items():
        for start, counts in profile.windows(feature):
            if counts.rows >= min_rows:
                found += _of_window(feature, counts, limit, start, start + profile.window_seconds)
        run = profile.runs.get(feature)
        if run is not None and limit.frozen_after is not None and run.rows >= min_rows:
            found += _of_run(feature, run, limit.frozen_after)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Watching:
    """What one policy watches: limits by feature, and the windows they are judged on. Features without a limit are not
    listed; a prediction is listed as `prediction.NAME`. `owners` says who answers: feature → (owner, contact)."""

    window_seconds: float
    min_rows: int
    limits: Mapping[str, Limits]
    owners: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def watched_kinds(limits: Limits) -> tuple[Kind, ...]:
    """The alerts that can be raised with these limits."""
    stated: tuple[tuple[Kind, float | None], ...] = (
        ("null_rate", limits.null_rate),
        ("unseen_category_rate", limits.unseen_category_rate),
        ("repairs", limits.repair_alert_above),
        ("frozen", limits.frozen_after),
    )
    return tuple(kind for kind, limit in stated if limit is not None)


def standing(
    profile: Profile, feature: str, limits: Limits, *, min_rows: int, now_seconds: float
) -> dict[Kind, Alert | None]:
    """What the newest rows say of each limit: the alert, or None where all is well.

    A window with enough rows speaks against a feature at once, for it only when it is over; the newest one that speaks
    counts. A limit of which nothing can be said is not there.
    """
    found: dict[Kind, Alert | None] = {}
    of_windows = {kind for kind in watched_kinds(limits) if kind != "frozen"}
    for start in sorted(profile.counts, reverse=True):
        counts = profile.counts[start].get(feature)
        if counts is None or counts.rows < min_rows:
            continue
        end = start + profile.window_seconds
        for alert in _of_window(feature, counts, limits, start, end):
            found.setdefault(alert.kind, alert)
        if end <= now_seconds:
            for kind in of_windows:
                found.setdefault(kind, None)
        if of_windows <= found.keys():
            break
    run = profile.runs.get(feature)
    if run is not None and limits.frozen_after is not None:
        if run.held_seconds < limits.frozen_after:
            found["frozen"] = None
        elif run.rows >= min_rows:
            (found["frozen"],) = _of_run(feature, run, limits.frozen_after)
    return found


def _of_window(feature: str, counts: Counts, limits: Limits, start: float, end: float) -> Iterator[Alert]:
    watched: tuple[tuple[Kind, int, float | None], ...] = (
        ("null_rate", counts.nulls, limits.null_rate),
        ("unseen_category_rate", counts.unseen, limits.unseen_category_rate),
        ("repairs", counts.repaired, limits.repair_alert_above),
    )
    for kind, number, limit in watched:
        if limit is not None and number / counts.rows > limit:
            yield Alert(feature, kind, number / counts.rows, limit, counts.rows, start, end)


def _of_run(feature: str, run: Run, limit: float) -> Iterator[Alert]:
    if run.held_seconds >= limit:
        yield Alert(feature, "frozen", run.held_seconds, limit, run.rows, run.since, run.until)
