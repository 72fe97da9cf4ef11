"""What a contract can say and hardly means is a warning at its place; what it can mean is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.desk import compiled, findings, judge, rows

ODD = [
    ("{x: {type: float, min: -1000, max: 9, missing_values: [-999]}}", "sentinel-in-range", ("x", "missing_values", 0)),
    ("{x: {type: int, min: 0, max: 9, missing_values: [-1, -1]}}", "duplicate-value", ("x", "missing_values", 1)),
    ("{x: {type: int, unit: years, units: days}}", "duplicate-key", ("x", "units")),
    ("{x: {type: int, role: ignored, min: 3}}", "ignored-check", ("x", "min")),
    ("{x: {role: ignored, on_violation: warn}}", "ignored-check", ("x", "on_violation")),
    ("{x: {format: email}}", "personal-data", ("x",)),
    ("{home_phone: {type: string}}", "personal-data", ("home_phone",)),
    ("{Date-Of-Birth: {type: string}}", "personal-data", ("Date-Of-Birth",)),
    ("{a: {type: int, from: 't[0]'}, b: {type: int, from: 't[0]'}}", "one-place", ("b", "from")),
    ("{a: {role: timestamp}, b: {role: timestamp}}", "two-timestamps", ("b", "role")),
    ("{x: {type: int, min: 5, values: [3, 7]}}", "unreachable-value", ("x", "values", 0)),
    ("{x: {values: [ab, c], pattern: '[a-b]+'}}", "unreachable-value", ("x", "values", 1)),
    ("{x: {values: [a, b], not_values: [a]}}", "unreachable-value", ("x", "values", 0)),
    ("{x: {type: int, max: 5, not_values: [9]}}", "unreachable-value", ("x", "not_values", 0)),
    ("{x: {values: [a, b], missing_values: [b]}}", "unreachable-value", ("x", "values", 1)),
    ("{x: {type: int, values: [1, 1]}}", "duplicate-value", ("x", "values", 1)),
    ("{x: {type: int, not_values: [1, 1]}}", "duplicate-value", ("x", "not_values", 1)),
]


@pytest.mark.parametrize(("features", "code", "path"), ODD)
def test_what_is_odd_is_a_warning(features: str, code: str, path: tuple[Any, ...]) -> None:
    [finding] = findings(f"features: {features}")
    assert (finding.severity, finding.code, finding.path) == ("warning", code, ("features", *path))


@pytest.mark.parametrize(
    "features",
    [
        "{income: {type: float, min: 0, max: 5000000, missing_values: [-999, 999999999]}}",
        "{x: {type: float, missing_values: [-999]}}",
        "{x: {type: float, min: 0, missing_values: [999]}}",
        "{x: {type: int, unit: years, units: years}}",
        "{x: {type: int, role: ignored, description: Not looked at., unit: years}}",
        "{email: {type: string, pii: true}}",
        "{email: {type: string, role: slice_only}}",
        "{email_count: {type: int}, phone_model: {type: string}, mobile: {type: bool}}",
        "{a: {type: int, from: 't[0]'}, b: {type: int, from: 't[1]'}, c: {type: int}, d: {type: int}}",
        "{at: {role: timestamp, max_age: 1h}}",
    ],
)
def test_what_can_be_meant_is_not(features: str) -> None:
    assert findings(f"features: {features}") == []


def test_the_time_of_an_event_is_a_timestamp() -> None:
    contract = compiled("{mode: enforce, features: {at: {role: timestamp}}}")
    assert judge(contract, rows(at=["2027-01-15T08:00:00Z"])).codes == ()
    assert judge(contract, rows(at=["noon"])).codes == ("at.type",)
    (finding,) = findings("{features: {at: {role: timestamp, type: int}}}")
    assert (finding.code, finding.severity, finding.path) == ("check-does-not-fit", "error", ("features", "at", "role"))


def test_an_ignored_feature_is_never_looked_at() -> None:
    contract = compiled("{mode: enforce, unknown_features: reject, features: {x: {role: ignored}}}")
    assert judge(contract, rows(x=[None, "a", [1]])).total == 0
    assert contract.request_types() is not None
