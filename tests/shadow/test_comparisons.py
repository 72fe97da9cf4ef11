"""Every comparison as a table: bounded, positive = worse, and never an exception."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.families import summary
from sidecar.rows import MISSING
from sidecar.shadow import Difference, compare_values
from sidecar.shadow.comparisons import kinds, make

NAN, INF = math.nan, math.inf

# kind, tolerance, scale, primary, candidate → score, difference, type
TABLE = [
    ("numeric", 0.02, 1.0, 0.5, 0.51, -0.01, 0.01, ""),
    ("numeric", 0.02, 1.0, 0.5, 0.48, 0.0, 0.02, ""),
    ("numeric", 0.02, 1.0, 0.5, 0.9, 0.38, 0.4, "value"),
    ("numeric", 0.02, 0.1, 0.5, 0.9, 1.0, 0.4, "value"),
    ("numeric", 0.0, 1.0, 3, 3.0, 0.0, 0.0, ""),
    ("numeric", 0.5, 1.0, 10**30, 10**30, -0.5, 0.0, ""),
    ("numeric", 0.5, 1.0, 10**400, 0.0, 1.0, 1.0, "not_finite"),
    ("numeric", 0.1, 1.0, 0.5, NAN, 1.0, 1.0, "not_finite"),
    ("numeric", 0.1, 1.0, NAN, 0.5, 1.0, 1.0, "not_finite"),
    ("numeric", 0.1, 1.0, NAN, NAN, -0.1, 0.0, ""),
    ("numeric", 0.1, 1.0, INF, INF, -0.1, 0.0, ""),
    ("numeric", 0.1, 1.0, INF, -INF, 1.0, 1.0, "not_finite"),
    ("numeric", 0.1, 1.0, 1, True, 1.0, 1.0, "type"),
    ("numeric", 0.1, 1.0, 1, "1", 1.0, 1.0, "type"),
    ("numeric", 0.1, 1.0, 1, None, 1.0, 1.0, "type"),
    ("exact", None, None, "n", "n", 0.0, 0.0, ""),
    ("exact", None, None, "n", "s", 1.0, 1.0, "value"),
    ("exact", None, None, 1, 1.0, 0.0, 0.0, ""),
    ("exact", None, None, 1, True, 1.0, 1.0, "type"),
    ("exact", None, None, None, None, 0.0, 0.0, ""),
    ("exact", None, None, NAN, NAN, 0.0, 0.0, ""),
    ("exact", None, None, [1, 2], [1], 1.0, 1.0, "shape"),
    ("exact", None, None, {"a": 1}, {}, 1.0, 1.0, "missing"),
    ("exact", None, None, {}, {"a": 1}, 1.0, 1.0, "extra"),
    ("vector", 0.1, 1.0, [1.0, 2.0], [1.0, 2.05], -0.05, 0.05, ""),
    ("vector", 0.1, 1.0, [1.0, 2.0], [1.5, 2.0], 0.4, 0.5, "value"),
    ("vector", 0.1, 1.0, [[1.0], [2.0]], [[1.0], [2.0]], -0.1, 0.0, ""),
    ("vector", 0.1, 1.0, [1.0, 2.0], [1.0], 1.0, 1.0, "shape"),
    ("vector", 0.1, 1.0, [1.0, 2.0], 1.0, 1.0, 1.0, "shape"),
    ("vector", 0.1, 1.0, [1.0, 2.0], [1.0, "2"], 1.0, 1.0, "type"),
    ("vector", 0.1, 1.0, [1.0, NAN], [1.0, 2.0], 1.0, 1.0, "not_finite"),
    ("relative", 0.01, 1.0, 1000.0, 1005.0, -0.005, 0.005, ""),
    ("relative", 0.01, 1.0, 1000.0, 1500.0, 0.49, 0.5, "value"),
    ("relative", 0.01, 1.0, 0.0, 0.005, -0.005, 0.005, ""),
    ("relative", 0.01, None, 0.0, 0.005, 1.0, 5e6, "value"),
    ("relative", 0.01, 1.0, [100.0, 1.0], [100.0, 2.0], 0.99, 1.0, "value"),
    ("total_variation", 0.05, None, [0.5, 0.5], [0.6, 0.4], 0.05, 0.1, "value"),
    ("total_variation", 0.05, None, [1.0, 0.0], [0.0, 1.0], 0.95, 1.0, "value"),
    ("total_variation", 0.05, None, [0.5, 0.5], [0.5, 0.5], -0.05, 0.0, ""),
    ("presence", None, None, "anything", 3, 0.0, 0.0, ""),
    ("presence", None, None, 3, None, 1.0, 1.0, "missing"),
    ("presence", None, None, None, 3, 1.0, 1.0, "extra"),
]


@pytest.mark.parametrize(("kind", "tolerance", "scale", "primary", "candidate", "score", "difference", "type_"), TABLE)
def test_table(
    kind: str,
    tolerance: float | None,
    scale: float | None,
    primary: Any,
    candidate: Any,
    score: float,
    difference: float,
    type_: str,
) -> None:
    found = make(kind, tolerance, scale).compare(primary, candidate)
    assert found.score == pytest.approx(score)
    assert found.difference == pytest.approx(difference)
    assert found.type == type_ and found.agrees is (type_ == "")


@pytest.mark.parametrize(
    ("primary", "candidate", "type_"),
    [(MISSING, 1, Difference.EXTRA), (1, MISSING, Difference.MISSING)],
)
def test_what_one_side_lacks_is_worst(primary: Any, candidate: Any, type_: Difference) -> None:
    for kind in (None, *kinds()):
        found = compare_values(primary, candidate, kind)
        assert found is not None and (found.score, found.type) == (1.0, type_)


def test_what_both_lack_is_not_compared() -> None:
    assert compare_values(MISSING, MISSING, None) is None


@pytest.mark.parametrize(
    ("primary", "near", "agrees"),
    [(0.5, 0.51, True), ([0.5, [1.0]], [0.51, [1.0]], True), ("n", "m", False), (True, False, False), ([], [], True)],
)
def test_without_a_kind_the_primarys_value_tells(primary: Any, near: Any, agrees: bool) -> None:
    found = compare_values(primary, near, None, tolerance=0.02)
    assert found is not None and found.agrees is agrees


def test_the_first_place_that_differs_is_named() -> None:
    found = make("exact").compare({"a": [{"b/c": 1}]}, {"a": [{"b/c": 2}]})
    assert found.path == "/a/0/b~1c"
    assert make("vector").compare([[1.0, 2.0]], [[1.0, 9.0]]).path == "/0/1"


@pytest.mark.parametrize(
    ("kind", "tolerance", "scale", "says"),
    [
        ("cosine", None, None, "no comparison is called `cosine`"),
        ("exact", 0.1, None, "has no `tolerance`"),
        ("numeric", 0.1, 0.0, "must be above 0"),
    ],
)
def test_a_policys_mistake_is_a_sentence(kind: str, tolerance: float | None, scale: float | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make(kind, tolerance, scale)


def test_every_member_says_what_it_is_for() -> None:
    assert all(summary(member).endswith(".") for member in kinds().values())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(primary=VALUES, candidate=VALUES)
@settings(max_examples=200, deadline=None)
def test_any_two_values_have_a_bounded_score_and_any_value_agrees_with_itself(primary: Any, candidate: Any) -> None:
    for kind in (None, *kinds()):
        found = compare_values(primary, candidate, kind)
        assert found is not None and -1.0 <= found.score <= 1.0
        assert found.difference >= 0.0 and math.isfinite(found.difference)
        assert found.agrees or found.score > 0 or found.type is Difference.VALUE
    own = compare_values(primary, primary, None)
    assert own is not None and own.agrees
