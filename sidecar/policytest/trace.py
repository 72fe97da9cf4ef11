"""Which checks ran on one value, and how each ended: what a verdict does not say, since a verdict names only faults.

Told by the compiled cells themselves; what failed is exactly what `Cell.examine` says is broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ..contract.cell import Cell, Examined
from ..contract.checks import FINITE
from ..contract.kinds import Bad, Scalar, parse_text
from ..rows import MISSING, Value
from ..verdict import Action

MISSING_VALUES: Final = "missing_values"
REQUIRED, NULL, DEFAULT, DEPRECATED = "required", "null", "default", "deprecated"
TYPE, SHAPE = Bad.TYPE.value, Bad.SHAPE.value


class Ran(NamedTuple):
    """One check that ran. `sentence` is what it asks for; `applied` what the policy does about it, if it failed."""

    check: str
    held: bool
    sentence: str
    applied: Action | None = None


def stated(cell: Cell) -> tuple[str, ...]:
    """The checks that the policy's author wrote down."""
    names = [check.name for check in cell.checks.all]
    if cell.sentinels:
        names.append(MISSING_VALUES)
    if cell.deprecated:
        names.append(DEPRECATED)
    return tuple(names)


def implied(cell: Cell) -> tuple[str, ...]:
    """The checks that come with a type, and with what may not be missing or null."""
    names = []
    if cell.checks.kind.scalar is not Scalar.JSON:
        names.append(TYPE)
    if cell.checks.kind.shape:
        names.append(SHAPE)
    if cell.checks.finite:
        names.append(FINITE)
    if cell.required and cell.default is MISSING:
        names.append(REQUIRED)
    if not cell.nullable and cell.default is MISSING:
        names.append(NULL)
    return tuple(names)


def trace(cell: Cell, value: Value, now_seconds: float) -> tuple[Examined, tuple[Ran, ...]]:
    """What the cell says of a value as it came, and every check that it took to say so."""
    examined = cell.examine(value, now_seconds)
    broken = dict(examined.broken)
    return examined, tuple(
        Ran(name, name not in broken if held is None else held, cell.sentences.get(name, ""), broken.get(name))
        for name, held in _ran(cell, value, broken, now_seconds)
    )


def _ran(cell: Cell, value: Value, broken: dict[str, Action], now_seconds: float) -> Iterator[tuple[str, bool | None]]:
    """(check, how it ended; None = as `broken` says), in the order of `Cell.examine`."""
    if cell.from_header and value.__class__ is str:
        value = parse_text(value, cell.checks.kind.scalar)
    if cell.deprecated:
        yield DEPRECATED, None
    if cell.sentinels and value is not MISSING and value is not None:
        sentinel = value in cell.sentinels
        yield MISSING_VALUES, not sentinel
        value = None if sentinel else value
    if value is None or value is MISSING:
        if cell.default is not MISSING:
            yield next(name for name in (REQUIRED, NULL, DEFAULT) if name in broken), None
            value = cell.default
        elif value is MISSING:
            if cell.required:
                yield REQUIRED, None
            return
        else:
            if cell.required:
                yield REQUIRED, None
            if not cell.nullable:
                yield NULL, None
            return
    else:
        if REQUIRED in implied(cell):
            yield REQUIRED, None
        if NULL in implied(cell):
            yield NULL, None
    yield from _of_value(cell, value, now_seconds)


def _of_value(cell: Cell, value: Value, now_seconds: float) -> Iterator[tuple[str, bool | None]]:
    names = implied(cell)
    if TYPE in names:
        yield TYPE, None
    coerced = cell.checks.coerce(value)
    if coerced is Bad.TYPE:
        return
    if SHAPE in names:
        yield SHAPE, None
    if coerced is Bad.SHAPE:
        return
    failed = cell.checks.broken(value, now_seconds)
    if FINITE in names or coerced is Bad.FINITE:
        yield FINITE, FINITE not in failed
    if FINITE in failed:
        return
    for check in cell.checks.all:
        yield check.name, None
