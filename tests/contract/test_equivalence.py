"""The compiled contract against the reference: the same verdict for any contract and rows, never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.rows import MISSING
from sidecar.verdict import MAX_LISTED_VIOLATIONS
from tests.contract import generate, reference
from tests.contract.desk import compiled, judge, table_of


def shown(value: Any) -> str:
    """Equality that tells 1 from true, and finds NaN equal to itself."""
    if isinstance(value, list):
        return str([shown(item) for item in value])
    return f"{float(value):.17g}" if reference.is_number(value) and abs(value) < 2**53 else repr(value)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_compiled_contract_agrees_with_the_reference(data: st.DataObject) -> None:
    source = data.draw(generate.contracts())
    batch = data.draw(generate.records(source))
    expected = reference.judge(source, batch)
    verdict = judge(compiled(source), table_of(compiled(source), batch))
    assert verdict.outcome == expected["outcome"]
    assert verdict.total == len(expected["codes"])
    listed = sorted((one.row, one.code, one.applied.value) for one in verdict.violations)
    if verdict.total <= MAX_LISTED_VIOLATIONS:
        assert listed == expected["codes"]
    assert list(verdict.rejected_rows) == expected["rejected"]
    assert list(verdict.fallback_rows) == expected["fallback"]
    assert list(verdict.dropped_rows) == expected["dropped"]
    changes = {(change.row, change.feature): shown(change.value) for change in verdict.changes}
    assert changes == {place: shown(value) for place, value in expected["changes"].items()}


@pytest.mark.parametrize("feature", generate.OTHERS, ids=str)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_each_type_agrees_near_what_it_speaks_of(feature: dict[str, Any], data: st.DataObject) -> None:
    source = {"mode": "enforce", "features": {"a": feature}}
    near = generate.near(feature)
    cell = st.integers(0, 4).flatmap(lambda one: near if one else generate.CELLS)
    batch = data.draw(st.lists(st.fixed_dictionaries({"a": cell}), min_size=1, max_size=6))
    expected = reference.judge(source, batch)
    contract = compiled(source)
    verdict = judge(contract, table_of(contract, batch))
    assert sorted((one.row, one.code, one.applied.value) for one in verdict.violations) == expected["codes"]
    assert verdict.outcome == expected["outcome"]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_observing_sees_what_enforcing_does_and_judging_twice_says_the_same(data: st.DataObject) -> None:
    source = data.draw(generate.contracts())
    batch = data.draw(generate.records(source))
    contract, observing = compiled(source), compiled({**source, "mode": "observe"})
    enforced = judge(contract, table_of(contract, batch))
    assert repr(judge(contract, table_of(contract, batch))) == repr(enforced)
    observed = judge(observing, table_of(observing, batch))
    assert observed.violations == enforced.violations
    assert (observed.total, observed.would) == (enforced.total, enforced.would)
    assert not observed.changes


FEATURES = {
    "int": {"type": "int", "min": 0, "multiple_of": 3, "missing_values": [-1, "x"]},
    "float": {"type": "float", "max": 9, "on_violation": "clamp"},
    "bool": {"type": "bool", "values": [True]},
    "string": {"type": "string", "pattern": ".*", "max_length": 3},
    "category": {"type": "category", "values": ["a", 1], "on_violation": {"replace": "a"}},
    "timestamp": {"type": "timestamp", "not_in_future": True, "max_age": "1h", "on_violation": "warn"},
    "bytes": {"type": "bytes", "max_length": 3},
    "json": {"type": "json", "nullable": True},
    "vector": {"type": "float[2]", "min": 0, "multiple_of": 2},
    "tensor": {"type": "int[,2]", "values": [1, 2]},
    "words": {"type": "string[]", "pattern": "a*"},
    "header": {"type": "int", "from": "header:x-a"},
    "slice": {"type": "string", "role": "slice_only"},
}

ANYTHING = generate.CELLS | st.just(MISSING) | st.binary(max_size=4) | st.text(st.characters(), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.lists(ANYTHING, min_size=1, max_size=3), st.sampled_from([False, True]))
def test_no_value_in_any_cell_raises(values: list[Any], spread: bool) -> None:
    contract = compiled({"mode": "enforce", "features": FEATURES})
    batch = [dict.fromkeys(FEATURES, value) for value in values]
    if spread:  # one column, another value in each row
        batch = [{name: values[row % len(values)] for name in FEATURES} for row in range(len(values))]
    verdict = judge(contract, table_of(contract, batch))
    assert verdict.total >= len(verdict.violations)
