"""So many a day, spread over it."""

from __future__ import annotations

import pytest

from sidecar.shadow import Budget

DAY = 86_400.0
MIDNIGHT = 20_000 * DAY


def spent(budget: Budget, per_day: float, start: float, seconds: float, every: float) -> int:
    return sum(budget.take(per_day, start + step * every) for step in range(int(seconds / every)))


def test_a_day_of_steady_traffic_spends_the_budget_and_no_more() -> None:
    assert 950 <= spent(Budget(), 1000, MIDNIGHT, DAY, 10) <= 1000


@pytest.mark.parametrize("hour", [0, 9, 23])
def test_an_hour_spends_about_a_twenty_fourth_whenever_it_begins(hour: int) -> None:
    assert 100 <= spent(Budget(), 2400, MIDNIGHT + hour * 3600, 3600, 1) <= 100 + 26


def test_a_quiet_morning_is_not_made_up_for_at_once() -> None:
    budget = Budget()
    assert budget.take(960, MIDNIGHT)
    assert spent(budget, 960, MIDNIGHT + DAY / 2, 1, 0.001) <= 11


def test_a_clock_that_runs_backwards_gives_nothing() -> None:
    budget = Budget()
    while budget.take(96, MIDNIGHT):
        pass
    assert not any(budget.take(96, MIDNIGHT - step) for step in range(1000))


def test_less_than_one_a_day_is_one() -> None:
    budget = Budget()
    assert budget.take(0.2, MIDNIGHT) and not budget.take(0.2, MIDNIGHT)
