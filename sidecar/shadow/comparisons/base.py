"""The seam of the family: one output of one row of two answers → a bounded score and what kind of difference it is."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple, Protocol

from ...rows import Value

_ROUNDING: Final = 1 + 1e-9  # 0.50 and 0.48 are 0.02 apart, whatever doubles make of it


class Difference(StrEnum):
    """How two values differ: a closed set."""

    NONE = ""  # they agree
    VALUE = "value"
    TYPE = "type"  # a number and a text, …
    SHAPE = "shape"  # lists of other lengths, another number of rows
    MISSING = "missing"  # the candidate does not have it
    EXTRA = "extra"  # the primary does not have it
    NOT_FINITE = "not_finite"  # NaN or an infinity on one side


class Compared(NamedTuple):
    """`score` in [-1, 1], positive = the candidate is worse or further away than tolerated. `difference` ≥ 0 is in the
    output's own unit, 1.0 where there is no size to speak of. `path` leads to the first place that differs."""

    score: float
    difference: float
    type: Difference = Difference.NONE
    path: str = ""

    @property
    def agrees(self) -> bool:
        """Within the tolerance."""
        return self.type is Difference.NONE


EQUAL: Final = Compared(0.0, 0.0)


def worst(kind: Difference, path: str = "") -> Compared:
    """The score of what has no size: as bad as can be."""
    return Compared(1.0, 1.0, kind, path)


class Comparison(Protocol):
    """A member of the family: a frozen dataclass whose fields are keys under `compare:`."""

    kind: ClassVar[str]

    def compare(self, primary: Value, candidate: Value) -> Compared:
        """Two values as decoded; neither is MISSING. Never an exception, whatever they are."""
        ...


def is_number(value: Value) -> bool:
    """An int or a float; a bool is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def divergence(distance: float, tolerance: float, scale: float, path: str = "") -> Compared:
    """A distance as a score: clip((distance - tolerance) / scale, -1, 1); what is not finite is worst."""
    if not math.isfinite(distance):
        return worst(Difference.NOT_FINITE, path)
    score = (distance - tolerance) / scale
    if distance <= tolerance * _ROUNDING:
        return Compared(min(0.0, max(-1.0, score)), distance)
    return Compared(min(1.0, score), distance, Difference.VALUE, path)


def distance_of(primary: Value, candidate: Value) -> float:
    """|candidate - primary|; 0 for the same infinity or NaN twice, NaN where one side alone is not finite."""
    try:
        left, right = float(primary), float(candidate)
    except OverflowError:
        return 0.0 if primary == candidate else math.nan
    if left == right or (math.isnan(left) and math.isnan(right)):
        return 0.0
    return abs(right - left) if math.isfinite(left) and math.isfinite(right) else math.nan
