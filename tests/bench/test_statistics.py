"""The arithmetic of the figures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.statistics import (
    Spread,
    corrected_latencies,
    median,
    percentile,
    quartiles,
    round_differences,
    round_order,
    round_ratios,
    sign_test,
    slope,
    spread,
)

finite = st.floats(min_value=1e-3, max_value=1e6)


@pytest.mark.parametrize(("values", "expected"), [([3.0], 3.0), ([9.0, 1.0, 5.0], 5.0), ([4.0, 1.0, 3.0, 2.0], 2.5)])
def test_median(values: list[float], expected: float) -> None:
    assert median(values) == expected


def test_nothing_has_no_median_and_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        median([])
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_spread_says_how_far_rounds_were_apart() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_half_of_the_values_lie_between_the_quartiles() -> None:
    assert quartiles([5.0, 1.0, 2.0, 3.0, 4.0]) == (2.0, 4.0)
    assert quartiles([1.0, 2.0]) == (1.25, 1.75)
    assert quartiles([7.0]) == (7.0, 7.0)
    with pytest.raises(ValueError, match="nothing"):
        quartiles([])


@pytest.mark.parametrize(
    ("differences", "chance"),
    [([1.0] * 10, 1 / 1024), ([1.0] * 9 + [-1.0], 11 / 1024), ([1.0, -1.0], 0.75), ([-1.0] * 3, 1.0), ([0.0], 1.0)],
)
def test_signs_are_counted_as_coins_are(differences: list[float], chance: float) -> None:
    assert sign_test(differences) == pytest.approx(chance)
    assert sign_test([*differences, 0.0]) == pytest.approx(chance), "a tie says nothing"


def test_ratios_pair_up_inside_a_round_only() -> None:
    # A machine that becomes twice as fast changes both figures and no ratio.
    assert round_ratios([10.0, 20.0], [5.0, 10.0]) == [2.0, 2.0]


def test_a_round_that_misses_one_side_is_left_out() -> None:
    assert round_ratios([10.0, None, 30.0], [5.0, 10.0, None]) == [2.0]
    assert round_differences([10.0, None, 30.0], [5.0, 10.0, None]) == [5.0]


def test_rounds_of_different_length_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 rounds against 1"):
        round_ratios([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="2 rounds against 1"):
        round_differences([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("share", "expected"), [(0.01, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], share) == expected


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, 99.0])
def test_percentile_takes_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        percentile([1.0], share)


@given(st.lists(finite, min_size=1, max_size=200), st.floats(min_value=0.001, max_value=1.0))
@settings(max_examples=150, deadline=None)
def test_at_least_the_share_is_not_above_a_percentile(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6


def test_a_stall_is_charged_to_everybody_who_was_due_during_it() -> None:
    # One request a second; the server stalls 10 s on the first, then answers at once.
    due = [float(second) for second in range(10)]
    sent = [0.0, *[10.0] * 9]
    done = [10.0] * 10
    corrected = corrected_latencies(due, sent, done)
    assert corrected == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
    # Counted from when they left, nine of ten would have taken no time at all.
    assert sorted(d - s for d, s in zip(done, sent, strict=True)) == [*[0.0] * 9, 10.0]


@pytest.mark.parametrize(("due", "sent", "done"), [(1.0, 0.5, 2.0), (0.0, 2.0, 1.0)])
def test_times_out_of_order_are_refused(due: float, sent: float, done: float) -> None:
    with pytest.raises(ValueError, match="out of order"):
        corrected_latencies([due], [sent], [done])


@given(st.floats(min_value=-100, max_value=100), st.floats(min_value=-100, max_value=100))
@settings(max_examples=50, deadline=None)
def test_slope_of_a_line_is_its_slope(growth: float, offset: float) -> None:
    positions = [0.0, 1.0, 4.0, 9.0]
    assert slope(positions, [offset + growth * at for at in positions]) == pytest.approx(growth, abs=1e-6)


def test_slope_of_a_point_is_nothing() -> None:
    assert slope([1.0], [5.0]) == 0.0
    assert slope([2.0, 2.0], [5.0, 6.0]) == 0.0


def test_everybody_comes_first_in_turn_and_has_two_neighbours() -> None:
    labels = ["a", "b", "c"]
    assert [round_order(labels, number) for number in range(3)] == [["a", "b", "c"], ["a", "c", "b"], ["c", "a", "b"]]
    assert round_order([], 1) == []
