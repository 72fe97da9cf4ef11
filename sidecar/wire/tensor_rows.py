"""Tensors ⇄ rows: where each feature stands, and the edits that keep shape and data in step."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, NamedTuple

from ..errors import WireError, WireFault
from ..rows import MISSING, Change, Value
from .document import encode, shown
from .spans import Draft
from .tensor import INTEGER_RANGES, Tensor, datatype_of, first_contradiction, flattened

_ELEMENT: Final = re.compile(r"(?P<tensor>.+)\[(?P<column>\d{1,6})\]")


class TensorPlace(NamedTuple):
    """A whole tensor (one value a row), or one column of an [n, k] tensor."""

    tensor: str
    column: int | None = None


def parse_place(text: str) -> TensorPlace:
    """`input-0[3]` or `input-0`. ValueError with a sentence for anything else."""
    if text.startswith("/"):
        raise ValueError(f"`{text}`: a tensor protocol has no JSON Pointers; write `input-0[3]` or a tensor's name")
    match = _ELEMENT.fullmatch(text)
    return TensorPlace(match["tensor"], int(match["column"])) if match else TensorPlace(text)


@dataclass(frozen=True, slots=True)
class TensorRows:
    """Checked tensors seen as rows. `key` is `inputs` or `outputs`; `widths` the columns that a policy promised."""

    key: str
    tensors: Mapping[str, Tensor]
    places: Mapping[str, TensorPlace]
    count: int

    def columns(self) -> dict[str, Sequence[Value]]:
        """One column a place; all MISSING where the tensor is not there."""
        columns: dict[str, Sequence[Value]] = {}
        for feature, (name, column) in self.places.items():
            tensor = self.tensors.get(name)
            if tensor is None:
                columns[feature] = [MISSING] * self.count
            elif column is None:
                columns[feature] = tensor.values()
            elif tensor.nested:
                columns[feature] = [row[column] for row in tensor.data]
            else:
                columns[feature] = tensor.data[column :: tensor.width]
        return columns

    def pointer(self, feature: str, row: int) -> str:
        """RFC 6901; the list of tensors itself for a tensor that is not there."""
        place = self._place(feature)
        tensor = self.tensors.get(place.tensor)
        return shown((self.key,) if tensor is None else tensor.place(row, place.column))

    def _place(self, feature: str) -> TensorPlace:
        """Where a feature is; a name that nobody asked for is a tensor of its own."""
        return self.places.get(feature) or TensorPlace(feature)

    def unknown(self, known: Collection[str]) -> dict[str, Sequence[int]]:
        """Tensors that nobody asked for."""
        return {name: range(self.count) for name in self.tensors if name not in known}

    def edit(
        self,
        draft: Draft,
        changes: Sequence[Change],
        drop: Collection[int] = (),
        insert: Mapping[int, Mapping[str, Value]] | None = None,
    ) -> None:
        """Draft cell changes, then rows taken out, then rows put in at their final positions.

        A cell taken out alone becomes null; a column taken out of every row leaves, and its tensor's shape follows.
        """
        by_feature: dict[str, dict[int, Value]] = {}
        for change in changes:
            if change.feature in self.places or change.feature in self.tensors:
                by_feature.setdefault(change.feature, {})[change.row] = change.value
        for values in (insert or {}).values():
            for feature in values:
                if feature in self.places and self.places[feature].tensor not in self.tensors:
                    by_feature.setdefault(feature, {})
        gone: dict[str, set[int | None]] = {}
        for feature, cells in by_feature.items():
            place = self._place(feature)
            tensor = self.tensors.get(place.tensor)
            if tensor is None:
                kept = [cells.get(row) for row in range(self.count) if row not in drop]
                for position, given in sorted((insert or {}).items()):
                    kept.insert(position, given.get(feature))
                if cells or any(value is not None for value in kept):
                    self._add_tensor(draft, place, [None if value is MISSING else value for value in kept])
            elif all(cells.get(row) is MISSING for row in range(self.count) if row not in drop):
                gone.setdefault(place.tensor, set()).add(place.column)
            else:
                for row, value in cells.items():
                    _set(draft, tensor, row, place.column, None if value is MISSING else value)
        emptied = 0
        for name, columns in gone.items():
            emptied += self._remove_columns(draft, self.tensors[name], columns)
        if emptied == len(self.tensors) + len(draft.node((self.key,)).insert):
            raise WireError(WireFault.SHAPE, "nothing would be left of the body", pointer=f"/{self.key}")
        if drop or insert:
            for tensor in self.tensors.values():
                if tensor.shape and tensor.count == self.count:
                    self._move_rows(draft, tensor, drop, insert or {})

    def _bound(self) -> dict[str, Tensor]:
        return {
            place.tensor: self.tensors[place.tensor] for place in self.places.values() if place.tensor in self.tensors
        }

    def _add_tensor(self, draft: Draft, place: TensorPlace, kept: list[Value]) -> None:
        """A named tensor that the body does not have, shaped like the named tensors it does have."""
        if all(value is None for value in kept):
            raise WireError(WireFault.SHAPE, "a missing tensor cannot be made of nulls", pointer=f"/{self.key}")
        if place.column is not None:
            raise WireError(WireFault.SHAPE, "a column of a missing tensor cannot be filled", pointer=f"/{self.key}")
        if any(type(value) is list for value in kept):
            draft.insert((self.key,), len(self.tensors) + len(draft.node((self.key,)).insert), _vectors(place, kept))
            return
        siblings = [tensor for tensor in self._bound().values() if len(tensor.shape) <= 2 and tensor.width == 1]
        shape = [len(kept), 1] if siblings and len(siblings[0].shape) == 2 else [len(kept)]
        data = [[value] for value in kept] if siblings and siblings[0].nested else kept
        tensor = {"name": place.tensor, "shape": shape, "datatype": datatype_of(kept), "data": data}
        draft.insert((self.key,), len(self.tensors) + len(draft.node((self.key,)).insert), encode(tensor))

    def _remove_columns(self, draft: Draft, tensor: Tensor, columns: set[int | None]) -> bool:
        """True when the whole tensor leaves."""
        if None in columns or len(columns) == tensor.width:
            draft.remove(tensor.path)
            return True
        for column in columns:
            for row in range(tensor.count):
                draft.remove(tensor.place(row, column))
        draft.set((*tensor.path, "shape", 1), encode(tensor.width - len(columns)))
        return False

    def _move_rows(
        self, draft: Draft, tensor: Tensor, drop: Collection[int], insert: Mapping[int, Mapping[str, Value]]
    ) -> None:
        data, width = (*tensor.path, "data"), tensor.width
        for row in drop:
            if tensor.nested:
                draft.remove((*data, row))
            else:
                for at in range(row * width, row * width + width):
                    draft.remove((*data, at))
        for position, values in insert.items():
            elements = self._row_of(tensor, values)
            if tensor.nested:
                draft.insert(data, position, encode(_nested_like(elements, tensor.shape[1:])))
            else:
                for offset, element in enumerate(elements):
                    draft.insert(data, position * width + offset, encode(element))
        draft.set((*tensor.path, "shape", 0), encode(tensor.count - len(drop) + len(insert)))

    def _row_of(self, tensor: Tensor, values: Mapping[str, Value]) -> list[Value]:
        """The elements of one new row; null for what nobody gives."""
        row: list[Value] = [None] * tensor.width
        for feature, place in self.places.items():
            if place.tensor != tensor.name or feature not in values:
                continue
            value = values[feature]
            if place.column is not None:
                row[place.column] = _fitted(value, tensor)
            else:
                row = _row_elements(value, tensor)
        return row


def batch_of(
    key: str, tensors: Mapping[str, Tensor], places: Mapping[str, TensorPlace], widths: Mapping[str, int]
) -> TensorRows:
    """The rows of these tensors. WireError SHAPE when the bound ones disagree about rows or columns."""
    count: int | None = None
    seen = ""
    for name, column in places.values():
        if name == seen and column is not None and column < tensors[name].width and len(tensors[name].shape) == 2:
            continue  # another column of the same tensor
        tensor = tensors.get(name)
        if tensor is None:
            continue
        if not tensor.shape:
            raise WireError(WireFault.SHAPE, "the shape has no dimension for rows", pointer=_shape_of(tensor))
        if count is not None and tensor.shape[0] != count:
            raise WireError(WireFault.SHAPE, "tensors disagree about the number of rows", pointer=_shape_of(tensor))
        count = tensor.shape[0]
        seen = name
        if column is None:
            continue
        promised = widths.get(name)
        if len(tensor.shape) != 2 or column >= tensor.width or (promised or tensor.width) != tensor.width:
            wanted = f"[rows, {promised}]" if promised else f"[rows, more than {column}]"
            raise WireError(WireFault.SHAPE, f"the shape must be {wanted}", pointer=_shape_of(tensor))
    if count is None:
        counts = {tensor.count for tensor in tensors.values() if tensor.shape}
        count = counts.pop() if len(counts) == 1 else 1
    return TensorRows(key, tensors, places, count)


def _shape_of(tensor: Tensor) -> str:
    return shown((*tensor.path, "shape"))


def known_tensors(places: Mapping[str, TensorPlace], columns: Collection[str]) -> frozenset[str]:
    """The names that are not unknown."""
    return frozenset({*columns, *(place.tensor for place in places.values())})


def new_tensors(names: Mapping[str, TensorPlace], rows: Sequence[Mapping[str, Value]]) -> list[dict[str, Any]]:
    """Output tensors made of given values: one a whole place; one [n, k] for the columns of one tensor."""
    tensors: dict[str, list[Any]] = {}
    matrices: dict[str, int] = {}
    for place in names.values():
        if place.column is not None:
            matrices[place.tensor] = max(matrices.get(place.tensor, 0), place.column + 1)
    for prediction, place in names.items():
        values = [row.get(prediction) for row in rows]
        if place.column is None:
            tensors[place.tensor] = values
        else:
            matrix = tensors.setdefault(place.tensor, [[None] * matrices[place.tensor] for _ in rows])
            for row, value in zip(matrix, values, strict=True):
                row[place.column] = value
    return [_output(name, values) for name, values in tensors.items()]


def _output(name: str, values: list[Any]) -> dict[str, Any]:
    lengths = {len(value) if type(value) is list else -1 for value in values if value is not None}
    if -1 not in lengths and len(lengths) == 1:
        width = lengths.pop()
        values = [value if value is not None else [None] * width for value in values]
        flat = flattened(values)
        return {"name": name, "shape": [len(values), width], "datatype": datatype_of(flat), "data": flat}
    return {"name": name, "shape": [len(values)], "datatype": datatype_of(values), "data": values}


def _vectors(place: TensorPlace, values: list[Value]) -> bytes:
    """A tensor with several values a row, nested. WireError when its rows are not all of one shape."""
    sizes: list[int] = []
    level = values
    while all(type(value) is list for value in level):
        sizes.append(len(level[0]))
        level = [element for value in level for element in value]
        if len(level) != len(values) * prod(sizes) or not level:
            break
    if len(level) != len(values) * prod(sizes) or not level or list in set(map(type, level)):
        raise WireError(
            WireFault.SHAPE, "the policy's values for a missing tensor have no one shape", pointer="/inputs"
        )
    shape = [len(values), *sizes]
    return encode({"name": place.tensor, "shape": shape, "datatype": datatype_of(level), "data": values})


def _set(draft: Draft, tensor: Tensor, row: int, column: int | None, value: Value) -> None:
    if column is not None or tensor.width == 1:
        draft.set(tensor.place(row, column), encode(_fitted(value, tensor)))
        return
    if value is None:
        raise WireError(WireFault.SHAPE, "a tensor has no null for several values at once", pointer=shown(tensor.path))
    elements = _row_elements(value, tensor)
    if tensor.nested:
        draft.set(tensor.place(row), encode(_nested_like(elements, tensor.shape[1:])))
        return
    for offset, element in enumerate(elements):
        draft.set((*tensor.path, "data", row * tensor.width + offset), encode(element))


def _row_elements(value: Value, tensor: Tensor) -> list[Value]:
    if value is None:
        return [None] * tensor.width
    elements = flattened(value) if type(value) is list else [value]
    if len(elements) != tensor.width:
        raise WireError(WireFault.SHAPE, "a replacement value does not fit the shape", pointer=shown(tensor.path))
    return [_fitted(element, tensor) for element in elements]


def _fitted(value: Value, tensor: Tensor) -> Value:
    """A whole float is written as a whole number into an integer tensor. WireError for what no such tensor holds."""
    if type(value) is float and tensor.datatype in INTEGER_RANGES and value.is_integer():
        value = int(value)
    if first_contradiction(tensor.datatype, [value]) is not None:
        at = shown((*tensor.path, "datatype"))
        raise WireError(WireFault.SHAPE, f"the policy's value does not fit into {tensor.datatype}", pointer=at)
    return value


def _nested_like(elements: list[Value], shape: Sequence[int]) -> Value:
    if not shape:
        return elements[0]
    for size in reversed(shape[1:]):
        elements = [elements[at : at + size] for at in range(0, len(elements), size)]
    return elements
