"""What one value is, beside the standard library's own answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sidecar.expression.scalars import is_weekday, weekday, year, year_of

EPOCH = date(1970, 1, 1)


def test_the_year_at_every_turn_of_a_year_and_of_a_leap_day() -> None:
    """The calendar's arithmetic has its edges there: February ends, centuries without a leap day, eras of 400 years."""
    for number in range(1, 10_000):
        for turn in (date(number, 1, 1), date(number, 3, 1), date(number, 12, 31)):
            for day in (turn - timedelta(days=1), turn) if turn > date.min else (turn,):
                days = (day - EPOCH).days
                assert year_of(days) == day.year, day
                assert is_weekday(days) == (day.weekday() < 5), day


@given(st.datetimes(timezones=st.just(UTC)))
def test_of_a_moment(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert year(whole.timestamp()) == whole.year
    assert weekday(whole.timestamp()) == (whole.weekday() < 5)
