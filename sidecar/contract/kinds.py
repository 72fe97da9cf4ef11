"""The types of values: `type:` text → `Kind`, and the lossless coercion of one wire value to it.

Lossless only: 42.0 is the int 42, 42 is a float; a bool is never a number; a numeric string is never a number.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from ..rows import Value
from ..timestamps import seconds_of
from ..yamldoc import nearest
from .formats import FORMATS


class Scalar(StrEnum):
    """What one value, or one element of a vector, is."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STRING = "string"
    CATEGORY = "category"
    TIMESTAMP = "timestamp"
    BYTES = "bytes"
    JSON = "json"


SCALARS: Final = tuple(scalar.value for scalar in Scalar)
VECTOR: Final = r"(?:int|float|bool|string|category) ?\[[0-9, ]*\]"  # what `parse_kind` takes beside them
NUMERIC: Final = frozenset({Scalar.INT, Scalar.FLOAT})

_ARTICLES: Final[dict[Scalar, str]] = {
    Scalar.INT: "a whole number",
    Scalar.FLOAT: "a number",
    Scalar.BOOL: "true or false",
    Scalar.STRING: "a string",
    Scalar.CATEGORY: "one of the allowed values",
    Scalar.TIMESTAMP: "an RFC 3339 timestamp with a zone",
    Scalar.BYTES: "bytes",
    Scalar.JSON: "a JSON value",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A scalar, or a vector of it: `shape` () is one value, None in it a free dimension."""

    scalar: Scalar
    shape: tuple[int | None, ...] = ()

    @property
    def sentence(self) -> str:
        """What a value must be, for messages."""
        if not self.shape:
            return _ARTICLES[self.scalar]
        dimensions = " × ".join("any number" if size is None else str(size) for size in self.shape)
        return f"a list of {dimensions} {self.scalar} values"


def parse_kind(text: str) -> Kind:
    """`float[2,3]` → Kind. ValueError with a sentence, and the nearest name where one is near."""
    name, bracket, rest = text.strip().partition("[")
    try:
        scalar = Scalar(name.strip())
    except ValueError:
        if name.strip().lower() in FORMATS:
            message = f"there is no type `{text}`; write `type: string, format: {name.strip().lower()}`"
            raise ValueError(message) from None
        near = nearest(name.strip(), [*Scalar, *_ALIASES])
        hint = f"; did you mean `{_ALIASES.get(near, near)}`?" if near else f"; types are {', '.join(Scalar)}"
        raise ValueError(f"there is no type `{text}`{hint}") from None
    if not bracket:
        return Kind(scalar)
    if not rest.endswith("]"):
        raise ValueError(f"`{text}` has no closing bracket; write `{scalar}[64]`, `{scalar}[]` or `{scalar}[2,3]`")
    if scalar in (Scalar.JSON, Scalar.BYTES, Scalar.TIMESTAMP):
        raise ValueError(f"there are no vectors of {scalar}; use `json` for lists of anything")
    shape: list[int | None] = []
    for size in rest[:-1].split(","):
        digits = size.strip()
        if not digits:
            shape.append(None)
        elif digits.isascii() and digits.isdigit() and len(digits) < 10:
            shape.append(int(digits))
        else:
            raise ValueError(f"`{text}`: a dimension is a whole number, or empty for any length")
    if len(shape) > 8:
        raise ValueError(f"`{text}` has more than 8 dimensions")
    return Kind(scalar, tuple(shape))


_ALIASES: Final[dict[str, str]] = {
    "integer": "int", "long": "int", "number": "float", "double": "float", "real": "float", "boolean": "bool",
    "str": "string", "text": "string", "enum": "category", "categorical": "category", "datetime": "timestamp",
    "object": "json", "any": "json", "binary": "bytes", "vector": "float[]",
}  # fmt: skip


class Bad(Enum):
    """Why a value is not of its type; the value is the name of the check."""

    TYPE = "type"
    SHAPE = "shape"
    FINITE = "finite"


_EXACT: Final = 2**53

Coerce: TypeAlias = Callable[[Value], "Value | Bad"]


def _int(value: Value) -> Value | Bad:
    if value.__class__ is int:
        return value
    if value.__class__ is float:
        if value.is_integer():
            # Beyond 2^53 a double stands for many whole numbers: take the decimal as written.
            return int(value) if -_EXACT <= value <= _EXACT else int(Decimal(repr(value)))
        return Bad.TYPE if math.isfinite(value) else Bad.FINITE
    return Bad.TYPE


def _float(value: Value) -> Value | Bad:
    if value.__class__ is float or value.__class__ is int:
        return value
    return Bad.TYPE


def _bool(value: Value) -> Value | Bad:
    return value if value.__class__ is bool else Bad.TYPE


def _string(value: Value) -> Value | Bad:
    return value if value.__class__ is str else Bad.TYPE


def _category(value: Value) -> Value | Bad:
    return value if value.__class__ in (str, int, float, bool) else Bad.TYPE


def _timestamp(value: Value) -> Value | Bad:
    seconds = seconds_of(value) if value.__class__ is str else None
    return Bad.TYPE if seconds is None else seconds


def _bytes(value: Value) -> Value | Bad:
    if value.__class__ is bytes:
        return value
    return value.encode(errors="surrogatepass") if value.__class__ is str else Bad.TYPE


def _json(value: Value) -> Value | Bad:
    return value


COERCE: Final[dict[Scalar, Coerce]] = {
    Scalar.INT: _int,
    Scalar.FLOAT: _float,
    Scalar.BOOL: _bool,
    Scalar.STRING: _string,
    Scalar.CATEGORY: _category,
    Scalar.TIMESTAMP: _timestamp,
    Scalar.BYTES: _bytes,
    Scalar.JSON: _json,
}


_CLASSES: Final[dict[Scalar, set[type]]] = {
    Scalar.FLOAT: {float, int},
    Scalar.INT: {int},
    Scalar.STRING: {str},
    Scalar.BOOL: {bool},
}


def vector_coerce(kind: Kind) -> Coerce:
    """A function from a nested list to its flat list of coerced elements, in row-major order."""
    element, shape = COERCE[kind.scalar], kind.shape
    plain = _CLASSES.get(kind.scalar)

    def coerce(value: Value) -> Value | Bad:
        if value.__class__ is not list:
            return Bad.TYPE
        flat = value
        for depth, size in enumerate(shape):
            if depth:  # open one level of every list, all of one length (a ragged list has no shape)
                if not all(item.__class__ is list for item in flat):
                    return Bad.SHAPE
                length = len(flat[0]) if flat else 0
                if any(len(item) != length for item in flat) or (size is not None and flat and length != size):
                    return Bad.SHAPE
                flat = [inner for item in flat for inner in item]
            elif size is not None and len(flat) != size:
                return Bad.SHAPE
        classes = set(map(type, flat))
        if plain is not None and classes <= plain:
            return flat
        if list in classes:
            return Bad.SHAPE
        coerced = [element(item) for item in flat]
        if Bad.TYPE in coerced:
            return Bad.TYPE
        return Bad.FINITE if Bad.FINITE in coerced else coerced

    return coerce


def is_finite(value: Value) -> bool:
    """Whether a number is one that a double can hold: not NaN, not infinite, not an int beyond the range of doubles."""
    if value.__class__ is int:
        return -_LARGEST <= value <= _LARGEST
    return math.isfinite(value)


def all_finite(values: list[Value]) -> bool:
    """`is_finite` of every element; one addition per element where all is well (NaN and infinities survive a sum)."""
    if set(map(type, values)) == {float} and math.isfinite(sum(values)):
        return True
    return all(map(is_finite, values))


_LARGEST: Final = int(sys.float_info.max)


def parse_text(text: str, scalar: Scalar) -> Value:
    """A header's text as a value of the declared type; the text itself where it is not one (the type check says so)."""
    if scalar in NUMERIC or scalar is Scalar.BOOL:
        try:
            value = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return text
        return value if isinstance(value, int | float) else text
    return text


def _refuse(constant: str) -> Value:
    raise ValueError(constant)
