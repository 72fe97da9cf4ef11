"""The window limits of a policy: those of `watch:`, and of each feature where it has its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..policy import Policy
from ..policy.observing import Watch
from ..profiles import Limits


@dataclass(frozen=True, slots=True)
class Watching:
    """Limits by feature, and the windows they are judged on. Features without a limit are not listed."""

    window_seconds: float
    min_rows: int
    limits: Mapping[str, Limits]


def watching_of(policy: Policy) -> Watching:
    """What a policy watches about each feature."""
    watch = policy.watch
    rest = watch or Watch()
    limits: dict[str, Limits] = {}
    for name, feature in policy.contract.features.items():
        own = feature.watch
        limit = Limits(
            null_rate=_first(own.null_rate if own else None, rest.null_rate),
            unseen_category_rate=_first(own.unseen_category_rate if own else None, rest.unseen_category_rate),
            repair_alert_above=feature.repair_alert_above,
            frozen_after=_first(own.frozen_after if own else None, rest.frozen_after),
        )
        if limit.any:
            limits[name] = limit
    return Watching(rest.window, rest.min_rows, limits)


def _first(own: float | None, rest: float | None) -> float | None:
    return rest if own is None else own
