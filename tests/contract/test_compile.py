"""What compiling says about contracts that cannot be meant, and about what this version leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.contract import compile_contract
from sidecar.problem import Disclosure
from sidecar.rows import MISSING
from tests.contract.desk import compiled, findings, section

FEATURES: list[tuple[str, str, tuple[Any, ...], str]] = [
    # (feature, finding, its path below the feature, words of the message)
    ("{type: integer}", "unknown-type", ("type",), "did you mean `int`"),
    ("{type: flaot}", "unknown-type", ("type",), "did you mean `float`"),
    ("{type: quux}", "unknown-type", ("type",), "types are int, float"),
    ('{type: "float[64"}', "unknown-type", ("type",), "closing bracket"),
    ('{type: "float[-1]"}', "unknown-type", ("type",), "dimension"),
    ('{type: "json[3]"}', "unknown-type", ("type",), "no vectors of json"),
    ("{type: int, min: 5, max: 4}", "contradictory-bounds", ("max",), "no value"),
    ("{type: int, exclusive_min: 4, max: 4}", "contradictory-bounds", ("max",), "no value"),
    ("{type: int, min: 0.1, max: 0.9}", "contradictory-bounds", ("max",), "no value"),
    ("{type: float, exclusive_min: 1, exclusive_max: 1}", "contradictory-bounds", ("exclusive_max",), "no value"),
    ("{type: string, min_length: 3, max_length: 2}", "contradictory-bounds", ("min_length",), "above max_length"),
    ("{type: string, max_length: -1}", "contradictory-bounds", ("max_length",), "0 or more"),
    ("{type: int, multiple_of: 0}", "contradictory-bounds", ("multiple_of",), "above 0"),
    ("{type: int, min: abc}", "bad-value", ("min",), "must be a number"),
    ("{type: int, min: '5'}", "bad-value", ("min",), "remove the quotes"),
    ("{type: int, min: 0123}", "bad-value", ("min",), "must be a number"),
    ("{type: float, max: 1e999}", "bad-value", ("max",), "double"),
    ("{type: timestamp, min: 2026}", "bad-value", ("min",), "RFC 3339"),
    ("{type: int, values: [1, 2.5]}", "bad-value", ("values", 1), "whole number"),
    ("{type: bool, values: [yes]}", "bad-value", ("values", 0), "true or false"),
    ('{type: "float[1,1,1,1,1,1,1,1,1]"}', "unknown-type", ("type",), "more than 8"),
    ("{type: int, missing_values: [[1]]}", "bad-value", ("missing_values", 0), "single values"),
    ("{type: int, values: []}", "no-values", ("values",), "empty"),
    ("{type: category}", "no-values", (), "needs `values`"),
    ("{type: category, values: [[a]]}", "bad-value", ("values", 0), "not a list"),
    ("{values: [[a]]}", "bad-value", ("values", 0), "not a list"),
    ("{type: string, min: 3}", "check-does-not-fit", ("min",), "a string cannot have `min`"),
    ("{type: int, pattern: a}", "check-does-not-fit", ("pattern",), "cannot have"),
    ("{type: int, finite: true}", "check-does-not-fit", ("finite",), "cannot have"),
    ("{type: float, not_in_future: true}", "check-does-not-fit", ("not_in_future",), "cannot have"),
    ("{type: float, max_age: 1h}", "check-does-not-fit", ("max_age",), "cannot have"),
    ("{type: int, max_length: 1}", "check-does-not-fit", ("max_length",), "cannot have"),
    ('{type: "float[2]", missing_values: [0]}', "check-does-not-fit", ("missing_values",), "a vector of float"),
    ("{type: int, max: 9, default: 10}", "breaks-own-checks", ("default",), "at most 9"),
    ("{type: int, default: 1.5}", "bad-value", ("default",), "whole number"),
    ("{type: int, default: [1]}", "bad-value", ("default",), "not a list"),
    ('{type: "float[3]", default: [1, 2]}', "bad-value", ("default",), "this list has 2 items"),
    ("{values: [a], on_violation: {replace: b}}", "breaks-own-checks", ("on_violation", "replace"), "one of a"),
    ("{type: int, on_violation: {replace: x}}", "bad-value", ("on_violation", "replace"), "must be a number"),
    ("{type: int, on_violation: clamp}", "clamp-without-bounds", ("on_violation",), "needs a bound"),
    ("{type: category, values: [a], on_violation: clamp}", "clamp-does-not-fit", ("on_violation",), "int and float"),
    ("{type: int, min: 1, multiple_of: 2, on_violation: clamp}", "breaks-own-checks", ("on_violation",), "the bound 1"),
    ("{type: int, on_violation: set_null}", "null-not-allowed", ("on_violation",), "may not be"),
    ("{type: int, on_violation: fallback}", "fallback-without-values", ("on_violation",), "no fallback values"),
    ("{type: int, role: key, default: 1}", "not-repairable", ("default",), "a key feature is never changed"),
    ("{type: int, role: slice_only, on_violation: {replace: 1}}", "not-repairable", ("on_violation",), "slice_only"),
    ("{min: 1, role: key, on_violation: clamp}", "not-repairable", ("on_violation",), "never changed"),
    ("{type: int, from: 'header:x-a', default: 1}", "not-repairable", ("default",), "a header is never changed"),
    ("{type: int, from: 'header:'}", "bad-source", ("from",), "needs a name"),
    ('{type: "float[3]", from: "header:x-a"}', "check-does-not-fit", ("type",), "header cannot hold"),
    ("{pattern: '(?=a)b'}", "bad-pattern", ("pattern",), "look-around"),
    ("{pattern: '(?<!a)b'}", "bad-pattern", ("pattern",), "look-around"),
    ("{pattern: '(a)\\1'}", "bad-pattern", ("pattern",), "back-reference"),
    ("{pattern: '(?>a)'}", "bad-pattern", ("pattern",), "atomic"),
    ("{pattern: 'a++'}", "bad-pattern", ("pattern",), "possessive"),
    ("{pattern: 'a{5000}'}", "bad-pattern", ("pattern",), "above 1000"),
    ("{use: 'x.yaml#/features/x'}", "use.unresolved", ("use",), "put in by the loader"),
    ("{type: date}", "unknown-type", ("type",), "write `type: string, format: date`"),
    ("{type: int, format: uuid}", "check-does-not-fit", ("format",), "an int cannot have"),
    ("{type: json, not_values: [1]}", "check-does-not-fit", ("not_values",), "cannot have"),
    ("{type: int, not_values: [x]}", "bad-value", ("not_values", 0), "must be a number"),
    ("{type: int, not_values: [3], default: 3}", "breaks-own-checks", ("default",), "must not be 3"),
    ("{format: date, default: today}", "breaks-own-checks", ("default",), "must be a day"),
    ("{pattern: '[a'}", "bad-pattern", ("pattern",), "missing ]"),
]


@pytest.mark.parametrize(("feature", "code", "path", "words"), FEATURES)
def test_what_cannot_be_meant_is_an_error_at_its_place(
    feature: str, code: str, path: tuple[Any, ...], words: str
) -> None:
    contract, found = compile_contract(section(f"features: {{x: {feature}}}"))
    assert contract is None
    [finding] = [one for one in found if one.severity == "error"]
    assert (finding.code, finding.path) == (code, ("features", "x", *path))
    assert words in finding.message


WARNINGS: list[tuple[str, str, tuple[Any, ...]]] = [
    ("{features: {x: {values: [a, b], missing_values: [b]}}}", "unreachable-value", ("features", "x", "values", 1)),
    ("{features: {x: {type: int, values: [1, 9], max: 5}}}", "unreachable-value", ("features", "x", "values", 1)),
    ("{features: {x: {values: [a, a]}}}", "duplicate-value", ("features", "x", "values", 1)),
]


@pytest.mark.parametrize(("text", "code", "path"), WARNINGS)
def test_what_is_odd_or_left_alone_is_a_warning(text: str, code: str, path: tuple[Any, ...]) -> None:
    contract, found = compile_contract(section(text))
    assert contract is not None
    assert [(one.code, one.path, one.severity) for one in found] == [(code, path, "warning")]


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        ("{on_bad_rows: fallback}", "fallback-without-values", ("on_bad_rows",)),
        ("{fallback: {on: [timeout]}}", "fallback-without-values", ("fallback",)),
        ("{prediction: {score: {max: 1}, label: {values: [a]}}, fallback: {values: {score: 1}}}",
         "fallback-value-missing", ("fallback", "values")),
        ("{prediction: {score: {max: 1}}, fallback: {values: {score: high}}}",
         "bad-value", ("fallback", "values", "score")),
        ("{prediction: {score: {max: 1}}, fallback: {values: {score: 1, scores: 1}}}", "", ()),
        ("{prediction: {score: {type: numbr}}, fallback: {values: {score: 1}}}",
         "unknown-type", ("prediction", "score", "type")),
    ],
)  # fmt: skip
def test_a_fallback_must_be_whole(text: str, code: str, path: tuple[Any, ...]) -> None:
    found = findings(text)
    assert [(one.code, one.path) for one in found] == ([(code, path)] if code else [])


def test_a_misspelled_prediction_is_guessed() -> None:
    found = findings("{prediction: {score: {max: 1}}, fallback: {values: {scor: 1}}}")
    assert "did you mean `score`?" in found[-1].message


def test_all_findings_come_at_once() -> None:
    found = findings("{features: {a: {type: nope}, b: {min: x}, c: {pattern: '[', type: string}}}")
    assert [one.path[1] for one in found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("feature", "good", "bad"),
    [
        ("{min: 0, max: 10}", 3.5, "3"),
        ("{values: [1, 2]}", 2, 2.5),
        ("{values: [1, 2.5]}", 2.5, "2.5"),
        ("{values: [true]}", True, 1),
        ("{values: [a, 1]}", 1, True),
        ("{pattern: '[a-z]+'}", "abc", 1),
        ("{max_length: 3}", "abc", 1),
        ("{not_in_future: true}", "2020-01-01T00:00:00Z", 5),
        ("{min: 2020-01-01T00:00:00Z}", "2020-01-01T00:00:00Z", 5),
        ("{finite: true}", 1.5, "1.5"),
        ("{multiple_of: 2}", 4, "4"),
        ("{default: 3}", 1.5, "3"),
        ("{default: abc}", "x", 3),
        ("{default: true}", False, 0),
        ("{}", {"any": []}, None),
    ],
)
def test_the_type_is_inferred_from_the_checks(feature: str, good: Any, bad: Any) -> None:
    cell = compiled(f"features: {{x: {feature}}}").cells[0]
    assert not cell.examine(good, 1.8e9).broken
    assert cell.examine(bad, 1.8e9).broken


WHOLE_POLICY = """
mode: enforce
on_bad_rows: reject_request
unknown_features: warn
on_guard_error: reject
features:
  application_id: {type: string, role: key, max_length: 36}
  age: {type: int, min: 0, max: 120, unit: years, source: customer-core, description: Age at application.}
  income:
    type: float
    min: 0
    max: 5000000
    missing_values: [-999, 999999999]
    on_violation: clamp
    repair_alert_above: 1%
  occupation:
    type: category
    values: [employed, self_employed, retired, student, unemployed, other]
    on_violation: {replace: other}
  tenure_months: {type: int, min: 0, required: false, default: 0, repair_alert_above: 5%}
  postcode: {type: string, pattern: "[0-9]{5}", pii: true, on_violation: warn}
  balance_at: {type: timestamp, not_in_future: true, max_age: 48h, on_violation: warn}
  salary: {type: float, min: 0, nullable: true, watch: {null_rate: 40%}}
  loan_amount: {type: float, min: 100, max: 500000}
  region: {type: category, values: [n, s, e, w], from: "header:x-region", role: slice_only}
  profile: {type: "float[64]", finite: true}
rules:
  - {id: retired-earns-no-salary, when: occupation == 'retired', expect: salary is null or salary == 0}
  - {id: loan-within-reach, expect: loan_amount <= 10 * income, mode: observe, owner: {team: policy}}
prediction:
  score: {type: float, min: 0, max: 1, finite: true, on_violation: fallback}
fallback: {on: [contract, timeout, upstream_error], values: {score: 0.5}}
errors: codes
candidate: credit-risk-next.yaml
"""


def test_the_whole_policy_compiles() -> None:
    contract = compiled(WHOLE_POLICY)
    assert list(contract.features)[:2] == ["application_id", "age"]
    assert contract.features["region"] == "header:x-region"
    assert contract.stripped_headers == ("x-region",)
    assert contract.predictions == ("score",)
    assert contract.fallback_on == {"contract", "timeout", "upstream_error"}
    assert contract.errors is Disclosure.CODES
    assert contract.on_guard_error == "reject"
    assert {one.code for one in findings(WHOLE_POLICY)} == set()


def test_the_values_a_policy_sets_are_of_the_features_own_class() -> None:
    cells = compiled("features: {a: {type: float, default: 3}, b: {type: int, default: 3}, c: {type: int}}").cells
    assert [cell.default for cell in cells] == [3.0, 3, MISSING]
    assert [cell.default.__class__ for cell in cells[:2]] == [float, int]
