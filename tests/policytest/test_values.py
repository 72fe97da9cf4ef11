"""Values of a test file are those of a JSON body; series are values over time."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policytest.values import row_of, same, series_of, shown
from sidecar.yamldoc import Plain


def plain(text: str, *, quoted: bool = False) -> Plain:
    return Plain(text, quoted)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("41", 41), ("-3", -3), ("1.5", 1.5), ("1e5", 1e5), ("true", True), ("false", False), ("~", None),
        ("null", None), ("no", "no"), ("007", "007"), ("1_000", "1_000"), ("0x10", "0x10"), ("employed", "employed"),
        ("2026-01-01", "2026-01-01"), ("Infinity", math.inf), ("-Infinity", -math.inf), ("+1", "+1"), ("True", "True"),
    ],
)  # fmt: skip
def test_unquoted_is_what_json_says(text: str, value: Any) -> None:
    (found,) = row_of({"x": plain(text)}).values()
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["41", "true", "~", "null", ""])
def test_quoted_is_text(text: str) -> None:
    assert row_of({"x": plain(text, quoted=True)}) == {"x": text}


def test_nan_is_a_value_and_itself() -> None:
    value = row_of({"x": plain("NaN")})["x"]
    assert math.isnan(value)
    assert same(value, math.nan)


def items(*texts: str) -> Plain:
    return Plain(items=tuple(plain(text) for text in texts))


@pytest.mark.parametrize(
    ("spelled", "values"),
    [
        (plain("52000x3"), [52000] * 3),
        (plain("52000 x 3"), [52000] * 3),
        (plain("~x2"), [None] * 2),
        (plain('"001" x 2'), ["001"] * 2),
        (plain("employed x 2"), ["employed"] * 2),
        (plain("0x10 x 2"), ["0x10"] * 2),
        (items("1", "2x2", "~"), [1, 2, 2, None]),
        (plain("box"), ["box"]),
    ],
)
def test_values_over_time(spelled: Plain, values: list[Any]) -> None:
    assert series_of({"x": spelled}) == {"x": values}


def test_a_vector_is_one_value() -> None:
    assert series_of({"x": Plain(items=(items("1", "2"), items("3", "4")))}) == {"x": [[1, 2], [3, 4]]}


def test_a_single_value_lasts() -> None:
    assert series_of({"x": plain("1x3"), "y": plain("a")}) == {"x": [1] * 3, "y": ["a"] * 3}


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ({}, "no feature"),
        ({"x": plain("1x3"), "y": plain("1x4")}, "x has 3, y has 4"),
        ({"x": Plain(items=())}, "at least one row"),
        ({"x": plain("1x100001")}, "may have 100000 rows"),
        ({"x": plain("1x" + "9" * 50)}, "may have 100000 rows"),
        ({"x": items("1x60000", "1x60000")}, "may have 100000 rows"),
    ],
)
def test_a_series_that_is_none(series: dict[str, Plain], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        series_of(series)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True), (1, True, False), (0, False, False), ("1", 1, False), ([1, 2.0], [1.0, 2], True),
        ([1], [1, 2], False), (None, None, True), (None, 0, False), ("a", "a", True),
    ],
)  # fmt: skip
def test_equal_as_json(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(VALUES)
def test_what_is_shown_could_be_written(value: Any) -> None:
    text = shown(value)
    quoted = text.startswith('"')
    written = plain(text) if not quoted else None
    if written is not None:
        assert same(row_of({"x": written})["x"], value)
    else:
        assert isinstance(value, str)
