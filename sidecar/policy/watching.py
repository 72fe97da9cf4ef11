"""The window limits of a policy: those of `watch:`, and of each feature where it has its own."""

from __future__ import annotations

from typing import Final

from ..profiles import Limits, Watching
from .observing import Watch
from .ownership import responsible_for
from .sections import Policy

PREDICTION: Final = "prediction."


def watching_of(policy: Policy) -> Watching:
    """What a policy watches about each feature, and the repairs of each prediction."""
    rest = policy.watch or Watch()
    limits: dict[str, Limits] = {}
    owners: dict[str, tuple[str, str]] = {}
    for name, feature in policy.contract.features.items():
        if feature.role == "ignored":
            continue
        own = feature.watch
        limit = Limits(
            null_rate=_first(own.null_rate if own else None, rest.null_rate),
            unseen_category_rate=_first(own.unseen_category_rate if own else None, rest.unseen_category_rate),
            repair_alert_above=feature.repair_alert_above,
            frozen_after=_first(own.frozen_after if own else None, rest.frozen_after),
        )
        if limit.any:
            limits[name] = limit
            owners[name] = responsible_for(policy, name, "")[:2]
    for name, prediction in policy.contract.prediction.items():
        if prediction.repair_alert_above is not None:
            limits[PREDICTION + name] = Limits(repair_alert_above=prediction.repair_alert_above)
            owners[PREDICTION + name] = responsible_for(policy, name, "")[:2]
    return Watching(rest.window, rest.min_rows, limits, owners)


def _first(own: float | None, rest: float | None) -> float | None:
    return rest if own is None else own
