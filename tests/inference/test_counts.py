"""Counts that add up: tallies, sketches, profiles and baselines, in parts or at once."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.inference import Profile, Roles, baseline_of, guess_table, merged
from sidecar.inference.baseline import sealed
from sidecar.inference.numbers import EXACT_DISTINCT, Numbers
from sidecar.inference.sketch import RELATIVE_ERROR, Sketch
from sidecar.inference.tally import HASHES, Tally

DRAW = random.Random(3)
MANY = [round(DRAW.gauss(1_000_000, 10), 6) for _ in range(3 * EXACT_DISTINCT)]


class TestTally:
    def test_exact_up_to_the_cap(self) -> None:
        tally = Tally(10)
        tally.add({"a": 3, "b": 1})
        assert (tally.distinct, tally.total, tally.once) == (2, 4, 1)

    def test_an_estimate_beyond_it(self) -> None:
        tally = Tally(100)
        for begin in range(0, 20_000, 500):
            tally.add(dict.fromkeys(range(begin, begin + 1000), 1))
        assert tally.counts is None
        assert abs(tally.distinct - 20_500) < 5 * 20_500 / math.sqrt(HASHES)

    @given(st.lists(st.integers(0, 400)), st.lists(st.integers(0, 400)), st.sampled_from([5, 50, 1000]))
    def test_parts_are_as_the_whole(self, first: list[int], second: list[int], cap: int) -> None:
        whole, one, other = Tally(cap), Tally(cap), Tally(cap)
        for value in first:
            one.add({value: 1})
            whole.add({value: 1})
        for value in second:
            other.add({value: 1})
            whole.add({value: 1})
        one.merge(other)
        assert (one.total, one.distinct, one.once) == (whole.total, whole.distinct, whole.once)


class TestSketch:
    def test_quantiles_are_right_relative_to_the_distance_from_the_pivot(self) -> None:
        sketch = Sketch(1_000_000)
        sketch.add(MANY, [1] * len(MANY))
        ordered = sorted(MANY)
        for share in (0.001, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999):
            exact = ordered[math.ceil(share * len(ordered)) - 1]
            assert abs(sketch.quantile(share) - exact) <= RELATIVE_ERROR * abs(exact - 1_000_000) + 1e-6

    @settings(deadline=None)
    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50), st.integers(0, 50))
    def test_parts_add_up(self, values: list[float], cut: int) -> None:
        whole, one, other = Sketch(0.0), Sketch(0.0), Sketch(0.0)
        whole.add(values, [2] * len(values))
        one.add(values[:cut], [2] * len(values[:cut]))
        other.add(values[cut:], [2] * len(values[cut:]))
        one.merge(other)
        assert list(one.buckets()) == list(whole.buckets())
        assert sum(bucket.rows for bucket in whole.buckets()) == 2 * len(values)

    def test_another_pivot_is_refused(self) -> None:
        with pytest.raises(ValueError, match="pivots"):
            Sketch(0.0).merge(Sketch(1.0))


class TestNumbers:
    def test_many_numbers_are_sketched_and_their_ends_stay_exact(self) -> None:
        numbers = Numbers()
        for begin in range(0, len(MANY), 1000):
            numbers.add(dict.fromkeys(MANY[begin : begin + 1000], 1))
        assert numbers.sketch is not None
        assert numbers.sketch.total == numbers.count
        assert (numbers.low, numbers.high) == (min(MANY), max(MANY))
        assert abs(numbers.quantile(0.5) - 1_000_000) < 1

    def test_a_small_part_is_added_to_a_large_one_and_the_other_way_round(self) -> None:
        for flip in (False, True):
            large, small = Numbers(), Numbers()
            large.add(dict.fromkeys(MANY, 1))
            small.add({5.0: 2, 9999: 1})
            one, other = (small, large) if flip else (large, small)
            one.merge(other)
            assert one.sketch is not None
            assert one.sketch.total == one.count == len(set(MANY)) + 2
            assert (one.low, one.settle()) == (5.0, {})  # 9999 is among numbers up to a million


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {"n": draw.randint(0, 500), "f": draw.random(), "c": draw.choice("abc"), "b": draw.random() < 0.2, "t": f"t{i}"}
        for i in range(count)
    ]


def profile(table: list[dict[str, Any]]) -> Profile:
    made = Profile()
    made.add(table)
    return made


def baseline(made: Profile) -> dict[str, Any]:
    table = guess_table(made, Roles())
    return baseline_of(made, table, policy="p", created="2026-01-01T00:00:00Z", source="rows")


class TestProfile:
    def test_parts_are_as_the_whole(self) -> None:
        one, other, whole = profile(rows(100, 1)), profile(rows(80, 2)), profile(rows(100, 1) + rows(80, 2))
        one.merge(other)
        assert guess_table(one, Roles()) == guess_table(whole, Roles())
        assert baseline(one) == baseline(whole)

    def test_maps_by_key_are_no_table(self) -> None:
        with pytest.raises(ValueError, match="columns"):
            Profile().add([{f"key{index}": 1 for index in range(5000)}])


class TestBaseline:
    def test_every_row_is_in_one_place(self) -> None:
        made = profile([*rows(300), {"n": None, "f": float("nan"), "c": None}, {"f": float("inf")}])
        for name, counts in baseline(made)["features"].items():
            inside = sum(counts.get("bins", ())) + sum(counts.get("top", {}).values()) + counts.get("other", 0)
            ends = sum(counts.get(end, 0) for end in ("under", "over", "nan"))
            if counts["kind"] != "opaque":
                assert inside + ends + counts["null"] + counts["missing"] == counts["rows"] == 302, name

    def test_bins_are_counts_between_edges(self) -> None:
        table = rows(500)
        for name in ("n", "f"):
            counts = baseline(profile(table))["features"][name]
            edges, values = counts["edges"], [row[name] for row in table]
            assert edges == sorted(set(edges))
            assert len(edges) == len(counts["bins"]) + 1
            for position, found in enumerate(counts["bins"]):
                low, high = edges[position], edges[position + 1]
                last = position == len(counts["bins"]) - 1
                assert found == sum(low <= value < high or (last and value == high) for value in values)

    def test_bins_of_a_sketch_are_counts_as_well(self) -> None:
        made = profile([{"x": value} for value in MANY])
        counts = baseline(made)["features"]["x"]
        assert sum(counts["bins"]) == len(MANY)
        assert len(counts["bins"]) == 10
        assert max(counts["bins"]) < 1.2 * min(counts["bins"])

    def test_few_numbers_have_a_bin_each(self) -> None:
        counts = baseline(profile([{"x": value} for value in [1, 1, 2, 5]]))["features"]["x"]
        assert (counts["edges"], counts["bins"]) == ([1.0, 1.5, 3.5, 5.0], [2, 1, 1])

    def test_two_are_added_when_their_bins_are_the_same(self) -> None:
        first = baseline(profile(rows(300)))
        both = merged(first, first)
        assert both["rows"] == 600
        assert both["features"]["n"]["bins"] == [2 * count for count in first["features"]["n"]["bins"]]
        assert both["features"]["c"]["top"]["a"] == 2 * first["features"]["c"]["top"]["a"]
        assert both == sealed(both)
        with pytest.raises(ValueError, match="other bins"):
            merged(first, baseline(profile(rows(300, 9))))

    def test_the_digest_is_of_all_else(self) -> None:
        document = baseline(profile(rows(10)))
        assert sealed(document) == document
        assert sealed(document | {"rows": 11})["digest"] != document["digest"]

    def test_personal_values_are_not_in_it(self) -> None:
        made = profile([{"email": f"u{index % 2}@example.org"} for index in range(100)])
        assert "example.org" not in str(baseline(made))
