"""Counting row by row, in any order, by any number of replicas, comes to the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.profiles import Profile
from sidecar.profiles.windows import fingerprint

HOUR = 3600.0

ROWS = st.lists(
    st.tuples(
        st.integers(0, 20_000).map(float),  # when
        st.sampled_from(["a", "b", None]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
    unique_by=lambda row: row[0],
)


def profile_of(rows: list[tuple[float, Any, bool, bool]]) -> Profile:
    profile = Profile(HOUR)
    for at, value, unseen, repaired in rows:
        profile.add("x", value, at_seconds=at, null=value is None, unseen=unseen, repaired=repaired)
    return profile


@given(rows=ROWS, cut=st.integers(0, 40), data=st.data())
@settings(max_examples=200, deadline=None)
def test_replicas_add_up(rows: list[tuple[float, Any, bool, bool]], cut: int, data: st.DataObject) -> None:
    whole = profile_of(sorted(rows))
    shuffled = data.draw(st.permutations(rows))
    one, two = profile_of(shuffled[:cut]), profile_of(shuffled[cut:])
    one.merge(two)
    assert one.counts == whole.counts
    assert one.runs.keys() == whole.runs.keys()
    for name, run in one.runs.items():
        expected = whole.runs[name]
        assert (run.fingerprint, run.changed, run.first, run.until) == (
            expected.fingerprint, expected.changed, expected.first, expected.until,
        )  # fmt: skip
        assert run.rows >= expected.rows


@given(rows=ROWS)
@settings(max_examples=100, deadline=None)
def test_a_window_counts_its_own_rows(rows: list[tuple[float, Any, bool, bool]]) -> None:
    profile = profile_of(rows)
    for start, counts in profile.windows("x"):
        inside = [row for row in rows if start <= row[0] < start + HOUR]
        assert counts.rows == len(inside)
        assert counts.nulls == sum(row[1] is None for row in inside)
        assert counts.unseen == sum(row[2] for row in inside)
        assert counts.repaired == sum(row[3] for row in inside)
    assert sum(counts.rows for _, counts in profile.windows("x")) == len(rows)


def test_a_run_ends_with_another_value_and_a_null_is_none() -> None:
    profile = profile_of([(0.0, "a", False, False), (10.0, None, False, False), (20.0, "a", False, False)])
    assert profile.runs["x"].held_seconds == 20.0
    profile.add("x", "b", at_seconds=30.0)
    assert profile.runs["x"].held_seconds == 10.0  # for this long no other value has been seen
    profile.add("x", "b", at_seconds=50.0)
    assert (profile.runs["x"].since, profile.runs["x"].held_seconds) == (20.0, 30.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        ("1", 1, False),
        ([1, 2.5], [1.0, 2.5], True),
        ([1], [[1]], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (float("nan"), float("nan"), True),
        (None, "None", False),
    ],
)
def test_equal_values_are_one_value(one: Any, other: Any, same: bool) -> None:
    assert (fingerprint(one) == fingerprint(other)) is same


def test_other_windows_do_not_add() -> None:
    with pytest.raises(ValueError, match="windows of 60s do not add to those of 3600s"):
        Profile(HOUR).merge(Profile(60.0))


def test_old_windows_are_forgotten_and_runs_are_not() -> None:
    profile = profile_of([(0.0, "a", False, False), (2 * HOUR, "a", False, False)])
    profile.forget(HOUR)
    assert [start for start, _ in profile.windows("x")] == [2 * HOUR]
    assert profile.runs["x"].held_seconds == 2 * HOUR
