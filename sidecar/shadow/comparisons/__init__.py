"""How one output of two answers is compared: one file per comparison.

In: two decoded values. Out: `Compared`: a score in [-1, 1], positive = the candidate is worse, and the kind of
difference. Never: a scale or tolerance taken from the data under test; an exception.

A member is a frozen dataclass whose fields are its YAML keys under `compare: {output: {kind: …}}`.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

from ...families import members
from ...rows import MISSING, Value
from .base import EQUAL, Compared, Comparison, Difference, is_number, worst

__all__ = ["EQUAL", "Compared", "Comparison", "Difference", "compare_values", "kinds", "make", "worst"]


def kinds() -> dict[str, Any]:
    """kind → member class, in alphabetical order."""
    return dict(members(__name__))


def make(kind: str, tolerance: float | None = None, scale: float | None = None) -> Comparison:
    """A comparison by its kind. ValueError with a sentence for the policy's author when there is none such."""
    member = kinds().get(kind)
    if member is None:
        raise ValueError(f"no comparison is called `{kind}`; there are {', '.join(kinds())}")
    given = {name: value for name, value in (("tolerance", tolerance), ("scale", scale)) if value is not None}
    known = {field.name for field in fields(member)}
    for name in given:
        if name not in known:
            raise ValueError(f"comparison `{kind}` has no `{name}`")
    if scale is not None and not scale > 0:
        raise ValueError("`scale` must be above 0")
    found: Comparison = member(**given)
    return found


@lru_cache(maxsize=256)
def _fitting(kind: str, tolerance: float | None, scale: float | None) -> Comparison:
    if kind == "exact":
        return make(kind)
    return make(kind, tolerance, scale)


def compare_values(
    primary: Value, candidate: Value, kind: str | None, tolerance: float | None = None, scale: float | None = None
) -> Compared | None:
    """One output of one row; None where neither side has it. Without a `kind`, the primary's value tells: a number is
    `numeric`, a list of numbers `vector`, all else `exact`."""
    if primary is MISSING:
        return None if candidate is MISSING else worst(Difference.EXTRA)
    if candidate is MISSING:
        return worst(Difference.MISSING)
    if kind is None:
        kind = _told_by(primary)
    return _fitting(kind, tolerance, scale).compare(primary, candidate)


def _told_by(value: Value) -> str:
    if is_number(value):
        return "numeric"
    return "vector" if isinstance(value, list | tuple) and value and _all_numbers(value) else "exact"


def _all_numbers(value: Value) -> bool:
    return all(_all_numbers(item) if isinstance(item, list | tuple) else is_number(item) for item in value)
