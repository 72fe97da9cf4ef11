"""Tensors of the Open Inference Protocol as JSON: their arithmetic is checked before a value of them is believed.

protocols.md of KServe, "Tensor Data": row-major, nested or flat, both legal; product(shape) is the element count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import WireError, WireFault
from ..rows import Value
from .document import Token, refuse_lookalikes, shown

FP16_MAX: Final = 65504.0
BF16_MAX: Final = 3.3895313892515355e38
FP32_MAX: Final = 3.4028234663852886e38
FP64_MAX: Final = 1.7976931348623157e308

INTEGER_RANGES: Final[dict[str, tuple[int, int]]] = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "BOOL": (0, 1),
}
FLOAT_LIMITS: Final[dict[str, float]] = {"FP16": FP16_MAX, "BF16": BF16_MAX, "FP32": FP32_MAX, "FP64": FP64_MAX}
DATATYPES: Final = (*INTEGER_RANGES, *FLOAT_LIMITS, "BYTES")

# Parameters that put the data elsewhere (Triton's binary and shared memory extensions), or change what it means.
_ELSEWHERE: Final = frozenset(
    {"binary_data_size", "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"}
)
UNREAD_PARAMETERS: Final = _ELSEWHERE | {"binary_data", "binary_data_output"}
UNREAD_CONTENT_TYPE: Final = "base64"  # MLServer decodes such strings before the model sees them


@dataclass(frozen=True, slots=True)
class Tensor:
    """One checked tensor. `path` leads to it in the body; `data` is as sent; `width` is the elements of one row."""

    path: tuple[Token, ...]
    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[Value]
    nested: bool
    width: int

    @property
    def count(self) -> int:
        """Rows: the first dimension; a scalar tensor has one."""
        return self.shape[0] if self.shape else 1

    def values(self) -> list[Value]:
        """One value a row: a scalar for [n] and [n, 1], else a list shaped like the rest."""
        if self.width == 1:
            return flattened(self.data) if self.nested else self.data
        if self.nested:
            return self.data
        rows = [self.data[at : at + self.width] for at in range(0, len(self.data), self.width)]
        return rows if len(self.shape) == 2 else [_shaped(row, self.shape[1:]) for row in rows]

    def place(self, row: int, column: int | None = None) -> tuple[Token, ...]:
        """The path of a row's value, or of one element of it."""
        if not self.nested:
            return (*self.path, "data", row * self.width + (column or 0))
        if len(self.shape) < 2:
            return (*self.path, "data", row)
        if column is not None:
            return (*self.path, "data", row, column)
        return (*self.path, "data", row, *([0] * (len(self.shape) - 1) if self.width == 1 else []))


def read_tensors(listed: Any, key: str) -> dict[str, Tensor]:
    """The tensors of `inputs` or `outputs` by name, each checked. WireError for anything that does not add up."""
    if type(listed) is not list or not listed:
        raise WireError(WireFault.MALFORMED, f"`{key}` must be a list with at least one tensor", pointer=f"/{key}")
    tensors: dict[str, Tensor] = {}
    for index, item in enumerate(listed):
        tensor = read_tensor(item, (key, index))
        if tensor.name in tensors:
            raise WireError(WireFault.AMBIGUOUS, "two tensors have one name", pointer=shown((key, index, "name")))
        tensors[tensor.name] = tensor
    return tensors


def read_tensor(item: Any, path: tuple[Token, ...]) -> Tensor:
    """One tensor object, its shape, datatype and data agreeing."""
    if type(item) is not dict:
        raise WireError(WireFault.MALFORMED, "a tensor must be an object", pointer=shown(path))
    refuse_lookalikes(item, ("name", "shape", "datatype", "parameters", "data"), path)
    refuse_unread(item.get("parameters"), (*path, "parameters"))
    name, datatype = item.get("name"), item.get("datatype")
    if type(name) is not str or not name:
        raise WireError(WireFault.MALFORMED, "a tensor needs a `name`", pointer=shown((*path, "name")))
    if type(datatype) is not str:
        raise WireError(WireFault.MALFORMED, "a tensor needs a `datatype`", pointer=shown((*path, "datatype")))
    if datatype not in DATATYPES:
        raise WireError(
            WireFault.UNSUPPORTED,
            f"the datatype is none of {', '.join(sorted(DATATYPES))}",
            pointer=shown((*path, "datatype")),
        )
    data = item.get("data")
    if type(data) is not list:
        raise WireError(WireFault.MALFORMED, "a tensor needs `data`, a list", pointer=shown((*path, "data")))
    shape = _read_shape(item.get("shape"), (*path, "shape"))
    nested = bool(data) and type(data[0]) is list
    elements = _flat_checked(data, shape, (*path, "data")) if nested else data
    expected = 1
    for size in shape:
        expected = min(expected * size, 10**15)
    if len(elements) != expected:
        raise WireError(
            WireFault.SHAPE,
            f"the shape asks for {_count(expected)} elements and the data has {len(elements)}",
            pointer=shown((*path, "data")),
        )
    if (wrong := first_contradiction(datatype, elements)) is not None:
        raise WireError(
            WireFault.SHAPE,
            f"element {wrong} is not what the datatype {datatype} holds",
            pointer=shown((*path, "data")),
        )
    width = expected // shape[0] if shape else 1
    return Tensor(path, name, shape, datatype, data, nested and len(shape) > 1, width)


def first_contradiction(datatype: str, elements: Sequence[Value]) -> int | None:
    """The index of the first element that a server would silently turn into another value, or that no cell can be.

    Strings and booleans in a numeric tensor, and nulls, are left to the contract: it sees them as they are. What it
    could not see is a fraction in an integer tensor, a number past the datatype's range, a number among BYTES.
    """
    types = set(map(type, elements))
    if datatype in FLOAT_LIMITS:
        limit = FLOAT_LIMITS[datatype]
        if types <= _NUMBERS:
            if not elements or (max(elements) <= limit and min(elements) >= -limit):
                return None
        elif types <= _SCALARS and not types & _NUMBERS:
            return None
        return next((at for at, value in enumerate(elements) if not _is_within(value, -limit, limit)), None)
    if datatype == "BYTES":
        return None if types <= _TEXTS else next(at for at, value in enumerate(elements) if type(value) not in _TEXTS)
    low, high = INTEGER_RANGES[datatype]
    if types == {int} and min(elements) >= low and max(elements) <= high:
        return None
    return next((at for at, value in enumerate(elements) if not _is_whole_within(value, low, high)), None)


def refuse_unread(parameters: Any, path: tuple[Token, ...]) -> None:
    """WireError UNSUPPORTED when parameters say that the data is not the JSON we see."""
    if parameters is None:
        return
    if type(parameters) is not dict:
        raise WireError(WireFault.MALFORMED, "`parameters` must be an object", pointer=shown(path))
    for name in parameters:
        if name in _ELSEWHERE:
            raise WireError(
                WireFault.UNSUPPORTED, "tensor data outside the JSON is not looked into", pointer=shown((*path, name))
            )
    if parameters.get("content_type") == UNREAD_CONTENT_TYPE:
        raise WireError(
            WireFault.UNSUPPORTED, "base64 content is not looked into", pointer=shown((*path, "content_type"))
        )


def flattened(data: Sequence[Value]) -> list[Value]:
    """The elements of a fully nested list."""
    flat = list(data)
    while flat and type(flat[0]) is list:
        flat = [element for part in flat for element in part]
    return flat


def datatype_of(values: Sequence[Value]) -> str:
    """The datatype for values that a policy gives: BOOL, INT64, FP64 or BYTES; nulls count for nothing."""
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return "BOOL"
    if types == {int} and first_contradiction("INT64", values) is None:
        return "INT64"
    return "FP64" if types <= _NUMBERS else "BYTES"


_NUMBERS: Final = frozenset({int, float})
_TEXTS: Final = frozenset({str, type(None)})
_SCALARS: Final = frozenset({int, float, str, bool, type(None)})


def _read_shape(shape: Any, path: tuple[Token, ...]) -> tuple[int, ...]:
    if type(shape) is not list:
        raise WireError(WireFault.MALFORMED, "a tensor needs a `shape`, a list of whole numbers", pointer=shown(path))
    for index, size in enumerate(shape):
        if type(size) is not int or size < 1:
            raise WireError(
                WireFault.SHAPE, "each dimension must be a whole number of at least 1", pointer=shown((*path, index))
            )
    return tuple(shape)


def _flat_checked(data: list[Value], shape: tuple[int, ...], path: tuple[Token, ...]) -> list[Value]:
    """The elements of nested data, every level as long as its dimension says."""
    level: list[Value] = [data]
    for dimension, size in enumerate(shape):
        if any(type(part) is not list or len(part) != size for part in level):
            raise WireError(
                WireFault.SHAPE,
                f"the nested data does not follow dimension {dimension} of the shape",
                pointer=shown(path),
            )
        level = [element for part in level for element in part]
    return level


def _shaped(flat: list[Value], shape: tuple[int, ...]) -> list[Value]:
    for size in reversed(shape[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat


def _is_within(value: Value, low: float, high: float) -> bool:
    return low <= value <= high if type(value) in _NUMBERS else type(value) in _SCALARS


def _is_whole_within(value: Value, low: int, high: int) -> bool:
    if type(value) in _NUMBERS:
        return bool(low <= value <= high) and value == int(value)
    return type(value) in _SCALARS


def _count(number: int) -> str:
    return str(number) if number < 10**15 else "at least 10^15"
