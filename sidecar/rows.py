"""The decoded batch: features by column, missing kept apart from null, every cell with its place in the body."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

from .edits import Span


class Missing(Enum):
    """The one value that says: the body does not have this cell."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING

# None, bool, int, float (NaN, infinities only where a protocol has them), str, bytes, a (nested) list, dict, MISSING
Value: TypeAlias = Any

_HEADER: Final = "header:"


def header_of(source: str) -> str | None:
    """The lower-case name of the header that a feature's `from:` names; None where it names a place in the body."""
    return source[len(_HEADER) :].strip().lower() if source[: len(_HEADER)].lower() == _HEADER else None


def as_header(value: Value) -> str:
    """How a caller tells a value in a header: booleans as JSON spells them, nothing for null."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def same_value(one: Value, other: Value) -> bool:
    """Whether two cells are the same to the model: 1 is not 1.0, and NaN is NaN."""
    return one is other or (type(one) is type(other) and bool(one == other)) or (one != one and other != other)


@dataclass(frozen=True, slots=True)
class Change:
    """Set one cell to `value` (MISSING takes it out of the body)."""

    row: int
    feature: str
    value: Value


# Changes and the rows to be taken out → the spans of the body that do it, or None: the codec's `edit_request` decides
Edit: TypeAlias = Callable[[Sequence[Change], Collection[int]], tuple[Span, ...] | None]


@dataclass(frozen=True, slots=True)
class Rows:
    """`count` rows; each column of `columns` has `count` values; `pointer(feature, row)` is RFC 6901 in the body.

    With `numbers` the columns hold only those rows of the body, in order: all others are proven clean.
    `unknown` maps each name that the body has and nobody asked for to the rows that have it. `model_version` is what
    the body states ("" = unstated). A column is there for every feature the codec was bound to, all MISSING if absent.
    `edit` makes changes to these rows, and takes rows out, without the body being read again; None where it cannot.
    """

    count: int
    columns: Mapping[str, Sequence[Value]]
    pointer: Callable[[str, int], str]
    unknown: Mapping[str, Sequence[int]] = field(default_factory=dict)
    model_version: str = ""
    numbers: Sequence[int] | None = None
    edit: Edit | None = None

    @property
    def read(self) -> int:
        """How many rows the columns hold."""
        return self.count if self.numbers is None else len(self.numbers)


@dataclass(frozen=True, slots=True)
class TypedFeature:
    """How a fast accept may prove one feature clean.

    `annotation` is a msgspec type whose decoding succeeds only for clean values; `check`, if any, must then return
    True for the decoded value. Declining a clean value is allowed (the exact path decides); accepting a bad one never.
    """

    annotation: Any
    required: bool = True
    check: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True)
class RowTest:
    """A condition over several features that a fast accept must hold in every row.

    `holds` takes the decoded cells of `names` in that order (UNSET where the row has none) and answers True only for a
    row that breaks nothing, else False. It raises nothing.
    """

    names: tuple[str, ...]
    holds: Callable[..., bool]
