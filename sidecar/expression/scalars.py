"""What one value is and what the functions make of it: the one place both evaluations take these answers from."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from ..rows import Value
from ..timestamps import seconds_of

DAY: Final = 86400.0
LARGEST: Final = 1.7976931348623157e308
# Whole numbers up to here, and no larger ones, are doubles without loss.
EXACT: Final = 2**53

ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def moment(value: Value) -> float | None:
    """Seconds since 1970, of RFC 3339 text; None for everything else."""
    return seconds_of(value) if value.__class__ is str else None


def any_of(value: Value) -> Value:
    """A number that is one, text, true or false; None for everything else."""
    kind = value.__class__
    if kind is int or kind is str or kind is bool:
        return value
    return value if kind is float and value == value else None


def same(left: Value, right: Value) -> bool:
    """Equality of scalars in which true is not 1."""
    if (left.__class__ is bool) is not (right.__class__ is bool):
        return False
    return bool(left == right)


def compare_any(sign: str, left: Value, right: Value) -> bool | None:
    """Two decided scalars of whatever kind: different kinds are undecided, truths have no order."""
    kind = _kind(left)
    if kind is not _kind(right):
        return None
    if sign == "==":
        return bool(left == right)
    if sign == "!=":
        return bool(left != right)
    return None if kind is bool else ORDERINGS[sign](left, right)


def _kind(value: Value) -> type:
    kind = value.__class__
    return float if kind is int else kind


def item_count(value: Value) -> int | None:
    """Items of a list; None for everything else."""
    return len(value) if value.__class__ is list or value.__class__ is tuple else None


def count_of(value: Value) -> int | None:
    """Items of a list, characters of a text; None for what cannot be counted."""
    return len(value) if value.__class__ is str else item_count(value)


def byte_count(value: Value) -> int | None:
    """Bytes: of bytes, or of the text that stands for them."""
    if value.__class__ is str:
        return len(value.encode("utf-8", "surrogatepass"))
    return len(value) if value.__class__ is bytes else None


def year_of(days: Any) -> Any:
    """The year (UTC) of whole days since 1970: a Python int, or an int64 array of them.

    The civil calendar from a day count: eras of 400 years begin on 1 March.
    """
    day = days + 719468
    era = day // 146097
    day_of_era = day - era * 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    after_december = (5 * day_of_year + 2) // 153 // 10
    return year_of_era + era * 400 + after_december


def is_weekday(days: Any) -> Any:
    """Monday to Friday (UTC), of whole days since 1970 (a Thursday)."""
    return (days + 3) % 7 < 5


def year(seconds: float) -> int:
    """The year (UTC) of a moment."""
    return int(year_of(int(seconds // DAY)))


def weekday(seconds: float) -> bool:
    """Whether a moment is on a weekday (UTC)."""
    return bool(is_weekday(int(seconds // DAY)))


def days_between(first: float, second: float) -> float:
    """Days from the first moment to the second."""
    return (second - first) / DAY
