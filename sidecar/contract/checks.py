"""The checks of one value, compiled: each a name, a sentence and a test of the coerced value.

`build` reads them from a section's keys and reports what cannot be meant; nothing here knows rows or actions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from ..rows import Value
from .kinds import Bad, Kind, Scalar, all_finite, is_finite

# (coerced value, wall time in seconds since the epoch) → whether the check holds.
Test: TypeAlias = Callable[[Value, float], bool]

FINITE: Final = "finite"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `name` ends its code (`age.min`), `sentence` says what is expected, never what was seen."""

    name: str
    sentence: str
    holds: Test
    bound: float | None = None  # of an ordering or a length, as written


def minimum(bound: float, shown: str) -> Check:
    # `not <` rather than `>=`: a NaN, where it is allowed, has no place on the line and breaks no bound.
    return Check("min", f"must be at least {shown}", lambda value, _: not value < bound, bound)


def maximum(bound: float, shown: str) -> Check:
    return Check("max", f"must be at most {shown}", lambda value, _: not value > bound, bound)


def exclusive_minimum(bound: float, shown: str) -> Check:
    return Check("exclusive_min", f"must be above {shown}", lambda value, _: not value <= bound, bound)


def exclusive_maximum(bound: float, shown: str) -> Check:
    return Check("exclusive_max", f"must be below {shown}", lambda value, _: not value >= bound, bound)


def multiple_of(step: float, shown: str) -> Check:
    """Exact on the decimal as written: 0.3 is a multiple of 0.1, although no double is."""
    exact = Fraction(shown)

    def holds(value: Value, _: float) -> bool:
        if value.__class__ is int:
            return bool((value % step if step.__class__ is int else value % exact) == 0)
        return not math.isfinite(value) or Fraction(repr(value)) % exact == 0

    return Check("multiple_of", f"must be a multiple of {shown}", holds)


def one_of(allowed: Sequence[Value], members: Container[Value]) -> Check:
    return Check("values", f"must be one of {_listed(allowed)}", lambda value, _: value in members)


def none_of(refused: Sequence[Value], members: Container[Value]) -> Check:
    return Check("not_values", f"must not be {_listed(refused)}", lambda value, _: value not in members)


def _listed(values: Sequence[Value]) -> str:
    shown = ", ".join(str(value).lower() if value.__class__ is bool else str(value) for value in values[:20])
    return shown + (f" or {len(values) - 20} others" if len(values) > 20 else "")


def formatted(sentence: str, holds: Callable[[str], bool]) -> Check:
    return Check("format", f"must be {sentence}", lambda value, _: holds(value))


def matching(pattern: str, matches: Callable[[str], bool]) -> Check:
    return Check("pattern", f"must match {pattern}", lambda value, _: value.__class__ is str and matches(value))


def shortest(length: int, noun: str) -> Check:
    return Check("min_length", f"must have at least {length} {noun}", lambda value, _: len(value) >= length, length)


def longest(length: int, noun: str) -> Check:
    return Check("max_length", f"must have at most {length} {noun}", lambda value, _: len(value) <= length, length)


def not_in_future() -> Check:
    return Check("not_in_future", "must not be in the future", lambda value, now: value <= now)


def max_age(seconds: float, shown: str) -> Check:
    return Check("max_age", f"must not be older than {shown}", lambda value, now: now - value <= seconds)


def each(check: Check) -> Check:
    """The check of one element, asked of every element of a flat list."""
    holds = check.holds
    return Check(
        check.name,
        f"every item {check.sentence}",
        lambda values, now: all(holds(value, now) for value in values),
    )


_EXTREMES: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "min": min,
    "exclusive_min": min,
    "max": max,
    "exclusive_max": max,
}


def each_bound(check: Check) -> Check:
    """As `each`, for a bound over finite numbers: it holds for all where it holds for the smallest (or largest)."""
    holds = check.holds
    extreme = _EXTREMES[check.name]
    return Check(
        check.name,
        f"every item {check.sentence}",
        lambda values, now: not values or holds(extreme(values), now),
        check.bound,
    )


@dataclass(frozen=True, slots=True)
class Checks:
    """All checks of one value."""

    kind: Kind
    coerce: Callable[[Value], Value | Bad]
    finite: bool  # NaN and infinities are refused, before all other checks
    all: tuple[Check, ...]

    def broken(self, value: Value, now_seconds: float) -> tuple[str, ...]:
        """Names of the checks that a value (not null, not missing) breaks. A wrong type breaks that check alone."""
        coerced = self.coerce(value)
        if isinstance(coerced, Bad):
            return (coerced.value,)
        if self.finite and not (all_finite(coerced) if self.kind.shape else is_finite(coerced)):
            return (FINITE,)
        return tuple([check.name for check in self.all if not check.holds(coerced, now_seconds)])

    def sentences(self) -> dict[str, str]:
        """Check name → what is expected."""
        found = {check.name: check.sentence for check in self.all}
        found[Bad.TYPE.value] = found[Bad.SHAPE.value] = f"must be {self.kind.sentence}"
        found[FINITE] = "must be finite: no NaN, no infinity"
        return found


def noun_of(kind: Kind) -> str:
    """What a length counts."""
    if kind.shape:
        return "items"
    return "bytes" if kind.scalar is Scalar.BYTES else "characters"
