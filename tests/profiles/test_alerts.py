"""A limit is passed by being above it, in a window with enough rows."""

from __future__ import annotations

import pytest

from sidecar.profiles import Limits, Profile, alerts, standing

HOUR = 3600.0


def filled(rows: int, *, nulls: int = 0, unseen: int = 0, repaired: int = 0, every: float = 1.0) -> Profile:
    profile = Profile(HOUR)
    for row in range(rows):
        profile.add(
            "x", row % 7, at_seconds=row * every, null=row < nulls, unseen=row < unseen, repaired=row < repaired
        )
    return profile


@pytest.mark.parametrize(
    ("profile", "limits", "code"),
    [
        (filled(100, nulls=3), Limits(null_rate=0.02), "x.null_rate"),
        (filled(100, unseen=3), Limits(unseen_category_rate=0.02), "x.unseen_category_rate"),
        (filled(100, repaired=3), Limits(repair_alert_above=0.02), "x.repairs"),
    ],
)
def test_a_share_above_its_limit(profile: Profile, limits: Limits, code: str) -> None:
    (alert,) = alerts(profile, {"x": limits}, min_rows=100)
    assert (alert.code, alert.seen, alert.limit, alert.rows) == (code, 0.03, 0.02, 100)
    assert (alert.from_seconds, alert.to_seconds) == (0.0, HOUR)
    assert alerts(profile, {"x": limits}, min_rows=101) == ()


def test_at_the_limit_is_not_above_it() -> None:
    assert alerts(filled(100, nulls=2), {"x": Limits(null_rate=0.02)}, min_rows=1) == ()


def test_windows_are_judged_one_by_one() -> None:
    """Two nulls in the first hour's 60 rows; none in the second's."""
    found = alerts(filled(120, nulls=2, every=60.0), {"x": Limits(null_rate=0.02)}, min_rows=60)
    assert [(alert.from_seconds, alert.seen) for alert in found] == [(0.0, 2 / 60)]


def test_one_value_for_too_long_is_frozen() -> None:
    profile = Profile(HOUR)
    for minute in range(181):
        profile.add("x", 52000, at_seconds=minute * 60.0)
    (alert,) = alerts(profile, {"x": Limits(frozen_after=3 * HOUR)}, min_rows=100)
    assert (alert.code, alert.seen, alert.rows) == ("x.frozen", 3 * HOUR, 181)
    profile.add("x", 52001, at_seconds=181 * 60.0)
    assert alerts(profile, {"x": Limits(frozen_after=3 * HOUR)}, min_rows=1) == ()


def test_a_few_rows_are_not_frozen() -> None:
    profile = Profile(HOUR)
    profile.add("x", 1, at_seconds=0.0)
    profile.add("x", 1, at_seconds=4 * HOUR)
    assert alerts(profile, {"x": Limits(frozen_after=3 * HOUR)}, min_rows=3) == ()
    assert alerts(profile, {"x": Limits(frozen_after=3 * HOUR)}, min_rows=2)


def test_nothing_is_watched_without_limits() -> None:
    assert not Limits().any
    assert Limits(null_rate=0.0).any
    assert alerts(filled(10, nulls=10), {"x": Limits()}, min_rows=1) == ()
    assert alerts(filled(10, nulls=10), {"y": Limits(null_rate=0.0)}, min_rows=1) == ()


def test_the_newest_window_that_speaks_decides() -> None:
    """An hour with two nulls in 60 rows, then one without."""
    profile, limits = filled(120, nulls=2, every=60.0), Limits(null_rate=0.02, repair_alert_above=0.5)
    running = standing(profile, "x", limits, min_rows=60, now_seconds=1.9 * HOUR)
    (alert,) = (each for each in running.values() if each is not None)
    assert (alert.code, alert.from_seconds) == ("x.null_rate", 0.0), "a window that runs does not speak for it"
    assert running["repairs"] is None
    over = standing(profile, "x", limits, min_rows=60, now_seconds=2 * HOUR)
    assert over == {"null_rate": None, "repairs": None}


def test_nothing_is_said_of_what_has_too_few_rows() -> None:
    limits = Limits(null_rate=0.02, frozen_after=HOUR)
    assert standing(Profile(HOUR), "x", limits, min_rows=1, now_seconds=9 * HOUR) == {}
    profile = Profile(HOUR)
    for hour in range(3):
        profile.add("x", 1, at_seconds=hour * HOUR)
    assert standing(profile, "x", limits, min_rows=5, now_seconds=9 * HOUR) == {}
    profile.add("x", 2, at_seconds=2.5 * HOUR)
    assert standing(profile, "x", limits, min_rows=5, now_seconds=9 * HOUR) == {"frozen": None}
