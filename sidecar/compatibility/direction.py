"""Whether a check accepts fewer values than it did, more, or neither: one comparator for each key that checks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from typing import Any, Final, NamedTuple

from ..contract.build import Built
from ..contract.kinds import COERCE, Bad, Kind, Scalar, vector_coerce
from ..contract.literals import number, read
from ..contract.sections import Checks
from ..rows import Value
from ..timestamps import seconds_of
from ..yamldoc import Plain


class Direction(Enum):
    """How the set of accepted values moves."""

    SAME = "same"
    NARROWER = "narrower"
    WIDER = "wider"
    BOTH = "both"  # some values are no longer accepted, others now are
    UNDECIDED = "undecided"


class Checked(NamedTuple):
    """The keys of one value, and what they compile to."""

    keys: Checks
    built: Built


def both(first: Direction, second: Direction) -> Direction:
    """Two moves at once."""
    if first is Direction.SAME or first is second:
        return second
    return first if second is Direction.SAME else Direction.BOTH


def _sets(old: Iterable[Any], new: Iterable[Any]) -> Direction:
    """Of sets of accepted values."""
    before, after = set(old), set(new)
    if before == after:
        return Direction.SAME
    if before > after:
        return Direction.NARROWER
    return Direction.WIDER if before < after else Direction.BOTH


def _reverse(direction: Direction) -> Direction:
    opposite = {Direction.NARROWER: Direction.WIDER, Direction.WIDER: Direction.NARROWER}
    return opposite.get(direction, direction)


def _limit(old: Any, new: Any) -> Direction:
    """Of largest values allowed; None = no limit."""
    if old is None or new is None:
        return Direction.SAME if old is new else Direction.WIDER if new is None else Direction.NARROWER
    if old == new:
        return Direction.SAME
    return Direction.NARROWER if new < old else Direction.WIDER


# -- type


_TAKES: Final = {
    (Scalar.INT, Scalar.FLOAT),
    (Scalar.TIMESTAMP, Scalar.STRING),
    (Scalar.STRING, Scalar.BYTES),
    *[(scalar, Scalar.CATEGORY) for scalar in (Scalar.INT, Scalar.FLOAT, Scalar.BOOL, Scalar.STRING)],
}


def kind(old: Checked, new: Checked) -> Direction:
    """Of types. What a category holds is what its `values` say."""
    before, after = old.built.kind, new.built.kind
    if before == after:
        return Direction.SAME
    if after == Kind(Scalar.JSON):
        return Direction.WIDER
    if before == Kind(Scalar.JSON):
        return Direction.NARROWER
    if before == Kind(Scalar.CATEGORY):
        coerce = vector_coerce(after) if after.shape else COERCE[after.scalar]
        if not any(isinstance(coerce(value), Bad) for value in old.built.allowed or ()):
            return Direction.WIDER
    moved = both(_scalar(before.scalar, after.scalar), _shape(before.shape, after.shape))
    return both(moved, Direction.NARROWER) if _counts_bytes(old, new) else moved


def _counts_bytes(old: Checked, new: Checked) -> bool:
    """Whether text that was short enough in characters may be too long in bytes: UTF-8 has up to four for one."""
    longest, longest_now = old.keys.max_length, new.keys.max_length
    if (old.built.kind.scalar, new.built.kind.scalar) != (Scalar.STRING, Scalar.BYTES) or longest_now is None:
        return False
    return longest is None or longest_now < 4 * longest


def _scalar(old: Scalar, new: Scalar) -> Direction:
    if old is new:
        return Direction.SAME
    if (old, new) in _TAKES:
        return Direction.WIDER
    return Direction.NARROWER if (new, old) in _TAKES else Direction.BOTH


def _shape(old: tuple[int | None, ...], new: tuple[int | None, ...]) -> Direction:
    if len(old) != len(new):
        return Direction.BOTH
    direction = Direction.SAME
    for before, after in zip(old, new, strict=True):
        if before != after:
            step = Direction.WIDER if after is None else Direction.NARROWER if before is None else Direction.BOTH
            direction = both(direction, step)
    return direction


# -- bounds


def low(old: Checked, new: Checked) -> Direction:
    """Of `min` and `exclusive_min` together."""
    before, after = _lower(old), _lower(new)
    if before is None or after is None:
        return _limit(before, after)
    return _reverse(_limit(before, after))


def high(old: Checked, new: Checked) -> Direction:
    """Of `max` and `exclusive_max` together."""
    return _limit(_upper(old), _upper(new))


class _Bound(NamedTuple):
    """Of a smallest value: 5 open is above 5 closed. Of a largest value: 5 open is below 5 closed."""

    at: float
    rank: int


def _bounds(checked: Checked, *names: str) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name in names:
        plain: Plain | None = getattr(checked.keys, name)
        if plain is not None:
            timed = checked.built.kind.scalar is Scalar.TIMESTAMP
            found.append((name, (seconds_of(plain.text) or 0.0) if timed else number(plain)))
    return found


def _lower(checked: Checked) -> _Bound | None:
    # Whole numbers have a nearest neighbour, so above 5 is at least 6.
    if checked.built.kind.scalar is Scalar.INT and checked.built.low is not None:
        return _Bound(checked.built.low, 0)
    found = [_Bound(bound, int(name != "min")) for name, bound in _bounds(checked, "min", "exclusive_min")]
    return max(found) if found else None


def _upper(checked: Checked) -> _Bound | None:
    if checked.built.kind.scalar is Scalar.INT and checked.built.high is not None:
        return _Bound(checked.built.high, 1)
    found = [_Bound(bound, int(name == "max")) for name, bound in _bounds(checked, "max", "exclusive_max")]
    return min(found) if found else None


# -- the rest, one key each


def multiple_of(old: Checked, new: Checked) -> Direction:
    """A multiple of the old step is a wider step's multiple too."""
    before, after = old.keys.multiple_of, new.keys.multiple_of
    if before is None or after is None:
        return _limit(before, after)
    step, other = Fraction(before.text), Fraction(after.text)
    if step == other:
        return Direction.SAME
    if (step / other).denominator == 1:
        return Direction.WIDER
    return Direction.NARROWER if (other / step).denominator == 1 else Direction.BOTH


def _marked(values: Iterable[Value]) -> set[tuple[bool, Value]]:
    """True is not 1, and 1.0 is."""
    return {(value.__class__ is bool, value) for value in values}


def values(old: Checked, new: Checked) -> Direction:
    """Of sets; none = every value."""
    before, after = old.built.allowed, new.built.allowed
    if before is None or after is None:
        return _limit(before, after)
    return _sets(_marked(before), _marked(after))


def not_values(old: Checked, new: Checked) -> Direction:
    """Of values refused."""
    return _reverse(_sets(*(_marked(_read(side.keys.not_values, side.built.kind)) for side in (old, new))))


def _read(plains: tuple[Plain, ...] | None, kind: Kind) -> list[Value]:
    return [read(plain, Kind(kind.scalar)) for plain in plains or ()]


def pattern(old: Checked, new: Checked) -> Direction:
    """Whether one regular expression holds all of another is not looked into."""
    return _named(old.keys.pattern, new.keys.pattern)


def format_(old: Checked, new: Checked) -> Direction:
    """Two formats have nothing to do with each other."""
    return _named(old.keys.format or "", new.keys.format or "")


def _named(old: str, new: str) -> Direction:
    if old == new:
        return Direction.SAME
    if old and new:
        return Direction.UNDECIDED
    return Direction.NARROWER if new else Direction.WIDER


def min_length(old: Checked, new: Checked) -> Direction:
    """No limit is 0."""
    return _reverse(_limit(old.keys.min_length or 0, new.keys.min_length or 0))


def max_length(old: Checked, new: Checked) -> Direction:
    """Of largest lengths."""
    return _limit(old.keys.max_length, new.keys.max_length)


def finite(old: Checked, new: Checked) -> Direction:
    """True unless set to false."""
    return _flag(old.keys.finite is not False, new.keys.finite is not False)


def not_in_future(old: Checked, new: Checked) -> Direction:
    """A flag that refuses."""
    return _flag(old.keys.not_in_future, new.keys.not_in_future)


def max_age(old: Checked, new: Checked) -> Direction:
    """Of largest ages."""
    return _limit(old.keys.max_age, new.keys.max_age)


def unique(old: Checked, new: Checked) -> Direction:
    """A flag that refuses; outputs have none."""
    return _flag(getattr(old.keys, "unique", False), getattr(new.keys, "unique", False))


def _flag(old: bool, new: bool) -> Direction:
    if old is new:
        return Direction.SAME
    return Direction.NARROWER if new else Direction.WIDER
