"""Rows → a request body, for tests of a policy, dry runs and probes: the way back of `read_request`.

A name that a row does not have is left out where the protocol can leave it out, and null in a matrix, which cannot.
Values are written as they are, good or bad: what is wrong with them is for the reader to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..rows import Value
from .document import encode
from .row_table import Layout
from .tensor import INTEGER_RANGES
from .tensor_rows import TensorPlace

_LOW, _HIGH = INTEGER_RANGES["INT64"]
_TEXT: Final = frozenset({str, type(None)})
_TRUTH: Final = frozenset({bool, type(None)})


def json_body(value: Any) -> bytes:
    """Compact JSON; NaN and infinities as the bare tokens that a caller's library would send."""
    return encode(value, allow_nonfinite=True)


def input_tensors(
    places: Mapping[str, TensorPlace], columns: Mapping[str, Sequence[str]], rows: Sequence[Mapping[str, Value]]
) -> list[dict[str, Any]]:
    """Tensors of the Open Inference Protocol. Names that have no place are tensors of their own."""
    spots = {name: TensorPlace(tensor, at) for tensor, names in columns.items() for at, name in enumerate(names)}
    spots.update(places)
    for row in rows:
        for name in row:
            spots.setdefault(name, TensorPlace(name))
    widths = {tensor: len(names) for tensor, names in columns.items()}
    for place in spots.values():
        if place.column is not None:
            widths[place.tensor] = max(widths.get(place.tensor, 0), place.column + 1)
    matrices: dict[str, list[list[Value]]] = {}
    tensors: dict[str, dict[str, Any]] = {}
    for name, place in spots.items():
        if not any(name in row for row in rows):
            continue
        if place.column is None:
            tensors[place.tensor] = _tensor(place.tensor, [row.get(name) for row in rows])
            continue
        if place.tensor not in matrices:
            matrices[place.tensor] = [[None] * widths[place.tensor] for _ in rows]
            tensors[place.tensor] = {}  # keeps its turn
        for cells, row in zip(matrices[place.tensor], rows, strict=True):
            cells[place.column] = row.get(name)
    for tensor, matrix in matrices.items():
        flat = [value for cells in matrix for value in cells]
        tensors[tensor] = _as_tensor(tensor, [len(rows), widths[tensor]], flat)
    return list(tensors.values())


def _tensor(name: str, values: list[Value]) -> dict[str, Any]:
    """One value a row, or a list a row; null in place of a list is as many nulls."""
    first = next((value for value in values if type(value) is list), None)
    if first is None:
        return _as_tensor(name, [len(values)], values)
    sizes: list[int] = []
    level: Any = first
    while type(level) is list:
        sizes.append(len(level))
        level = level[0] if level else None
    elements: list[Value] = []
    for value in values:
        elements += _flat(value) if type(value) is list else [value] * _product(sizes)
    return _as_tensor(name, [len(values), *sizes], elements)


def _flat(value: Value) -> list[Value]:
    return [leaf for item in value for leaf in _flat(item)] if type(value) is list else [value]


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _as_tensor(name: str, shape: list[int], data: list[Value]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": _datatype(data), "data": data}


def _datatype(values: Sequence[Value]) -> str:
    """What a caller would declare. Text among numbers does not make them text: the numbers decide."""
    types = set(map(type, values))
    if types <= _TEXT and str in types:
        return "BYTES"
    if types <= _TRUTH and bool in types:
        return "BOOL"
    numbers = [value for value in values if type(value) in (int, float)]
    whole = numbers and all(type(value) is int and _LOW <= value <= _HIGH for value in numbers)
    return "INT64" if whole else "FP64"


def row_documents(layout: Layout, rows: Sequence[Mapping[str, Value]]) -> list[Any]:
    """Rows as objects, or as lists where the policy names `columns`. ValueError for what a list has no place for."""
    return [_listed(layout, row) if layout.columns else _object(layout, row) for row in rows]


def _listed(layout: Layout, row: Mapping[str, Value]) -> list[Value]:
    for name in row:
        if name not in layout.columns:
            raise ValueError(f"`{name}` has no place: a row is a list of {', '.join(layout.columns)}")
    return [row.get(name) for name in layout.columns]


def _object(layout: Layout, row: Mapping[str, Value]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in row.items():
        node = made
        *parents, last = layout.explicit.get(name, (name,))
        for token in parents:
            node = node.setdefault(str(token), {})
        node[str(last)] = value
    return made
