"""What one text looks like, and which names sound personal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.patterns import matcher
from sidecar.inference.texts import Look, look_at, pattern_of, sounds_like_key, sounds_personal


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("", Look.EMPTY),
        ("42", Look.WHOLE),
        ("-7", Look.WHOLE),
        ("1.0", Look.REAL),
        (".5", Look.REAL),
        ("1e5", Look.REAL),
        ("1e999", Look.WORDS),
        ("0x1F", Look.WORDS),
        ("1_000", Look.WORDS),
        ("٣", Look.WORDS),
        ("001", Look.LED),
        ("True", Look.TRUTH),
        ("yes", Look.WORDS),
        ("N/A", Look.NOTHING),
        ("2026-01-31T12:00:00Z", Look.STAMP),
        ("2026-13-31T12:00:00Z", Look.WORDS),
        ("2026-01-31", Look.DATE),
        ("31/01/2026", Look.DATE),
        ("2026-01-31 12:00:00", Look.DATE),
        ("9d2b8c1e-6f3a-4b7d-8e5f-0a1b2c3d4e5f", Look.UUID),
        ("ada@example.org", Look.EMAIL),
        ("+49 30 123456", Look.PHONE),
        ("DE89370400440532013000", Look.IBAN),
        ("123-45-6789", Look.SSN),
        ("4111 1111 1111 1111", Look.CARD),
        ("4111 1111 1111 1112", Look.WORDS),
        ("10.0.0.1", Look.ADDRESS),
        ("3,14", Look.COMMA),
        ("0,100", Look.COMMA),
        ("1234,567", Look.COMMA),
        ("1,100", Look.EITHER),
        ("-1,234,567", Look.GROUPED),
        ("1,234.5", Look.GROUPED),
        ("1,1000", Look.COMMA),
        ("1,10,100", Look.WORDS),
        ("1/1/2024 10:00", Look.DATE),
        ("12/31/2024 9:05:30 PM", Look.DATE),
        ("31.12.2024 23:59", Look.DATE),
        ("1/1/2024 noon", Look.WORDS),
        ("hash:" + "0f" * 16, Look.HIDDEN),
    ],
)
def test_looks(text: str, look: Look) -> None:
    assert look_at(text).look is look


@given(st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_they_were_written(number: float) -> None:
    seen = look_at(str(number))
    assert seen.look in (Look.WHOLE, Look.REAL, Look.CARD)
    assert seen.look is Look.CARD or seen.number == number


@given(
    st.from_regex(
        r"[0-9]{1,4}[-/. ]([0-9]{1,2}|[A-Z][a-z]{2})[-/. ][0-9]{1,4}( [0-9]{1,2}:[0-9]{2}( ?[AaPp]M)?)?", fullmatch=True
    )
)
def test_what_is_a_date_matches_the_pattern_of_its_format(text: str) -> None:
    seen = look_at(text)
    if seen.look is Look.DATE:
        assert matcher(pattern_of(seen.form))(text)
        assert re.search(rf"{seen.year:04d}", text)


@pytest.mark.parametrize("name", ["email", "customerEmail", "E-Mail", "home_phone", "SSN", "birthDate", "first name"])
def test_personal_names(name: str) -> None:
    assert sounds_personal(name)


@pytest.mark.parametrize("name", ["age", "emails_sent", "phonetics", "mean radius", "cellular", "country", "x" * 999])
def test_other_names(name: str) -> None:
    assert not sounds_personal(name)


def test_names_of_keys() -> None:
    assert [name for name in ("id", "customerId", "order_no", "idle", "valid") if sounds_like_key(name)] == [
        "id",
        "customerId",
        "order_no",
    ]
