"""Which slices the rows of one call are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..contract.slices import Slices
from ..rows import Rows, Value

Hide = Callable[[Mapping[str, Value]], dict[str, Any]]


def sliced(
    slices: Slices, raw: Rows, features: Sequence[Mapping[str, Value]], taken_out: frozenset[str], now_seconds: float
) -> list[dict[str, Value]]:
    """The slices of each row: by what the model saw, and by what was taken out before it."""
    sides = [name for name in raw.columns if name in taken_out]
    return [
        slices.of({**row, **{name: raw.columns[name][index] for name in sides}}, now_seconds)
        for index, row in enumerate(features)
    ]


def hidden_slices(slices: Slices, values: Mapping[str, Value], hide: Hide) -> dict[str, Any]:
    """A slice by a feature's value is hidden as the feature is; a condition is what its author chose to tell."""
    told: dict[str, Any] = {}
    for each in slices.slices:
        value = values[each.name]
        if each.condition is not None:
            told[each.name] = value
            continue
        shown = hide({each.feature: value})
        if shown:
            told[each.name] = next(iter(shown.values()))
    return told
