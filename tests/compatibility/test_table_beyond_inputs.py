"""The rest of the compatibility table: answers, what nobody can decide, identity, monitoring, names and owners."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.compatibility import compare

from .desk import (
    BREAKING,
    BREAKING_ANSWER,
    IDENTITY,
    INT,
    NARROWED_ANSWER,
    RULE,
    TEXT,
    UNKNOWN,
    UNKNOWN_ANSWER,
    WATCHED,
    contracts,
    feature,
    only,
    output,
    policy,
    rules,
    views,
)

# -- answers: the other way round


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "float", "max": 1}, {"type": "float", "max": 2}),
        ({"type": "category", "values": ["a"]}, {"type": "category", "values": ["a", "b"]}),
        ({"type": "float"}, {"type": "float", "nullable": True}),
        ({"type": "float"}, {"type": "float", "required": False}),
        ({"type": "int"}, {"type": "float"}),
        ({"type": "float", "max": 1}, {"type": "float", "max": 1, "on_violation": "warn"}),
    ],
    ids=["range", "class", "null", "absent", "type", "unkept"],
)
def test_answers_widen(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert views(output(old, new)) == BREAKING_ANSWER


def test_answers_are_no_longer_promised_anything() -> None:
    assert views(contracts({"prediction": {"score": {"type": "float"}}}, {})) == BREAKING_ANSWER


def test_the_fallback_changes_its_shape() -> None:
    def fallback(**values: Any) -> dict[str, Any]:
        return {"fallback": {"values": values}}

    assert views(contracts(fallback(score=0.5), fallback(score="none"))) == BREAKING_ANSWER
    assert views(contracts(fallback(score=0.5), fallback(score=0.5, label="a"))) == BREAKING_ANSWER
    assert views(contracts(fallback(score=0.5), fallback(score=0.6))) == ("semantic", "-", "-", "minor")
    assert views(contracts(fallback(score=0.5), {})) == BREAKING_ANSWER


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "float", "max": 2}, {"type": "float", "max": 1}),
        ({"type": "float", "nullable": True}, {"type": "float"}),
        ({"type": "float"}, {"type": "int"}),
    ],
    ids=["range", "null", "type"],
)
def test_answers_narrow(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert views(output(old, new)) == NARROWED_ANSWER


def test_a_new_optional_output() -> None:
    new = {"prediction": {"score": {"type": "float", "required": False}}}
    assert views(contracts({}, new)) == NARROWED_ANSWER


# -- undecidable


def test_a_pattern_changes() -> None:
    old, new = ({"type": "string", "pattern": pattern} for pattern in ("[0-9]{5}", "[0-9]{4}"))
    assert views(feature(old, new)) == UNKNOWN
    assert views(output(old, new)) == UNKNOWN_ANSWER


def test_an_expression_changes() -> None:
    assert rules([RULE], [{**RULE, "expect": "x < 11"}]) == UNKNOWN
    assert rules([{**RULE, "when": "x > 1"}], [{**RULE, "when": "x > 2"}]) == UNKNOWN


def test_an_expression_written_with_other_spaces_is_the_same() -> None:
    assert rules([RULE], [{**RULE, "expect": "x  <  10"}]) == TEXT


def test_white_space_inside_quotes_is_part_of_the_text() -> None:
    features = {"features": {"x": {"type": "string"}}}
    old, new = ({**features, "rules": [{"id": "r", "expect": f"x == '{text}'"}]} for text in ("a b", "a  b"))
    assert views(contracts(old, new)) == UNKNOWN


# -- identity, monitoring, text


@pytest.mark.parametrize(
    ("section", "old", "new", "path"),
    [
        ("model", {"protocol": "oip", "version": ["14"]}, {"protocol": "oip", "version": ["15"]}, "model.version"),
        ("model", {"protocol": "oip", "digest": "sha256:aaaaaa"}, {"protocol": "oip", "digest": "sha256:bbbbbb"},
         "model.digest"),
        ("lineage", {"baseline": "14.json"}, {"baseline": "15.json"}, "lineage.baseline"),
        ("upstream", {"url": "http://a:1"}, {"url": "http://b:1"}, "upstream.url"),
        ("environment", "staging", "production", "environment"),
    ],
)  # fmt: skip
def test_identity_is_shown_on_top(section: str, old: Any, new: Any, path: str) -> None:
    before = policy({"features": {"x": INT}}, **{section: old})
    after = policy({"features": {"x": {**INT, "max": 9}}}, **{section: new})
    top, other = compare(before, after).changes
    caller, model, monitor, _ = top.verdicts
    assert (caller, model, monitor, top.bump) == IDENTITY
    assert top.path == path
    assert other.path == "contract.features.x.max"


def test_another_address_or_protocol_breaks_and_is_identity() -> None:
    found = compare(policy(model={"protocol": "oip", "name": "a"}), policy(model={"protocol": "oip", "name": "b"}))
    assert views(found) == ("breaking", "identity", "-", "major")
    assert only(compare(policy(), policy(model={"protocol": "oip"}))).path == "model.protocol"


@pytest.mark.parametrize(
    ("section", "old", "new", "path"),
    [
        ("watch", {"window": "1h"}, {"window": "2h"}, "watch.window"),
        ("slices", [{"name": "s", "by": "x"}], [], "slices.s"),
        ("journal", {"max_bytes": "1GiB"}, {"max_bytes": "2GiB"}, "journal.max_bytes"),
        ("capture", {"sample": "100%"}, {"sample": "50%"}, "capture.sample"),
        ("trace", {"sample": "5%"}, {"sample": "6%"}, "trace.sample"),
    ],
)
def test_what_is_watched_is_told_apart(section: str, old: Any, new: Any, path: str) -> None:
    found = compare(policy(**{section: old}), policy(**{section: new}))
    assert views(found) == WATCHED
    assert only(found).path == path


def test_a_feature_is_watched_otherwise() -> None:
    assert views(feature(INT, {**INT, "watch": {"null_rate": "4%"}})) == WATCHED
    assert views(feature(INT, {**INT, "pii": True})) == WATCHED
    assert views(feature({**INT, "on_violation": "warn"}, {**INT, "on_violation": "ignore"})) == WATCHED


def test_owner_and_text_are_a_patch() -> None:
    assert views(compare(policy(), policy(purpose="To lend."))) == TEXT
    assert views(compare(policy(), policy(owner={"team": "other"}))) == TEXT
    assert views(feature(INT, {**INT, "description": "Age."})) == TEXT
    assert views(feature(INT, {**INT, "owner": {"team": "a"}})) == TEXT


# -- renames


def test_a_declared_rename_is_one_change() -> None:
    found = contracts({"features": {"age": INT}}, {"features": {"years": {**INT, "renamed_from": "age"}}})
    assert views(found) == BREAKING
    assert (only(found).old, only(found).new) == ("age", "years")


def test_an_undeclared_rename_is_a_removal_and_an_addition() -> None:
    found = contracts({"features": {"age": INT}}, {"features": {"years": INT}})
    assert [change.path for change in found.changes] == ["contract.features.years", "contract.features.age"]


def test_a_renamed_feature_is_compared_with_what_it_was() -> None:
    new = {"features": {"years": {**INT, "max": 9, "renamed_from": "age"}}}
    paths = {change.path for change in contracts({"features": {"age": INT}}, new).changes}
    assert paths == {"contract.features.years.max", "contract.features.years.renamed_from"}


def test_a_rename_in_its_place_is_our_own_business() -> None:
    """Callers send positions; the names are ours. Rules that use the name follow it."""
    old = policy(
        {"features": {"age": INT}, "rules": [{"id": "r", "expect": "age < 99"}]},
        model={"protocol": "oip", "columns": {"input-0": ["age", "income"]}},
    )
    new = policy(
        {"features": {"years": {**INT, "renamed_from": "age"}}, "rules": [{"id": "r", "expect": "years < 99"}]},
        model={"protocol": "oip", "columns": {"input-0": ["years", "income"]}},
    )
    found = compare(old, new)
    assert {change.verdicts.caller for change in found.changes} == {"safe"}
    assert {change.path for change in found.changes} == {"contract.features.years.renamed_from", "model.columns"}


def test_a_rename_leaves_text_in_quotes_alone() -> None:
    old = policy(
        {"features": {"my age": {"type": "string"}}, "rules": [{"id": "r", "expect": "`my age` != 'not my age'"}]}
    )
    new = policy(
        {
            "features": {"years": {**{"type": "string"}, "renamed_from": "my age"}},
            "rules": [{"id": "r", "expect": "years != 'not years'"}],
        }
    )
    (rule,) = [change for change in compare(old, new).changes if change.path.startswith("contract.rules")]
    assert (rule.old, rule.verdicts.caller) == ("\"years != 'not my age'\"", "unknown")


def test_positions_that_move_break() -> None:
    old, new = (
        policy(model={"protocol": "oip", "columns": {"input-0": columns}}) for columns in (["a", "b"], ["b", "a"])
    )
    assert views(compare(old, new)) == BREAKING


# -- who must look


def test_the_nearest_owner_must_look() -> None:
    found = feature({**INT, "owner": {"team": "core"}}, {**INT, "max": 9, "owner": {"team": "core"}})
    assert only(found).owner == "core"
    assert only(feature(INT, {**INT, "max": 9})).owner == "risk"
