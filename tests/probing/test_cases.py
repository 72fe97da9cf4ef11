"""Rows to ask: every pair of values is in some row; samples hold their own checks; patterns give texts that match."""

from __future__ import annotations

import math
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract.build import build
from sidecar.contract.patterns import matcher
from sidecar.contract.report import Report
from sidecar.contract.sections import ContractSection
from sidecar.probing.cases import pairwise, usual_row
from sidecar.probing.patterns import matching
from sidecar.probing.samples import Samples, samples_of
from sidecar.probing.shrink import shrink
from sidecar.yamldoc import bind, read

NOW = 1_767_225_600.0


def section(text: str) -> ContractSection:
    nodes, findings = read(text.encode(), "contract.yaml")
    parsed = bind(nodes[0], ContractSection)
    assert parsed.value is not None, (findings, parsed.findings)
    return parsed.value


FEATURES = """
features:
  age: {type: int, min: 0, max: 120}
  even: {type: int, min: 1, max: 9, multiple_of: 2}
  share: {type: float, exclusive_min: 0, exclusive_max: 1}
  step: {type: float, min: 0, max: 1, multiple_of: 0.1}
  free: {type: float}
  below: {type: int, max: -5, missing_values: [-999]}
  flag: {type: bool}
  job: {type: category, values: [a, b, 3]}
  code: {type: string, pattern: "[A-Z]{2}-\\\\d{3,5}(?:x|y)?"}
  mail: {type: string, format: email}
  name: {type: string, min_length: 3, max_length: 5}
  seen: {type: timestamp, not_in_future: true, max_age: 48h}
  vector: {type: "float[4]", min: -1, max: 1}
  matrix: {type: "int[2,]", min: 0}
  maybe: {type: float, nullable: true, required: false}
"""


def test_every_sample_holds_its_own_checks_and_what_is_outside_does_not() -> None:
    made = section(FEATURES)
    found = samples_of(made, {}, NOW)
    assert [each.name for each in found] == list(made.features)
    for each in found:
        built = build(made.features[each.name], Report())
        assert built is not None
        for value in each.values:
            assert not built.checks.broken(value, NOW), (each.name, value)
        for code, value in each.outside:
            assert value is None or built.checks.broken(value, NOW), code


def test_the_edges_are_the_edges() -> None:
    found = {each.name: each for each in samples_of(section(FEATURES), {}, NOW)}
    assert {0, 120} <= set(found["age"].values)
    assert set(found["even"].values) == {2, 4, 6, 8} or {2, 8} <= set(found["even"].values)
    assert math.nextafter(0, 1) in found["share"].values
    assert {code for code, _ in found["age"].outside} == {"age.min", "age.max", "age.type", "age.null"}
    assert {len(value) for value in found["name"].values} == {3, 5}


def test_an_example_is_preferred_where_it_is_good() -> None:
    found = {each.name: each for each in samples_of(section(FEATURES), {"age": 33, "name": "too long"}, NOW)}
    assert found["age"].usual == 33
    assert found["name"].usual != "too long"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 5), min_size=2, max_size=6), st.integers(0, 5))
def test_every_pair_of_values_is_asked(sizes: list[int], seed: int) -> None:
    samples = [
        Samples(f"f{at}", 0, tuple(range(1, size)), (), required=True, nullable=False, from_header=False)
        for at, size in enumerate(sizes)
    ]
    cases = list(pairwise(samples, usual_row(samples), Random(seed), 1000))
    for one, other in combinations(samples, 2):
        asked = {(case.row[one.name], case.row[other.name]) for case in cases}
        assert asked == {(a, b) for a in one.values for b in other.values}
    assert len(cases) < math.prod(sizes) + max(sizes) ** 2


@pytest.mark.parametrize(
    "pattern",
    ["[0-9]{5}", r"\d+-\w*", "(?:ab|cd)+", r"[a-f0-9]{8}(?:-[a-f0-9]{4}){3}", r"\+?[1-9]\d{1,14}", r"[\]x]y", "a.c?"],
)
def test_everyday_patterns_have_a_text(pattern: str) -> None:
    text = matching(pattern)
    assert text is not None
    assert matcher(pattern)(text)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("ab|()[]{}1,5*+?\\d^-.:")), max_size=20))
def test_any_pattern_gives_a_text_or_none(pattern: str) -> None:
    text = matching(pattern)
    assert text is None or len(text) <= 10_000


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(-1000, 1000), min_size=1), st.data())
def test_shrinking_keeps_only_what_matters(failing: dict[str, int], data: st.DataObject) -> None:
    working: dict[str, Any] = dict.fromkeys("abcdef", 0)
    culprits = data.draw(st.sets(st.sampled_from([name for name in failing if failing[name]] or ["z"]), min_size=1))

    def fails(row: Any) -> bool:
        return all(abs(row.get(name, 0)) >= min(abs(failing.get(name, 0)), 10) for name in culprits)

    start = {**working, **failing}
    if not fails(start):
        return
    small = shrink(start, working, fails)
    assert fails(small)
    changed = {name for name in small if small[name] != working.get(name)}
    assert changed <= culprits
    assert all(abs(small[name]) == min(abs(failing[name]), 10) for name in changed)
