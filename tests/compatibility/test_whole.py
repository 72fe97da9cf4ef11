"""The keys of a whole contract, roles, and what only shows when keys change together."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.compatibility import Caller, Compatibility, compare

from .desk import (
    BREAKING,
    BREAKING_ANSWER,
    IDENTITY,
    SEMANTIC,
    TEXT,
    UNKNOWN,
    WATCHED,
    WIDENED,
    contracts,
    feature,
    only,
    policy,
    views,
)

INT: dict[str, Any] = {"type": "int", "min": 0, "max": 120}
FALLBACK: dict[str, Any] = {"fallback": {"values": {"score": 1}}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("reject_request", "drop_rows", WIDENED),
        ("reject_request", "fallback", WIDENED),
        ("drop_rows", "fallback", SEMANTIC),
        ("fallback", "drop_rows", BREAKING),
    ],
)
def test_bad_rows_of_a_batch(old: str, new: str, expected: tuple[str, ...]) -> None:
    assert views(contracts({**FALLBACK, "on_bad_rows": old}, {**FALLBACK, "on_bad_rows": new})) == expected


def test_a_row_that_had_the_fallbacks_answer_may_be_left_out_by_another_check() -> None:
    batch = {**FALLBACK, "on_bad_rows": "fallback", "features": {"x": {**INT, "on_violation": "drop"}}}
    strict, loose = ({**batch, "unknown_features": word} for word in ("reject", "ignore"))
    assert views(contracts(strict, loose)) == SEMANTIC
    plain = {**batch, "features": {"x": INT}}
    assert views(contracts({**plain, "unknown_features": "reject"}, plain)) == WIDENED


def test_when_our_own_check_fails() -> None:
    assert views(contracts({}, {"on_guard_error": "pass"})) == SEMANTIC
    assert views(contracts({}, {"on_guard_error": "reject"})) == TEXT


def test_what_callers_are_told() -> None:
    assert views(contracts({}, {"errors": "full"})) == TEXT
    assert views(contracts({}, {"errors": "minimal"})) == ("semantic", "-", "-", "minor")


def test_when_the_fallback_answers() -> None:
    def on(*reasons: str) -> dict[str, Any]:
        return {"fallback": {"on": list(reasons), "values": {"score": 1}}}

    assert views(contracts(on("contract", "timeout"), on("contract"))) == BREAKING_ANSWER
    assert views(contracts(on("contract"), on("contract", "timeout"))) == ("semantic", "-", "-", "minor")
    assert views(contracts(on("contract", "timeout"), on("timeout", "contract"))) == TEXT
    assert views(contracts({}, on("timeout"))) == ("semantic", "-", "-", "minor")


def test_modes_that_mean_the_same() -> None:
    assert views(contracts({"mode": "enforce"}, {"mode": {"default": "enforce", "callers": {}}})) == TEXT
    assert views(contracts({"mode": "off"}, {"mode": "observe"})) == WATCHED


def test_a_feature_is_checked_or_not() -> None:
    assert views(feature(INT, {**INT, "role": "ignored"})) == WIDENED
    assert views(feature({**INT, "role": "ignored"}, INT)) == BREAKING
    assert views(feature(INT, {**INT, "role": "key"})) == WATCHED


def test_a_hidden_feature_reaches_the_model_and_its_default_action_becomes_reject() -> None:
    found = feature({**INT, "role": "slice_only"}, INT)
    assert {change.path: change.verdicts.caller for change in found.changes} == {
        "contract.features.x.on_violation": Caller.BREAKING,
        "contract.features.x.role": Caller.SEMANTIC,
    }


def test_the_order_of_names_is_text() -> None:
    one, other = {"a": INT, "b": INT}, {"b": INT, "a": INT}
    assert views(contracts({"features": one}, {"features": other})) == TEXT
    rules = [{"id": name, "expect": "a < 9"} for name in "rs"]
    found = contracts({"features": one, "rules": rules}, {"features": one, "rules": rules[::-1]})
    assert views(found) == TEXT


def test_a_value_that_was_only_warned_about_now_meets_a_rule() -> None:
    """A rule does not judge a value that breaks its own checks; a wider check hands it over."""
    rule = {"rules": [{"id": "r", "expect": "x < 150"}]}
    old, new = ({"type": "int", "max": most, "on_violation": "warn"} for most in (120, 200))
    assert views(feature(old, new, **rule)) == UNKNOWN
    assert views(feature(old, new)) == WATCHED


def test_a_wider_category_given_another_type() -> None:
    old, new = ({"type": "category", "values": ["a", "b"]}, {"type": "string", "values": ["a", "b"]})
    assert [change.verdicts.caller for change in feature(old, new).changes] == [Caller.SAFE]
    assert Caller.BREAKING in {change.verdicts.caller for change in feature(old, {"type": "int"}).changes}


def test_a_good_value_that_becomes_a_break_by_two_keys_is_found_by_example() -> None:
    """Null was filled in; now null is good and -1 means null, but nothing fills it: tried, not reasoned."""
    old = {"type": "int", "required": False, "nullable": True, "missing_values": [-1]}
    new = {"type": "int", "required": False, "missing_values": [-1]}
    assert Caller.BREAKING in {change.verdicts.caller for change in feature(old, new).changes}


def test_candidates_are_watched() -> None:
    old = policy({"candidate": {"features": {"x": INT}}})
    new = policy({"candidate": {"features": {"x": {**INT, "max": 9}}}})
    assert views(compare(old, new)) == WATCHED
    assert only(compare(old, new)).path == "contract.candidate.features.x.max"


def test_patience_and_delivery() -> None:
    slow, fast = (policy(upstream={"timeout": {"total": total}}) for total in ("2s", "1s"))
    assert views(compare(slow, fast)) == SEMANTIC
    assert views(compare(fast, slow)) == WATCHED
    assert (only(compare(slow, fast)).old, only(compare(slow, fast)).path) == ("2s", "upstream.timeout.total")
    holdout = policy(feedback={"holdout": {"share": "5%"}})
    assert views(compare(policy(feedback={}), holdout)) == SEMANTIC


def test_another_name_is_identity() -> None:
    assert views(compare(policy(), policy(policy="other"))) == IDENTITY


def test_forward_judges_callers_of_the_new_policy_and_leaves_the_model_to_backward() -> None:
    wider = ({"features": {"x": INT}}, {"features": {"x": {**INT, "max": 130}}})
    found = contracts(*wider, Compatibility.FORWARD)
    assert [(each.direction, *each.verdicts[:2]) for each in found.changes] == [
        ("forward", "breaking", "-"),
        ("backward", "safe", "needs evidence"),
    ]
    assert found.changes[0].why.startswith("Under the old policy, for a caller of the new one: narrower")
