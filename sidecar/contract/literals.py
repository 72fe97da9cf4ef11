"""Scalars of a policy typed by the feature they belong to: `Plain` → value. Never a silent change of meaning."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Final

from ..rows import Value
from ..timestamps import seconds_of
from ..yamldoc import Plain
from .kinds import NUMERIC, Kind, Scalar

# RFC 8259 section 6.
WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_EXACT: Final = 2**53
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_NAN: Final = frozenset({"NaN", "nan", ".nan", ".NaN", ".NAN"})
_INFINITIES: Final = {
    sign + spelling: float(f"{sign}inf") for sign in ("", "-") for spelling in ("Infinity", "inf", ".inf", ".Inf")
}


def number(plain: Plain) -> int | float:
    """A finite number, ints exact. ValueError with a sentence."""
    if plain.items is not None:
        raise ValueError("must be one number, not a list")
    if plain.quoted:
        raise ValueError("must be a number; remove the quotes")
    if WHOLE.fullmatch(plain.text):
        return int(plain.text)
    if not NUMBER.fullmatch(plain.text):
        raise ValueError("must be a number, written like 12, -0.5 or 1e6")
    value = float(plain.text)
    if not math.isfinite(value):
        raise ValueError("must be a number that a double can hold")
    return value


def read(plain: Plain, kind: Kind) -> Value:
    """The value a policy means, as a JSON body would hold it. ValueError with a sentence."""
    if kind.shape:
        return _read_list(plain, kind, 0)
    if plain.items is not None and kind.scalar is not Scalar.JSON:
        raise ValueError(f"must be {kind.sentence}, not a list")
    return _READERS[kind.scalar](plain)


def _read_list(plain: Plain, kind: Kind, depth: int) -> Value:
    if depth == len(kind.shape):
        return read(plain, Kind(kind.scalar))
    if plain.items is None:
        raise ValueError(f"must be {kind.sentence}")
    size = kind.shape[depth]
    if size is not None and len(plain.items) != size:
        raise ValueError(f"must be {kind.sentence}; this list has {len(plain.items)} items")
    return [_read_list(item, kind, depth + 1) for item in plain.items]


def _read_int(plain: Plain) -> Value:
    value = number(plain)
    if value.__class__ is not int:
        raise ValueError("must be a whole number, written without a point")
    return value


def _read_float(plain: Plain) -> Value:
    value = number(plain)
    return float(value) if -_EXACT <= value <= _EXACT else value


def _read_bool(plain: Plain) -> Value:
    if plain.quoted or plain.text not in ("true", "false"):
        raise ValueError("must be true or false")
    return plain.text == "true"


def _read_text(plain: Plain) -> Value:
    return plain.text


def _read_timestamp(plain: Plain) -> Value:
    if seconds_of(plain.text) is None:
        raise ValueError("must be an RFC 3339 timestamp with a zone, like 2026-01-31T12:00:00Z")
    return plain.text


def _read_json_literal(plain: Plain) -> Value:
    """Unquoted true, false and plain decimal numbers are what JSON says; all else (no, 1e5, 0123) is text."""
    if plain.items is not None:
        return [_read_json_literal(item) for item in plain.items]
    if plain.quoted:
        return plain.text
    if plain.text in ("true", "false"):
        return plain.text == "true"
    if WHOLE.fullmatch(plain.text):
        return int(plain.text)
    return float(plain.text) if _DECIMAL.fullmatch(plain.text) else plain.text


_READERS: Final[dict[Scalar, Callable[[Plain], Value]]] = {
    Scalar.INT: _read_int,
    Scalar.FLOAT: _read_float,
    Scalar.BOOL: _read_bool,
    Scalar.STRING: _read_text,
    Scalar.CATEGORY: _read_json_literal,
    Scalar.TIMESTAMP: _read_timestamp,
    Scalar.BYTES: _read_text,
    Scalar.JSON: _read_json_literal,
}


def read_sentinel(plain: Plain, kind: Kind) -> Value:
    """One of `missing_values`: of the feature's type, or text ("N/A" among numbers), or NaN and infinities."""
    if plain.items is not None:
        raise ValueError("must be single values")
    if kind.scalar in NUMERIC and not plain.quoted:
        if plain.text in _NAN:
            return math.nan
        if plain.text in _INFINITIES:
            return _INFINITIES[plain.text]
        return number(plain) if NUMBER.fullmatch(plain.text) else plain.text
    if kind.scalar in (Scalar.CATEGORY, Scalar.JSON, Scalar.BOOL):
        return _read_json_literal(plain)
    return plain.text


class ValueSet:
    """A set of JSON scalars in which true is not 1 and 1.0 is 1; NaN can be a member."""

    __slots__ = ("bools", "nan", "numbers", "texts")

    def __init__(self, values: Iterable[Value]) -> None:
        members = list(values)
        self.texts = frozenset(value for value in members if value.__class__ is str)
        self.bools = frozenset(value for value in members if value.__class__ is bool)
        numbers = [value for value in members if value.__class__ is int or value.__class__ is float]
        self.nan = any(value != value for value in numbers)
        self.numbers = frozenset(value for value in numbers if value == value)

    def __contains__(self, value: Value) -> bool:
        kind = value.__class__
        if kind is str:
            return value in self.texts
        if kind is bool:
            return value in self.bools
        if kind is int or kind is float:
            return value in self.numbers or (self.nan and value != value)
        return False

    def __bool__(self) -> bool:
        return bool(self.texts or self.bools or self.numbers or self.nan)

    def __len__(self) -> int:
        return len(self.texts) + len(self.bools) + len(self.numbers) + self.nan
