"""Meaning → one function over whole columns, with numpy: the same answers as row by row, or none at all.

A number is an array of doubles and a mask of what is known; an answer is two masks, true and false. What doubles or
masks cannot say (whole numbers beyond 2^53, cells nobody has declared) raises `NotColumns`: then rows are asked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np

from ..rows import MISSING, Value
from . import scalars
from .meaning import Apply, Compare, Compute, Const, Every, Inverse, Load, Meaning, Member, Minus, Null, Some
from .types import Kind


class NotColumns(Exception):  # noqa: N818 - not an error: another way of answering is taken
    """These columns, or this expression, are for rows."""


class Truth(NamedTuple):
    """Which rows hold, and which do not; the others are undecided."""

    true: Any
    false: Any


class Operand(NamedTuple):
    """Doubles (objects, for text), and which of them are known; None = all."""

    values: Any
    known: Any


_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_COMPUTE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.remainder,
}  # fmt: skip
_PLACEHOLDERS: Final[dict[Kind, Value]] = {Kind.TEXT: "", Kind.TRUTH: False}


class Frame:
    """The columns of one batch, each made an array once."""

    def __init__(self, columns: Mapping[str, Sequence[Value]], count: int) -> None:
        self._columns = columns
        self.count = count
        self._made: dict[tuple[str, Kind], Operand] = {}

    def raw(self, name: str) -> Sequence[Value]:
        """The cells; all missing where there is no such column."""
        column = self._columns.get(name)
        return column if column is not None else [MISSING] * self.count

    def operand(self, name: str, kind: Kind) -> Operand:
        made = self._made.get((name, kind))
        if made is None:
            made = self._made[name, kind] = _READERS[kind](self.raw(name))
        return made


def _numbers(column: Sequence[Value]) -> Operand:
    classes = set(map(type, column))
    cells: Sequence[Value] = column
    if not classes <= {float, int}:
        cells = [cell if cell.__class__ is float or cell.__class__ is int else np.nan for cell in column]
    try:
        values = np.array(cells, dtype=np.float64)
    except OverflowError:
        raise NotColumns from None
    if int in classes and bool((np.abs(values) >= scalars.EXACT).any()):
        raise NotColumns
    known = values == values
    return Operand(values, None if bool(known.all()) else known)


def _objects(column: Sequence[Value], cls: type, placeholder: Value) -> Operand:
    known = None
    cells: Sequence[Value] = column
    if set(map(type, column)) != {cls}:
        known = np.array([cell.__class__ is cls for cell in column], dtype=bool)
        cells = [cell if cell.__class__ is cls else placeholder for cell in column]
    values = np.empty(len(column), dtype=object if cls is str else bool)
    values[:] = cells
    return Operand(values, known)


def _counted(column: Sequence[Value], count: Callable[[Value], Any]) -> Operand:
    return _numbers([count(cell) for cell in column])


def _moments(column: Sequence[Value]) -> Operand:
    seen: dict[Value, float | None] = {}
    cells: list[float | None] = []
    for cell in column:
        if cell.__class__ is not str:
            cells.append(None)
            continue
        if cell not in seen:
            seen[cell] = scalars.moment(cell)
        cells.append(seen[cell])
    return _numbers(cells)


_READERS: Final[dict[Kind, Callable[[Sequence[Value]], Operand]]] = {
    Kind.NUMBER: _numbers,
    Kind.TEXT: lambda column: _objects(column, str, ""),
    Kind.TRUTH: lambda column: _objects(column, bool, False),
    Kind.TIME: _moments,
    Kind.LIST: lambda column: _counted(column, scalars.item_count),
    Kind.COUNTED: lambda column: _counted(column, scalars.count_of),
    Kind.BYTES: lambda column: _counted(column, scalars.byte_count),
}


def answers(meaning: Meaning, columns: Mapping[str, Sequence[Value]], count: int) -> Truth:
    """The answers of all rows. NotColumns where only rows can be asked."""
    with np.errstate(all="ignore"):
        return _truth(meaning, Frame(columns, count))


def _truth(node: Meaning, frame: Frame) -> Truth:
    match node:
        case Const():
            nothing = np.zeros(frame.count, dtype=bool)
            return Truth(
                nothing if node.value is not True else ~nothing, nothing if node.value is not False else ~nothing
            )
        case Null():
            null = np.array([cell is None or cell is MISSING for cell in frame.raw(node.name)], dtype=bool)
            return Truth(~null, null) if node.negated else Truth(null, ~null)
        case Inverse():
            true, false = _truth(node.operand, frame)
            return Truth(false, true)
        case Every():
            found = [_truth(operand, frame) for operand in node.operands]
            return Truth(
                reduce(operator.and_, [one.true for one in found]), reduce(operator.or_, [one.false for one in found])
            )
        case Some():
            found = [_truth(operand, frame) for operand in node.operands]
            return Truth(
                reduce(operator.or_, [one.true for one in found]), reduce(operator.and_, [one.false for one in found])
            )
        case Compare() if node.by not in (Kind.ANY, Kind.MIXED):
            left, right = _operand(node.left, frame), _operand(node.right, frame)
            holds = _COMPARE[node.sign](left.values, right.values)
            return _decided(holds, _both(left.known, right.known))
        case Member() if node.by not in (Kind.ANY, Kind.MIXED):
            operand = _operand(node.operand, frame)
            members = node.truths or node.texts or node.numbers
            if node.by in (Kind.NUMBER, Kind.TIME):
                holds = np.isin(operand.values, [_double(member) for member in members])
            else:
                holds = np.array([value in members for value in operand.values], dtype=bool)
            return _decided(~holds if node.negated else holds, operand.known)
        case Load() | Apply():
            operand = _operand(node, frame)
            return _decided(operand.values, operand.known)
        case _:
            raise NotColumns


def _decided(holds: Any, known: Any) -> Truth:
    true = np.asarray(holds, dtype=bool)
    if known is None:
        return Truth(true, ~true)
    return Truth(true & known, ~true & known)


def _operand(node: Meaning, frame: Frame) -> Operand:
    match node:
        case Const():
            if node.value is None:
                nothing = np.zeros(frame.count, dtype=bool)
                return Operand(_PLACEHOLDERS.get(node.kind, np.nan), nothing)
            return Operand(_double(node.value), None)
        case Load() if node.kind in _READERS:
            return frame.operand(node.name, node.kind)
        case Minus():
            operand = _operand(node.operand, frame)
            return Operand(-operand.values, operand.known)
        case Compute():
            return _computed(node, frame)
        case Apply():
            return _applied(node, frame)
        case Compare() | Member() | Null() | Inverse() | Every() | Some():
            true, false = _truth(node, frame)
            return Operand(true, true | false)
        case _:
            raise NotColumns


def _double(value: Value) -> Value:
    """A constant as the columns hold it."""
    if value.__class__ is not int:
        return value
    if abs(value) >= scalars.EXACT:
        raise NotColumns
    return float(value)


def _computed(node: Compute, frame: Frame) -> Operand:
    left, right = _operand(node.left, frame), _operand(node.right, frame)
    values = _COMPUTE[node.sign](left.values, right.values)
    known = np.isfinite(values) & np.isfinite(left.values) & np.isfinite(right.values)
    if node.sign in "/%":
        known &= np.not_equal(right.values, 0.0)
    return Operand(values, _both(_both(left.known, right.known), None if bool(np.all(known)) else known))


def _applied(node: Apply, frame: Frame) -> Operand:
    arguments = [_operand(argument, frame) for argument in node.arguments]
    known = reduce(_both, [argument.known for argument in arguments])
    first = arguments[0].values
    match node.function:
        case "abs":
            return Operand(np.abs(first), known)
        case "min":
            return Operand(reduce(np.minimum, [argument.values for argument in arguments]), known)
        case "max":
            return Operand(reduce(np.maximum, [argument.values for argument in arguments]), known)
        case "len":
            if node.arguments[0].kind is not Kind.TEXT:
                return arguments[0]  # read as its count
            return Operand(np.array([len(text) for text in first], dtype=np.float64), known)
        case "lower":
            return Operand(_texts([text.lower() for text in first]), known)
        case "startswith":
            texts = _each(first, frame.count)
            heads = _each(arguments[1].values, frame.count)
            found = [text.startswith(head) for text, head in zip(texts, heads, strict=True)]
            return Operand(np.array(found, dtype=bool), known)
        case "days_between":
            return Operand((arguments[1].values - first) / scalars.DAY, known)
    days = np.floor_divide(np.nan_to_num(first), scalars.DAY).astype(np.int64)
    if node.function == "year":
        return Operand(scalars.year_of(days).astype(np.float64), known)
    return Operand(scalars.is_weekday(days), known)


def _texts(cells: Sequence[str]) -> Any:
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    return values


def _each(values: Any, count: int) -> Sequence[str]:
    return [values] * count if isinstance(values, str) else values


def _both(one: Any, other: Any) -> Any:
    if one is None:
        return other
    return one if other is None else one & other
