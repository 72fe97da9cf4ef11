"""`unique: true`: no two rows of one request have the same value. The first keeps it, each later one breaks the check.

Null, missing, NaN and what breaks a check of its own have no value to compare. 1 and 1.0 are the same number, true is
not 1, and two spellings of one instant are one timestamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..rows import MISSING, Value
from .cell import Cell
from .kinds import Scalar

UNIQUE: Final = "unique"
SENTENCE: Final = "must not be the same in two rows of one request"
_AS_SENT: Final = frozenset({Scalar.INT, Scalar.FLOAT, Scalar.STRING, Scalar.CATEGORY})
_PLAIN: Final = frozenset({str, int, float})


def repeats(cell: Cell, column: Sequence[Value], now_seconds: float) -> Sequence[int]:
    """The rows whose value an earlier row has."""
    if cell.checks.kind.scalar in _AS_SENT:
        classes = set(map(type, column))
        if classes <= _PLAIN and len(set(column)) == len(column):
            return ()
    seen: set[tuple[bool, Value]] = set()
    found: list[int] = []
    for row, value in enumerate(column):
        if value is None or value is MISSING or value in cell.sentinels or cell.checks.broken(value, now_seconds):
            continue
        coerced = cell.checks.coerce(value)
        if coerced != coerced:  # NaN is equal to nothing
            continue
        key = (coerced.__class__ is bool, coerced)
        if key in seen:
            found.append(row)
        seen.add(key)
    return found
