"""Every row of the compatibility table: what each change is for callers, the model, the monitors and the version."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.compatibility import compare

from .desk import (
    BREAKING,
    INT,
    RULE,
    SEMANTIC,
    TEXT,
    UNKNOWN,
    WIDENED,
    contracts,
    feature,
    only,
    policy,
    rules,
    views,
)

# -- breaking for callers


def test_text_is_counted_in_bytes_from_now_on() -> None:
    text, data = ({"type": kind, "max_length": 3} for kind in ("string", "bytes"))
    assert views(feature(text, data)) == ("breaking", "needs evidence", "-", "major")
    assert {change.verdicts.caller for change in feature(text, {**data, "max_length": 12}).changes} == {"safe"}


def test_add_a_required_input() -> None:
    assert views(contracts({"features": {}}, {"features": {"x": INT}})) == BREAKING


def test_optional_becomes_required() -> None:
    assert views(feature({**INT, "required": False}, INT)) == BREAKING


def test_a_planned_input_becomes_active() -> None:
    assert views(feature({**INT, "lifecycle": "planned"}, INT)) == ("breaking", "safe", "changed", "major")


def test_forbid_null() -> None:
    assert views(feature({**INT, "nullable": True}, INT)) == BREAKING


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ({"type": "int"}, {"type": "int", "min": 0}, "min"),
        ({"type": "int", "min": 0}, {"type": "int", "min": 1}, "min"),
        ({"type": "int", "max": 120}, {"type": "int", "max": 100}, "max"),
        ({"type": "float", "min": 0}, {"type": "float", "exclusive_min": 0}, "min"),
        ({"type": "float", "exclusive_max": 2}, {"type": "float", "exclusive_max": 1}, "exclusive_max"),
        ({"type": "float", "finite": False}, {"type": "float"}, "finite"),
        ({"type": "int"}, {"type": "int", "multiple_of": 2}, "multiple_of"),
        ({"type": "int", "multiple_of": 2}, {"type": "int", "multiple_of": 4}, "multiple_of"),
        ({"type": "timestamp"}, {"type": "timestamp", "max_age": "48h"}, "max_age"),
        ({"type": "timestamp"}, {"type": "timestamp", "not_in_future": True}, "not_in_future"),
        (
            {"type": "timestamp", "min": "2026-01-01T00:00:00Z"},
            {"type": "timestamp", "min": "2026-02-01T00:00:00Z"},
            "min",
        ),
        ({"type": "float[]", "max": 5}, {"type": "float[]", "max": 4}, "max"),
        ({"type": "float[]", "max": 5, "finite": False}, {"type": "float[]", "max": 4, "finite": False}, "max"),
    ],
)
def test_narrow_a_range(old: dict[str, Any], new: dict[str, Any], path: str) -> None:
    assert views(feature(old, new)) == BREAKING
    assert only(feature(old, new)).path == f"contract.features.x.{path}"


def test_narrow_a_set_or_remove_a_category() -> None:
    assert views(feature({"type": "int"}, {"type": "int", "values": [1, 2]})) == BREAKING
    old, new = ({"type": "category", "values": values} for values in (["a", "b"], ["a"]))
    assert views(feature(old, new)) == BREAKING
    assert (only(feature(old, new)).old, only(feature(old, new)).new) == ('["a", "b"]', '["a"]')
    assert views(feature(INT, {**INT, "not_values": [7]})) == BREAKING


def test_replace_a_category_by_another() -> None:
    old, new = ({"type": "category", "values": values} for values in (["a", "b"], ["a", "c"]))
    assert views(feature(old, new)) == ("breaking", "needs evidence", "-", "major")


def test_narrow_a_length() -> None:
    assert views(feature({"type": "string"}, {"type": "string", "max_length": 5})) == BREAKING
    assert views(feature({"type": "string[]", "min_length": 1}, {"type": "string[]", "min_length": 2})) == BREAKING


def test_narrow_a_shape() -> None:
    assert views(feature({"type": "float[]"}, {"type": "float[64]"})) == BREAKING
    assert views(feature({"type": "float[64]"}, {"type": "float[32]"})) == ("breaking", "needs evidence", "-", "major")
    assert views(feature({"type": "float"}, {"type": "float[1]"})) == ("breaking", "needs evidence", "-", "major")


def test_narrow_a_type() -> None:
    assert views(feature({"type": "float"}, {"type": "int"})) == BREAKING
    assert views(feature({"type": "json"}, {"type": "string"})) == BREAKING
    assert views(feature({"type": "int"}, {"type": "string"})) == ("breaking", "needs evidence", "-", "major")


def test_a_type_that_moves_because_a_check_implies_another_is_told() -> None:
    found = feature({"description": "anything"}, {"description": "anything", "pattern": "a*"})
    assert [change.path for change in found.changes] == ["contract.features.x.type", "contract.features.x.pattern"]
    assert {change.verdicts.caller for change in found.changes} == {"breaking"}
    assert (found.changes[0].old, found.changes[0].new) == ("json", "string")


def test_narrow_by_a_pattern_or_format() -> None:
    assert views(feature({"type": "string"}, {"type": "string", "pattern": "a*"})) == BREAKING
    assert views(feature({"type": "string"}, {"type": "string", "format": "uuid"})) == BREAKING


def test_unique_values() -> None:
    assert views(feature(INT, {**INT, "unique": True})) == BREAKING
    assert views(feature({**INT, "unique": True}, INT)) == WIDENED


def test_a_new_or_stricter_reject_rule() -> None:
    assert rules([], [RULE]) == BREAKING
    assert rules([{**RULE, "on_violation": "warn"}], [RULE]) == BREAKING
    assert rules([{**RULE, "mode": "observe"}], [RULE]) == BREAKING
    assert rules([{**RULE, "when": "x > 1"}], [RULE]) == BREAKING


def test_lower_max_body() -> None:
    lower, higher = policy(upstream={"max_body": "1MiB"}), policy(upstream={"max_body": "2MiB"})
    assert views(compare(higher, lower)) == BREAKING
    assert views(compare(lower, higher)) == WIDENED
    assert (only(compare(higher, lower)).old, only(compare(higher, lower)).new) == ("2MiB", "1MiB")


@pytest.mark.parametrize("before", ["strip", "warn", "ignore"])
def test_unknown_names_become_refused(before: str) -> None:
    assert views(contracts({"unknown_features": before}, {"unknown_features": "reject"})) == BREAKING


def test_observe_becomes_enforce() -> None:
    assert views(contracts({"mode": "observe"}, {"mode": "enforce"})) == BREAKING


def test_observe_becomes_enforce_for_one_caller() -> None:
    found = contracts({"mode": "observe"}, {"mode": {"default": "observe", "callers": {"mobile": "enforce"}}})
    assert views(found) == BREAKING
    assert only(found).path == "contract.mode.callers.mobile"
    assert "mobile" in only(found).why


def test_a_batch_is_refused_whole_again() -> None:
    fallback = {"fallback": {"values": {"score": 1}}}
    assert views(contracts({**fallback, "on_bad_rows": "fallback"}, fallback)) == BREAKING
    assert views(contracts({"on_bad_rows": "drop_rows"}, {})) == BREAKING


def test_warn_or_repair_becomes_reject() -> None:
    assert views(feature({**INT, "on_violation": "warn"}, INT)) == BREAKING
    assert views(feature({**INT, "on_violation": "clamp"}, INT)) == BREAKING


def test_a_value_is_read_from_another_place() -> None:
    assert views(feature(INT, {**INT, "from": "header:x-age"})) == BREAKING


# -- safe for callers, news for the model


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (INT, {**INT, "max": 130}),
        ({"type": "int", "min": 0}, {"type": "int"}),
        ({"type": "float", "exclusive_min": 0}, {"type": "float", "min": 0}),
        ({"type": "int", "multiple_of": 4}, {"type": "int", "multiple_of": 2}),
        ({"type": "int"}, {"type": "float"}),
        ({"type": "float[2]"}, {"type": "float[]"}),
        ({"type": "string", "max_length": 5}, {"type": "string"}),
        ({"type": "string", "pattern": "a*"}, {"type": "string"}),
    ],
)
def test_widen_a_range(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert views(feature(old, new)) == WIDENED


def test_widen_a_set_by_a_new_category() -> None:
    old, new = ({"type": "category", "values": values} for values in (["a"], ["a", "b"]))
    assert views(feature(old, new)) == WIDENED


def test_make_optional() -> None:
    assert views(feature(INT, {**INT, "required": False})) == WIDENED
    assert views(feature(INT, {**INT, "default": 3})) == WIDENED


def test_allow_null() -> None:
    assert views(feature(INT, {**INT, "nullable": True})) == WIDENED


def test_drop_a_rule() -> None:
    assert rules([RULE], []) == WIDENED
    assert rules([RULE], [{**RULE, "when": "x > 1"}]) == WIDENED


def test_enforce_becomes_observe() -> None:
    assert views(contracts({"mode": "enforce"}, {"mode": "observe"})) == WIDENED


def test_drop_becomes_reject_and_back() -> None:
    drop = {**INT, "on_violation": "drop"}
    assert views(feature(drop, INT)) == BREAKING
    assert views(feature(INT, drop)) == WIDENED
    assert views(feature({**INT, "on_violation": "warn"}, drop)) == BREAKING
    assert rules([{**RULE, "on_violation": "drop"}], [RULE]) == BREAKING


@pytest.mark.parametrize("after", ["clamp", "warn", {"replace": 3}, "ignore"])
def test_reject_becomes_clamp_replace_or_warn(after: Any) -> None:
    assert views(feature(INT, {**INT, "on_violation": after})) == WIDENED


def test_an_optional_input_where_unknown_names_were_refused() -> None:
    new = {"features": {"x": {**INT, "required": False}}}
    assert views(contracts({"unknown_features": "reject"}, {"unknown_features": "reject", **new})) == WIDENED


def test_an_optional_input_that_callers_may_send_already_is_for_replay_to_settle() -> None:
    assert views(contracts({}, {"features": {"x": {**INT, "required": False}}})) == UNKNOWN


def test_remove_an_input() -> None:
    old = {"features": {"x": INT}}
    assert views(contracts(old, {})) == WIDENED
    assert views(contracts({**old, "unknown_features": "reject"}, {"unknown_features": "reject"})) == BREAKING
    assert views(contracts({**old, "unknown_features": "strip"}, {"unknown_features": "strip"})) == SEMANTIC


# -- silent changes of meaning


def test_change_a_default() -> None:
    assert views(feature({**INT, "default": 3}, {**INT, "default": 4})) == SEMANTIC


def test_change_a_replacement() -> None:
    old, new = ({**INT, "on_violation": {"replace": value}} for value in (3, 4))
    assert views(feature(old, new)) == SEMANTIC
    assert (only(feature(old, new)).old, only(feature(old, new)).new) == ("{replace: 3}", "{replace: 4}")


@pytest.mark.parametrize("bound", [100, 130])
def test_change_the_bounds_of_a_clamp(bound: int) -> None:
    assert views(feature({**INT, "on_violation": "clamp"}, {**INT, "max": bound, "on_violation": "clamp"})) == SEMANTIC


@pytest.mark.parametrize(("old", "new"), [([], [-999]), ([-999], []), ([-999], [-1])])
def test_change_missing_values(old: list[int], new: list[int]) -> None:
    nullable = {"type": "int", "nullable": True}
    assert views(feature({**nullable, "missing_values": old}, {**nullable, "missing_values": new})) == SEMANTIC


def test_a_good_value_comes_to_mean_null_where_null_is_refused() -> None:
    found = feature({"type": "int"}, {"type": "int", "missing_values": [0]})
    assert only(found).verdicts.caller == "breaking"
    assert "with 0" in only(found).why


def test_change_the_unit() -> None:
    assert views(feature({**INT, "unit": "years"}, {**INT, "unit": "months"})) == SEMANTIC
    assert views(feature({**INT, "unit": "years"}, {**INT, "units": "years"})) == TEXT


def test_change_what_is_coerced_by_taking_names_out() -> None:
    assert views(contracts({"unknown_features": "warn"}, {"unknown_features": "strip"})) == SEMANTIC


def test_take_a_feature_out_before_the_model() -> None:
    found = feature({**INT, "on_violation": "warn"}, {**INT, "on_violation": "warn", "role": "slice_only"})
    assert views(found) == SEMANTIC


def test_a_semantic_change_is_never_a_patch() -> None:
    old = policy({"features": {"x": {**INT, "default": 3}}})
    new = policy({"features": {"x": {**INT, "default": 4}}}, version="1.0.1")
    assert not compare(old, new).sufficient
    assert compare(old, new).advised == "1.1.0"
