"""Counts against limits → alerts as values. A share is judged on windows with enough rows, exactly: above is above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
