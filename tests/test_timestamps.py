"""RFC 3339 and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.timestamps import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        # RFC 3339 §5.8, the five examples
        ("1985-04-12T23:20:50.52Z", 482196050.52),
        ("1996-12-19T16:39:57-08:00", 851042397.0),
        ("1990-12-31T23:59:60Z", 662688000.0),
        ("1990-12-31T15:59:60-08:00", 662688000.0),
        ("1937-01-01T12:00:27.87+00:20", -1041337172.13),
        ("1970-01-01t00:00:00z", 0.0),
        ("1970-01-01 00:00:00.123456789Z", 0.123456),
        ("0001-01-01T00:00:00+00:01", -62135596860.0),
    ],
)
def test_timestamps_with_a_zone_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00Z\n",
        "٢٠٢٦-01-31T12:00:00Z",
    ],
)
def test_everything_else_is_not_a_timestamp(text: str) -> None:
    assert seconds_of(text) is None


@settings(max_examples=100, deadline=None)
@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_every_moment_is_read_back(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    seconds = (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert seconds_of(aware.isoformat()) == pytest.approx(seconds, abs=1e-4)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"))
def test_no_text_raises(text: str) -> None:
    assert isinstance(seconds_of(text), float | None)
