"""The tensors that a policy expects, as types: what a fast accept decodes into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..rows import RowTest, TypedFeature
from .tensor import DATATYPES, first_contradiction
from .tensor_rows import TensorPlace
from .typed import (
    ANY_SCALAR,
    WHOLE,
    Check,
    element_of,
    generic_for,
    list_of,
    literal,
    narrowed,
    shared_datatypes,
    struct,
    tuple_of,
)

PARAMETERS: Final[Any] = dict[str, str | WHOLE | float | bool]
TENSOR_KEYS: Final = 4  # name, shape, datatype, data


@dataclass(frozen=True, slots=True)
class ExpectedTensor:
    """One tensor that the policy reads. `row` is the type of one row; `width` 0 = one value, not a list."""

    name: str
    row: Any
    width: int
    proven: tuple[str, ...]  # the datatypes that no value of these types can contradict
    checks: tuple[tuple[int, Check], ...]
    required: bool = True

    def one_row(self, nested: bool) -> Any:
        """One row, everything but key uniqueness proven by the type."""
        if self.width:
            dimensions: Any = tuple_of(literal([1]), literal([self.width]))
            data = tuple_of(self.row) if nested else self.row
        else:
            dimensions = tuple_of(literal([1]), literal([1])) if nested else tuple_of(literal([1]))
            data = tuple_of(tuple_of(self.row)) if nested else tuple_of(self.row)
        return self._struct(dimensions, self.proven, data)

    def rows(self, nested: bool, loose: bool, tagged: bool) -> Any:
        """Any number of rows; shape, count and datatype are left to `holds`."""
        if self.width:
            data = list_of(self.row) if nested else list_of(ANY_SCALAR) if loose else self.row
        else:
            data = list_of(tuple_of(self.row)) if nested else list_of(self.row)
        return self._struct(tuple_of(WHOLE, ...), DATATYPES, data, tagged)

    def _struct(self, shape: Any, datatypes: Sequence[str], data: Any, tagged: bool = False) -> Any:
        members = [("shape", "shape", shape), ("datatype", "datatype", literal(datatypes)), ("data", "data", data)]
        optional = [("parameters", "parameters", PARAMETERS)]
        if tagged:
            return struct("Tensor", members, optional, tag=("name", self.name))
        return struct("Tensor", [("name", "name", literal([self.name])), *members], optional)

    def holds(self, tensor: Any, count: int, nested: bool, loose: bool) -> bool:
        """Whether shape, data and datatype agree on `count` rows, and all checks say yes."""
        shape, data = tensor.shape, tensor.data
        if self.width:
            if shape != (count, self.width):
                return False
            if nested:
                rows = data
            elif loose:
                if len(data) != count * self.width:
                    return False
                cut = [data[at : at + self.width] for at in range(0, len(data), self.width)]
                rows = msgspec.convert(cut, list_of(self.row))
            else:
                rows = (data,)
        else:
            if shape != (count, 1) and (nested or shape != (count,)):
                return False
            rows = data
        if len(rows) != count:
            return False
        if tensor.datatype not in self.proven:
            flat = [value for row in rows for value in row] if self.width or nested else rows
            if first_contradiction(tensor.datatype, flat) is not None:
                return False
        return not self.checks or self._checked(rows, nested)

    def _checked(self, rows: Sequence[Any], nested: bool) -> bool:
        if self.width:
            return all(check(row[at]) is True for at, check in self.checks for row in rows)
        return all(check(row[0] if nested else row) is True for _, check in self.checks for row in rows)


@dataclass(frozen=True, slots=True)
class ExpectedRule:
    """A rule, and where its cells stand: (position among the expected tensors, its name, its width, column)."""

    cells: tuple[tuple[int, str, int, int], ...]
    holds: Callable[..., bool]

    def kept_by_one(self, tensors: Sequence[Any], nested: bool) -> bool:
        """Whether one row keeps it; every tensor is there, in order."""
        cells = []
        for index, _, _, column in self.cells:
            data = tensors[index].data
            cells.append(data[0][column] if nested else data[column])
        return self.holds(*cells)

    def kept(self, tensors: Mapping[str, Any], count: int, nested: bool) -> bool:
        """Whether all rows keep it, whatever order the tensors are in. Flat data is cut by the width."""
        columns = []
        for _, name, width, column in self.cells:
            tensor = tensors.get(name)
            if tensor is None:
                columns.append([msgspec.UNSET] * count)
            elif nested:
                columns.append([row[column] for row in tensor.data])
            else:
                columns.append(tensor.data[column::width] if width else tensor.data)
        return all(map(self.holds, *columns))


def expected_rules(
    rules: Sequence[RowTest], expected: Sequence[ExpectedTensor], places: Mapping[str, TensorPlace]
) -> tuple[ExpectedRule, ...] | None:
    """Rules over the expected tensors; None when one names what is in none of them."""
    indexes = {item.name: index for index, item in enumerate(expected)}
    found = []
    for rule in rules:
        cells = []
        for name in rule.names:
            place = places.get(name)
            if place is None or place.tensor not in indexes:
                return None
            index = indexes[place.tensor]
            cells.append((index, place.tensor, expected[index].width, place.column or 0))
        found.append(ExpectedRule(tuple(cells), rule.holds))
    return tuple(found)


def expected_tensors(
    places: Mapping[str, TensorPlace], columns: Mapping[str, tuple[str, ...]], features: Mapping[str, TypedFeature]
) -> list[ExpectedTensor]:
    """Tensors in policy order; [] when the types cannot say what the policy wants."""
    expected: dict[str, ExpectedTensor] = {}
    for name, place in places.items():
        if place.tensor in expected:
            if place.column is None or place.tensor not in columns:
                return []  # one tensor read twice
            continue
        item = (
            value_tensor(place.tensor, features.get(name))
            if place.column is None
            else _matrix_tensor(place.tensor, columns.get(place.tensor, ()), places, features)
        )
        if item is None:
            return []
        expected[place.tensor] = item
    for tensor, names in columns.items():
        if tensor not in expected:
            item = _matrix_tensor(tensor, names, places, features)
            if item is None:
                return []
            expected[tensor] = item
    return list(expected.values())


def value_tensor(tensor: str, feature: TypedFeature | None) -> ExpectedTensor | None:
    if feature is None:
        return ExpectedTensor(tensor, ANY_SCALAR, 0, (), ())
    annotation = narrowed(feature.annotation)
    element = element_of(annotation)
    if element.is_list or "other" in element.kinds:
        return None
    checks = ((0, feature.check),) if feature.check is not None else ()
    return ExpectedTensor(tensor, annotation, 0, shared_datatypes([element]), checks, feature.required)


def _matrix_tensor(
    tensor: str, names: Sequence[str], places: Mapping[str, TensorPlace], features: Mapping[str, TypedFeature]
) -> ExpectedTensor | None:
    """One [rows, columns] tensor. A feature that is not required must be there all the same: columns have no gaps."""
    by_column: dict[int, str] = {}
    for name, place in places.items():
        if place.tensor == tensor and place.column is not None:
            if place.column in by_column:
                return None
            by_column[place.column] = name
    typed = {column: features[name] for column, name in by_column.items() if name in features}
    annotations = {column: narrowed(feature.annotation) for column, feature in typed.items()}
    elements = [element_of(annotation) for annotation in annotations.values()]
    if not names or any(element.is_list or "other" in element.kinds for element in elements):
        return None
    other = generic_for(elements)
    row = tuple_of(*(annotations.get(column, other) for column in range(len(names))))
    if len(annotations) < len(names):
        elements.append(element_of(other))
    checks = [(column, feature.check) for column, feature in typed.items() if feature.check is not None]
    return ExpectedTensor(tensor, row, len(names), shared_datatypes(elements), tuple(checks))
