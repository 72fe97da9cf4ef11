"""Numbers with and without units: what is read, what is refused with which sentence; spelling goes both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.yamldoc import Unit
from sidecar.yamldoc.scalars import MAX_INTEGER, amount, integer, number, spell


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("250ms", Unit.DURATION, 0.25),
        ("30s", Unit.DURATION, 30.0),
        ("5m", Unit.DURATION, 300.0),
        ("48h", Unit.DURATION, 172800.0),
        ("30d", Unit.DURATION, 2592000.0),
        ("1.5 s", Unit.DURATION, 1.5),
        ("0", Unit.DURATION, 0.0),
        ("1GiB", Unit.SIZE, 2**30),
        ("64MiB", Unit.SIZE, 64 * 2**20),
        ("500kB", Unit.SIZE, 500_000),
        ("1024", Unit.SIZE, 1024),
        ("1.5KiB", Unit.SIZE, 1536),
        ("5%", Unit.SHARE, 0.05),
        ("0.05", Unit.SHARE, 0.05),
        ("0.1%", Unit.SHARE, 0.001),
        ("100%", Unit.SHARE, 1.0),
        ("1", Unit.SHARE, 1.0),
        (".5", Unit.SHARE, 0.5),
    ],
)
def test_amounts_are_read_in_their_base_unit(text: str, unit: Unit, value: float) -> None:
    assert amount(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "says"),
    [
        ("30", Unit.DURATION, "30s"),
        ("12:30:00", Unit.DURATION, "duration"),
        ("-5s", Unit.DURATION, "duration"),
        ("30 seconds", Unit.DURATION, "us, ms, s, m, h, d"),
        ("1e3s", Unit.DURATION, "duration"),
        ("1Gi", Unit.SIZE, "GiB"),
        ("1.0000001KiB", Unit.SIZE, "whole bytes"),
        ("99999999TiB", Unit.SIZE, "64 bits"),
        ("5", Unit.SHARE, "5%"),
        ("101%", Unit.SHARE, "100%"),
        ("half", Unit.SHARE, "5%"),
        (".5e5", Unit.SHARE, "5%"),
        ("1e-2", Unit.SHARE, "5%"),
        ("5s", Unit.SHARE, "5%"),
        ("9" * 5000, Unit.SHARE, "share"),
        ("", Unit.SIZE, "size"),
    ],
)
def test_other_amounts_are_refused_with_a_sentence(text: str, unit: Unit, says: str) -> None:
    with pytest.raises(ValueError, match="expects") as refused:
        amount(text, unit)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "text", ["0123", "017", "1e5", "1_000", "0x10", "0b1", "1.0", "", "+", "٣", "9" * 30, "true", " 1"]
)
def test_a_whole_number_is_digits(text: str) -> None:
    with pytest.raises(ValueError, match="expects"):
        integer(text)


@pytest.mark.parametrize(
    "text", ["", ".", "-", "e5", "E0", ".e5", "1e", "007.5", "inf", ".inf", "nan", "1e400", "12:30", "٣", "1_0"]
)
def test_a_number_is_finite_and_decimal(text: str) -> None:
    with pytest.raises(ValueError, match="expects"):
        number(text)


def test_numbers() -> None:
    assert [number(text) for text in ("5", "-0.5", ".5", "5.", "1e5", "1E-3")] == [5.0, -0.5, 0.5, 5.0, 1e5, 1e-3]
    assert [integer(text) for text in ("0", "-5", "+7", str(MAX_INTEGER))] == [0, -5, 7, MAX_INTEGER]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.25, Unit.DURATION, "250ms"),
        (0.001, Unit.DURATION, "1ms"),
        (90.0, Unit.DURATION, "90s"),
        (172800.0, Unit.DURATION, "2d"),
        (0.0, Unit.DURATION, "0s"),
        (2**30, Unit.SIZE, "1GiB"),
        (0, Unit.SIZE, "0"),
        (1000, Unit.SIZE, "1000"),
        (0.05, Unit.SHARE, "5%"),
        (0.001, Unit.SHARE, "0.1%"),
        (1e-9, Unit.SHARE, "0.000000001"),
        (1 / 3, Unit.SHARE, "0.3333333333333333"),
    ],
)
def test_amounts_are_spelled_as_people_would(value: float, unit: Unit, text: str) -> None:
    assert spell(value, unit) == text


@settings(deadline=None, max_examples=200)
@given(st.floats(min_value=1e-6, max_value=1e9), st.floats(min_value=1e-20, max_value=1.0), st.integers(0, MAX_INTEGER))
def test_spelling_reads_back_exactly(seconds: float, share: float, size: int) -> None:
    assert amount(spell(share, Unit.SHARE), Unit.SHARE) == share
    assert amount(spell(size, Unit.SIZE), Unit.SIZE) == size
    assert amount(spell(seconds, Unit.DURATION), Unit.DURATION) == seconds


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=12) | st.from_regex(r"[-+0-9.eE%smhdkMGiB ]{1,12}", fullmatch=True))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for read in (integer, number, *(lambda t, unit=unit: amount(t, unit) for unit in Unit)):
        try:
            read(text)
        except ValueError as error:
            assert str(error).startswith("expects")
