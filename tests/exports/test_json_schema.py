"""A row is valid against the schema exactly where the contract has nothing to say but a default filled in."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from sidecar.contract import Compiled, compile_contract
from sidecar.exports import Options, targets
from sidecar.exports.base import Draft
from sidecar.policy import Policy
from sidecar.verdict import Action
from tests.contract.desk import judge, table_of
from tests.contract.generate import CELLS, contracts

from .desk import policy

VALIDATORS: dict[Draft, Any] = {"2020-12": Draft202012Validator, "draft-07": Draft7Validator}


def schema_of(subject: Policy, draft: Draft = "2020-12") -> dict[str, Any]:
    document: dict[str, Any] = targets()["json-schema"].export(subject, Options(draft)).document
    VALIDATORS[draft].check_schema(document)
    return document


def valid(schema: dict[str, Any], row: Any, draft: Draft = "2020-12") -> bool:
    return bool(VALIDATORS[draft](schema).is_valid(row))


def taken(contract: Compiled, subject: Policy, row: dict[str, Any]) -> bool | None:
    """Nothing is broken but what a default fills in; None: only what the schema says that it cannot say."""
    unsaid = {
        (one.about, check)
        for one in targets()["json-schema"].export(subject, Options()).unsaid
        for check in one.check.split(", ")
    }
    verdict = judge(contract, table_of(contract, [row]))
    assert verdict.total <= len(verdict.violations)
    answer: bool | None = True
    for violation in verdict.violations:
        check = violation.code.rpartition(".")[2]
        if violation.applied is Action.DEFAULT or check == "missing_values":
            continue
        unknown = violation.code.startswith("unknown.")
        if unknown and subject.contract.unknown_features == "ignore":
            continue
        said = ("", "unknown_features") if unknown else (violation.feature, check)
        if said not in unsaid and ("", violation.code) not in unsaid:
            return False
        answer = None
    return answer


def is_json(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(is_json, value))
    return all(map(is_json, value.values())) if isinstance(value, dict) else True


def exact(value: Any) -> bool:
    """Numbers whose remainder doubles and decimals agree about."""
    return not isinstance(value, float) or (abs(value) < 2**50 and (value * 64).is_integer())


@given(drawn=contracts(), data=st.data())
@settings(max_examples=120, deadline=None)
def test_schema_and_contract_agree(drawn: dict[str, Any], data: st.DataObject) -> None:
    for feature in drawn["features"].values():
        if feature.get("multiple_of") == 0.1:
            # 0.1 is no binary fraction: validators that divide doubles disagree among themselves.
            feature["multiple_of"] = 0.25
    subject = policy(drawn)
    contract, findings = compile_contract(subject.contract)
    assume(contract is not None)
    assert contract is not None, findings
    schemas: dict[Draft, dict[str, Any]] = {draft: schema_of(subject, draft) for draft in VALIDATORS}
    names = [*drawn["features"], "odd"]
    for _ in range(8):
        row = data.draw(st.dictionaries(st.sampled_from(names), CELLS, max_size=len(names)))
        multiples = [name for name, feature in drawn["features"].items() if "multiple_of" in feature]
        if not is_json(row) or not all(exact(row.get(name)) for name in multiples):
            continue
        row = json.loads(json.dumps(row))
        expected = taken(contract, subject, row)
        for draft, schema in schemas.items():
            if expected is not None:
                assert valid(schema, row, draft) is expected, (draft, schema, row)


@pytest.mark.parametrize(
    ("feature", "good", "bad"),
    [
        ("{type: int, min: 0, max: 120}", [0, 120, 41.0], [-1, 121, 41.5, "41", True, None]),
        ("{type: float, exclusive_min: 0, exclusive_max: 1}", [0.5], [0, 1, "0.5"]),
        ("{type: float, multiple_of: 0.25}", [0.5, 3], [0.3]),
        ("{type: string, pattern: '[0-9]{5}'}", ["12043"], ["1204", "120431", "12043\n", "x12043"]),
        ("{type: string, pattern: 'a.b|c'}", ["axb", "c"], ["a\nb", "axbx", "xc"]),
        ("{type: string, min_length: 1, max_length: 2}", ["é", "☃☃"], ["", "abc"]),
        ("{type: category, values: [a, 1, true]}", ["a", 1, 1.0, True], ["1", False, 2, None]),
        ("{type: bool}", [True, False], [1, 0, "true"]),
        ("{type: 'float[2]', min: 0}", [[0, 1.5]], [[0], [0, 1, 2], [0, -1], [0, "1"], 0]),
        ("{type: 'int[2,2]'}", [[[1, 2], [3, 4]]], [[1, 2, 3, 4], [[1, 2], [3]]]),
        ("{type: 'float[]', min_length: 1, max_length: 2}", [[1], [1, 2]], [[], [1, 2, 3]]),
        ("{type: json}", [1, {"a": []}, [None]], [None]),
        ("{type: json, nullable: true}", [1, None], []),
        ("{type: float, nullable: true, missing_values: [-999], min: 0}", [1, None, -999], [-1]),
        ("{type: float, missing_values: [5, 'N/A'], min: 0}", [4], [5, "N/A", None]),
        ("{type: float, missing_values: [-1], default: 3, min: 0}", [4, None, -1], [-2]),
        ("{type: int, not_values: [13]}", [12, 14], [13]),
        ("{type: string, format: iso-country}", ["DE"], ["XX", "de"]),
        ("{role: ignored}", [1, None, "x"], []),
    ],
)
def test_each_check_has_its_words(feature: str, good: list[Any], bad: list[Any]) -> None:
    schema = schema_of(policy(f"{{features: {{x: {feature}}}}}"))
    for value in good:
        assert valid(schema, {"x": value}), (value, schema)
    for value in bad:
        assert not valid(schema, {"x": value}), (value, schema)


def test_what_may_be_left_out() -> None:
    features = "{a: {type: int}, b: {type: int, required: false}, c: {type: int, default: 3}}"
    schema = schema_of(policy(f"{{features: {features}}}"))
    assert schema["required"] == ["a"]
    assert schema["properties"]["c"]["default"] == 3


def test_unknown_names_are_refused_where_the_contract_refuses_them() -> None:
    closed = schema_of(policy("{unknown_features: reject, features: {a: {type: int}}}"))
    assert not valid(closed, {"a": 1, "b": 2})
    assert valid(schema_of(policy("{features: {a: {type: int}}}")), {"a": 1, "b": 2})


def test_what_cannot_be_said_is_listed() -> None:
    subject = policy(
        """
        unknown_features: warn
        features:
          at: {type: timestamp, not_in_future: true, max_age: 48h, min: 2020-01-01T00:00:00Z}
          code: {type: string, pattern: '\\pL+', unique: true}
          region: {type: category, values: [n, s], from: "header:x-region"}
          old: {type: int, lifecycle: deprecated, required: false}
          income: {type: float}
        rules: [{id: some-income, expect: income > 0}]
        """.replace("\n", "\n  ")
    )
    exported = targets()["json-schema"].export(subject, Options())
    assert {(one.about, one.check) for one in exported.unsaid} == {
        ("at", "type"), ("at", "min"), ("at", "not_in_future"), ("at", "max_age"), ("code", "pattern"),
        ("code", "unique"), ("region", "from"), ("old", "deprecated"), ("", "unknown_features"),
        ("", "rule.some-income"),
    }  # fmt: skip
    assert len(exported.document["x-sidecar-not-expressed"]) == len(exported.unsaid)
    assert "region" not in exported.document["properties"]
    assert exported.document["properties"]["old"]["deprecated"] is True


def test_readers_are_told_who_and_why() -> None:
    subject = policy(
        "{features: {age: {type: int, units: years, source: customer-core, description: Age., on_violation: warn, "
        "pii: true}}, prediction: {score: {type: float, max: 1}}}",
        version="2.0.0",
        purpose="Who pays.",
    )
    schema = targets()["json-schema"].export(subject, Options(digest="b2:1")).document
    assert schema["description"] == "Who pays."
    assert schema["x-sidecar-policy"] == {"name": "credit-risk", "version": "2.0.0", "digest": "b2:1"}
    assert schema["properties"]["age"] == {
        "description": "Age.", "x-sidecar-unit": "years", "x-sidecar-on-violation": "warn",
        "x-sidecar-source": "customer-core", "x-sidecar-pii": True, "type": "integer",
    }  # fmt: skip
    assert schema["x-sidecar-prediction"]["properties"] == {"score": {"type": "number", "maximum": 1}}
