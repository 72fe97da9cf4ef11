"""Scalars of a test file as a JSON body would hold them, and the short spelling of values over time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..contract.literals import NUMBER, WHOLE
from ..rows import Value
from ..yamldoc import Plain

_WORDS: Final[dict[str, Value]] = {
    "true": True, "false": False, "null": None, "~": None,
    "NaN": math.nan, ".nan": math.nan, "Infinity": math.inf, "-Infinity": -math.inf,
}  # fmt: skip
_TIMES: Final = re.compile(r"(?P<value>.*?)\s*x\s*(?P<count>[1-9][0-9]*)", re.DOTALL)
MOST_ROWS: Final = 100_000


def value_of(plain: Plain) -> Value:
    """What a body would hold: unquoted JSON scalars (and ~, NaN) are these, all else is text."""
    if plain.items is not None:
        return [value_of(item) for item in plain.items]
    return plain.text if plain.quoted else scalar_of(plain.text)


def scalar_of(text: str) -> Value:
    """One unquoted scalar. `0123`, `1_000` and `no` are text, as they are in JSON: not at all."""
    if text in _WORDS:
        return _WORDS[text]
    if WHOLE.fullmatch(text):
        return int(text)
    return float(text) if NUMBER.fullmatch(text) else text


def row_of(plains: Mapping[str, Plain]) -> dict[str, Value]:
    """A row, or part of one."""
    return {name: value_of(plain) for name, plain in plains.items()}


def series_of(plains: Mapping[str, Plain]) -> dict[str, list[Value]]:
    """Feature → its values over time, all of one length. ValueError with a sentence.

    A text `VALUE x COUNT` is COUNT times the value; the value may be a JSON string (`"001" x 3`). A list is its items
    one after the other. A single value without a count lasts as long as the others.
    """
    if not plains:
        raise ValueError("`series` has no feature")
    found = {name: _expanded(plain) for name, plain in plains.items()}
    lengths = {name: len(values) for name, values in found.items() if len(values) != 1}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"the features of a series disagree about its length: {told}")
    length = next(iter(lengths.values()), 1)
    if length == 0:
        raise ValueError("a series needs at least one row")
    if length > MOST_ROWS:
        raise ValueError(f"a series may have {MOST_ROWS} rows, not {length}")
    return {name: values * length if len(values) == 1 else values for name, values in found.items()}


def _expanded(plain: Plain) -> list[Value]:
    parts: Sequence[Plain] = (plain,) if plain.items is None else plain.items
    values: list[Value] = []
    for part in parts:
        if part.items is not None:
            values.append(value_of(part))
            continue
        match = _TIMES.fullmatch(part.text)
        if match is None:
            values.append(value_of(part))
            continue
        count = int(match["count"]) if len(match["count"]) < 10 else MOST_ROWS + 1
        if len(values) + count > MOST_ROWS:
            raise ValueError(f"a series may have {MOST_ROWS} rows")
        values += [_repeated(match["value"])] * count
    return values


def _repeated(text: str) -> Value:
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return scalar_of(text)


def same(expected: Value, actual: Value) -> bool:
    """Equal as JSON: 1 is 1.0, true is no number, NaN is NaN."""
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    numbers = (int, float)
    if expected.__class__ in numbers and actual.__class__ in numbers:
        return bool(expected == actual) or (expected != expected and actual != actual)
    return expected.__class__ is actual.__class__ and bool(expected == actual)


def shown(value: Any) -> str:
    """A value as a test file would spell it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in value.items()) + "}"
    if isinstance(value, str):
        return value if scalar_of(value) == value and _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    if value is None:
        return "~"
    return json.dumps(value) if isinstance(value, bool | int | float) else repr(value)


_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/-]*")
