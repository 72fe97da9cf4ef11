"""One value at a time: (feature, value) → codes, outcome, the value sent."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sidecar.rows import MISSING, Change
from sidecar.verdict import Action, Outcome
from tests.contract.desk import judge, one_feature, rows

NAN, INF = math.nan, math.inf
VECTOR = [0.5] * 3

CHECKS: list[tuple[str, Any, str]] = [
    # (feature, value, the check it breaks or "")
    ("{type: int}", 3, ""),
    ("{type: int}", 42.0, ""),
    ("{type: int}", -0.0, ""),
    ("{type: int}", 10**30, ""),
    ("{type: int}", 3.5, "type"),
    ("{type: int}", True, "type"),
    ("{type: int}", "3", "type"),
    ("{type: int}", [3], "type"),
    ("{type: int}", {}, "type"),
    ("{type: int}", None, "null"),
    ("{type: int}", MISSING, "required"),
    ("{type: int}", NAN, "finite"),
    ("{type: int, min: 0, max: 120}", 0, ""),
    ("{type: int, min: 0, max: 120}", 120, ""),
    ("{type: int, min: 0, max: 120}", 120.0, ""),
    ("{type: int, min: 0, max: 120}", -1, "min"),
    ("{type: int, min: 0, max: 120}", 121, "max"),
    ("{type: int, max: 9007199254740993}", 9007199254740993, ""),
    ("{type: int, max: 9007199254740993}", 9007199254740994, "max"),
    ("{type: int, exclusive_min: 0}", 0, "exclusive_min"),
    ("{type: int, exclusive_min: 0}", 1, ""),
    ("{type: int, exclusive_max: 5}", 5, "exclusive_max"),
    ("{type: int, multiple_of: 5}", 15, ""),
    ("{type: int, multiple_of: 5}", 16, "multiple_of"),
    ("{type: int, multiple_of: 3}", 1e300, "multiple_of"),
    ("{type: int, max: 100000000000000000000000}", 1e23, ""),
    ("{type: int, values: [1, 2]}", 2.0, ""),
    ("{type: int, values: [1, 2]}", 3, "values"),
    ("{type: int, values: [1, 2]}", True, "type"),
    ("{type: float}", 1, ""),
    ("{type: float}", -1.5, ""),
    ("{type: float}", False, "type"),
    ("{type: float}", "1.5", "type"),
    ("{type: float}", NAN, "finite"),
    ("{type: float}", -INF, "finite"),
    ("{type: float}", 10**400, "finite"),
    ("{type: float, min: 0, max: 1}", INF, "finite"),
    ("{type: float, finite: false}", NAN, ""),
    ("{type: float, finite: false, min: 0}", NAN, ""),
    ("{type: float, finite: false, min: 0}", -INF, "min"),
    ("{type: float, min: 0.1}", 0.1, ""),
    ("{type: float, min: 0.1}", 0.09999999999999999, "min"),
    ("{type: float, exclusive_max: 1}", 0.9999999999999999, ""),
    ("{type: float, exclusive_max: 1}", 1, "exclusive_max"),
    ("{type: float, multiple_of: 0.1}", 0.3, ""),
    ("{type: float, multiple_of: 0.1}", 0.35, "multiple_of"),
    ("{type: float, multiple_of: 0.1}", 1e308, ""),
    ("{type: bool}", True, ""),
    ("{type: bool}", 1, "type"),
    ("{type: bool}", "true", "type"),
    ("{type: bool, values: [true]}", False, "values"),
    ("{type: string}", "", ""),
    ("{type: string}", "001", ""),
    ("{type: string}", 1, "type"),
    ("{type: string, values: [no, 01]}", "no", ""),
    ("{type: string, values: [no, 01]}", "01", ""),
    ("{type: string, values: [no, 01]}", "1", "values"),
    ("{type: string, min_length: 2}", "é", "min_length"),
    ("{type: string, max_length: 1}", "😀", ""),
    ("{type: string, max_length: 1}", "ab", "max_length"),
    ('{type: string, pattern: "[0-9]{5}"}', "01234", ""),
    ('{type: string, pattern: "[0-9]{5}"}', "012345", "pattern"),
    ('{type: string, pattern: "[0-9]{5}"}', "01234\n", "pattern"),
    ('{type: string, pattern: ".*"}', "\ud800", "pattern"),
    ("{type: category, values: [a, b]}", "a", ""),
    ("{type: category, values: [a, b]}", "A", "values"),
    ("{type: category, values: [a, b]}", 1, "values"),
    ("{type: category, values: [a, b]}", ["a"], "type"),
    ("{type: category, values: [1, 2]}", 1, ""),
    ("{type: category, values: [1, 2]}", 1.0, ""),
    ("{type: category, values: [1, 2]}", "1", "values"),
    ("{type: category, values: [1, 2]}", True, "values"),
    ('{type: category, values: ["1", no]}', "1", ""),
    ('{type: category, values: ["1", no]}', 1, "values"),
    ("{type: timestamp}", "2026-01-31T12:00:00Z", ""),
    ("{type: timestamp}", "2026-01-31T12:00:00", "type"),
    ("{type: timestamp}", "2026-01-31", "type"),
    ("{type: timestamp}", 1_700_000_000, "type"),
    ("{type: timestamp, min: 2026-01-01T00:00:00Z}", "2025-12-31T23:59:59Z", "min"),
    ("{type: timestamp, min: 2026-01-01T00:00:00Z}", "2025-12-31T23:59:59-01:00", ""),
    ("{type: timestamp, not_in_future: true}", "2027-01-15T08:00:00Z", ""),
    ("{type: timestamp, not_in_future: true}", "2027-01-15T08:00:01Z", "not_in_future"),
    ("{type: timestamp, max_age: 48h}", "2027-01-13T08:00:00Z", ""),
    ("{type: timestamp, max_age: 48h}", "2027-01-13T07:59:59Z", "max_age"),
    ('{type: "float[3]"}', VECTOR, ""),
    ('{type: "float[3]"}', [1, 2, 3.5], ""),
    ('{type: "float[3]"}', [0.5] * 4, "shape"),
    ('{type: "float[3]"}', 0.5, "type"),
    ('{type: "float[3]"}', [1, 2, "3"], "type"),
    ('{type: "float[3]"}', [1, 2, True], "type"),
    ('{type: "float[3]"}', [1, 2, None], "type"),
    ('{type: "float[3]"}', [1, 2, NAN], "finite"),
    ('{type: "float[3]"}', [INF, -INF, 0.0], "finite"),
    ('{type: "float[3]", finite: false}', [1, 2, NAN], ""),
    ('{type: "float[3]", min: 0}', [0.0, 1.0, -0.5], "min"),
    ('{type: "float[3]", min: 0, finite: false}', [NAN, 1.0, -0.5], "min"),
    ('{type: "float[]"}', [], ""),
    ('{type: "float[]", min_length: 1}', [], "min_length"),
    ('{type: "float[]", max_length: 2}', VECTOR, "max_length"),
    ('{type: "float[]", min: 0}', [], ""),
    ('{type: "float[2,3]"}', [VECTOR, VECTOR], ""),
    ('{type: "float[2,3]"}', [VECTOR, [0.5] * 2], "shape"),
    ('{type: "float[2,3]"}', [VECTOR, 0.5], "shape"),
    ('{type: "float[2,3]"}', [VECTOR], "shape"),
    ('{type: "float[3]"}', [VECTOR, VECTOR, VECTOR], "shape"),
    ('{type: "float[,2]"}', [[1.0, 2.0]] * 5, ""),
    ('{type: "float[,]"}', [[1.0, 2.0], [1.0]], "shape"),
    ('{type: "int[2]"}', [1, 2.0], ""),
    ('{type: "int[2]"}', [1, 2.5], "type"),
    ('{type: "int[2]", max: 2}', [1, 3.0], "max"),
    ('{type: "string[]", values: [a, b]}', ["a", "c"], "values"),
    ("{type: bytes, max_length: 2}", b"ab", ""),
    ("{type: bytes, max_length: 2}", "é!", "max_length"),
    ("{type: bytes}", 1, "type"),
    ("{type: json}", {"a": [None]}, ""),
    ("{type: json}", None, "null"),
    ("{}", "anything", ""),
    ("{type: int, nullable: true}", None, ""),
    ("{type: int, required: false}", MISSING, ""),
    ("{type: int, required: false}", None, "null"),
    ("{type: int, missing_values: [-1]}", -1, "null"),
    ("{type: int, missing_values: [-1]}", -1.0, "null"),
    ("{type: int, missing_values: [N/A]}", "N/A", "null"),
    ("{type: float, missing_values: [NaN]}", NAN, "null"),
    ("{type: int, missing_values: [1]}", True, "type"),
    ('{type: string, missing_values: [""]}', "", "null"),
    ("{type: int, role: key, min: 0}", -1, "min"),
    ("{role: ignored, type: int}", "whatever", ""),
]


@pytest.mark.parametrize(("feature", "value", "check"), CHECKS)
def test_a_value_breaks_exactly_the_check_it_breaks(feature: str, value: Any, check: str) -> None:
    verdict = judge(one_feature(feature), rows(x=[value]))
    assert verdict.codes == ((f"x.{check}",) if check else ())
    assert verdict.outcome is (Outcome.REJECTED if check else Outcome.OK)
    assert not verdict.changes


def test_all_checks_of_a_value_run() -> None:
    contract = one_feature("{type: int, min: 0, multiple_of: 2, values: [2, 4]}")
    assert judge(contract, rows(x=[-3])).codes == ("x.min", "x.multiple_of", "x.values")


KEEP = object()

ACTIONS: list[tuple[str, Any, str, Action, Outcome, Any]] = [
    # (feature, value, check, applied, outcome, the value sent)
    ("{min: 0, on_violation: reject}", -1, "min", Action.REJECT, Outcome.REJECTED, KEEP),
    ("{min: 0, on_violation: fallback}", -1, "min", Action.FALLBACK, Outcome.FALLBACK, KEEP),
    ("{min: 0, on_violation: drop}", -1, "min", Action.DROP, Outcome.REJECTED, KEEP),
    ("{min: 0, on_violation: warn}", -1, "min", Action.WARN, Outcome.OBSERVED, KEEP),
    ("{min: 0, on_violation: ignore}", -1, "min", Action.IGNORE, Outcome.OK, KEEP),
    ("{type: float, min: 0, on_violation: clamp}", -1, "min", Action.CLAMP, Outcome.REPAIRED, 0.0),
    ("{type: float, max: 9, on_violation: clamp}", 10**20, "max", Action.CLAMP, Outcome.REPAIRED, 9.0),
    ("{type: int, max: 9, on_violation: clamp}", 10.0, "max", Action.CLAMP, Outcome.REPAIRED, 9),
    ("{type: int, max: 9.5, on_violation: clamp}", 10, "max", Action.CLAMP, Outcome.REPAIRED, 9),
    ("{type: int, exclusive_min: 0, on_violation: clamp}", 0, "exclusive_min", Action.CLAMP, Outcome.REPAIRED, 1),
    (
        "{type: float, exclusive_max: 1, on_violation: clamp}",
        1.0,
        "exclusive_max",
        Action.CLAMP,
        Outcome.REPAIRED,
        math.nextafter(1.0, 0.0),
    ),
    ("{type: float, finite: false, max: 1, on_violation: clamp}", INF, "max", Action.CLAMP, Outcome.REPAIRED, 1.0),
    # clamp mends only what is out of bounds
    ("{type: float, max: 1, on_violation: clamp}", INF, "finite", Action.REJECT, Outcome.REJECTED, KEEP),
    ("{type: float, max: 1, on_violation: clamp}", "1", "type", Action.REJECT, Outcome.REJECTED, KEEP),
    ("{type: float, max: 1, on_violation: clamp}", None, "null", Action.REJECT, Outcome.REJECTED, KEEP),
    ("{type: float, max: 1, on_violation: clamp}", MISSING, "required", Action.REJECT, Outcome.REJECTED, KEEP),
    # replace mends everything
    ("{values: [a, b], on_violation: {replace: b}}", "c", "values", Action.REPLACE, Outcome.REPAIRED, "b"),
    ("{values: [a, b], on_violation: {replace: b}}", [], "type", Action.REPLACE, Outcome.REPAIRED, "b"),
    ("{values: [a, b], on_violation: {replace: b}}", None, "null", Action.REPLACE, Outcome.REPAIRED, "b"),
    ("{values: [a, b], on_violation: {replace: b}}", MISSING, "required", Action.REPLACE, Outcome.REPAIRED, "b"),
    ("{type: float, min: 0, on_violation: {replace: 1}}", -1, "min", Action.REPLACE, Outcome.REPAIRED, 1.0),
    ('{type: "float[2]", on_violation: {replace: [0, 1]}}', [1], "shape", Action.REPLACE, Outcome.REPAIRED, [0.0, 1.0]),
    ("{max: 1, nullable: true, on_violation: set_null}", "?", "type", Action.SET_NULL, Outcome.REPAIRED, None),
    ("{max: 1, nullable: true, on_violation: set_null}", MISSING, "required", Action.SET_NULL, Outcome.REPAIRED, None),
    # a default answers missing and null, and counts as a repair
    ("{type: int, default: 7}", MISSING, "required", Action.DEFAULT, Outcome.REPAIRED, 7),
    ("{type: int, default: 7}", None, "null", Action.DEFAULT, Outcome.REPAIRED, 7),
    ("{type: int, default: 7, required: false}", MISSING, "default", Action.DEFAULT, Outcome.REPAIRED, 7),
    ("{type: int, default: 7, nullable: true}", None, "default", Action.DEFAULT, Outcome.REPAIRED, 7),
    ("{type: int, default: 7, missing_values: [-1]}", -1, "null", Action.DEFAULT, Outcome.REPAIRED, 7),
    # a spelled-out missing value that may be null becomes null
    ("{max: 1, nullable: true, missing_values: [-1]}", -1, "missing_values", Action.SET_NULL, Outcome.REPAIRED, None),
    ("{min: 0, role: slice_only, from: 'header:x-a'}", "-1", "min", Action.WARN, Outcome.OBSERVED, KEEP),
    ("{type: int, lifecycle: deprecated}", 1, "deprecated", Action.WARN, Outcome.OBSERVED, KEEP),
]  # fmt: skip


@pytest.mark.parametrize(("feature", "value", "check", "applied", "outcome", "sent"), ACTIONS)
def test_an_action_does_what_the_policy_asks(
    feature: str, value: Any, check: str, applied: Action, outcome: Outcome, sent: Any
) -> None:
    verdict = judge(one_feature(feature), rows(x=[value]))
    assert [(one.code, one.applied) for one in verdict.violations] == [(f"x.{check}", applied)]
    assert verdict.outcome is verdict.would is outcome
    assert verdict.changes == (() if sent is KEEP else (Change(0, "x", sent),))
    if verdict.changes:
        assert verdict.changes[0].value.__class__ is sent.__class__
    assert verdict.repaired_rows == (outcome is Outcome.REPAIRED)


@pytest.mark.parametrize(("feature", "value", "check", "applied", "outcome", "sent"), ACTIONS)
def test_observing_lists_the_same_and_changes_nothing(
    feature: str, value: Any, check: str, applied: Action, outcome: Outcome, sent: Any
) -> None:
    enforced = judge(one_feature(feature), rows(x=[value]))
    observed = judge(one_feature(feature, mode="observe"), rows(x=[value]))
    assert observed.violations == enforced.violations
    assert (observed.would, observed.total) == (outcome, enforced.total)
    assert observed.outcome is (Outcome.OK if outcome is Outcome.OK else Outcome.OBSERVED)
    assert not (observed.changes or observed.fallback_rows or observed.rejected_rows or observed.repaired_rows)


def test_a_default_is_checked_like_any_value() -> None:
    contract = one_feature("{type: timestamp, max_age: 1h, default: 2020-01-01T00:00:00Z}")
    verdict = judge(contract, rows(x=[MISSING]))
    assert [(one.code, one.applied) for one in verdict.violations] == [
        ("x.max_age", Action.REJECT),
        ("x.required", Action.DEFAULT),
    ]
    assert verdict.outcome is Outcome.REJECTED
    assert not verdict.changes


def test_a_repair_is_checked_again() -> None:
    """A replacement that was good when it was written may have become too old."""
    contract = one_feature("{type: timestamp, max_age: 1h, on_violation: {replace: 2020-01-01T00:00:00Z}}")
    verdict = judge(contract, rows(x=["2026-01-01T00:00:00Z"]))
    assert [(one.code, one.applied) for one in verdict.violations] == [("x.max_age", Action.REJECT)]


@pytest.mark.parametrize(
    ("kind", "text", "check"),
    [
        ("int", "42", ""),
        ("int", "42.0", ""),
        ("int", "4x", "type"),
        ("int", "042", "type"),
        ("int", "true", "type"),
        ("int", "NaN", "type"),
        ("float", "1e3", ""),
        ("bool", "true", ""),
        ("bool", "yes", "type"),
        ("string", "42", ""),
        ("timestamp", "2026-01-31T12:00:00Z", ""),
    ],
)
def test_a_header_is_read_by_the_declared_type(kind: str, text: str, check: str) -> None:
    verdict = judge(one_feature(f"{{type: {kind}, from: 'header:X-A'}}"), rows(x=[text]))
    assert verdict.codes == ((f"x.{check}",) if check else ())


def test_messages_say_what_is_expected_and_never_what_was_seen() -> None:
    contract = one_feature('{type: string, values: [a], pattern: "[a-z]", max_length: 3}')
    verdict = judge(contract, rows(x=["SECRET"]))
    assert {one.code: one.message for one in verdict.violations} == {
        "x.max_length": "must have at most 3 characters",
        "x.pattern": "must match [a-z]",
        "x.values": "must be one of a",
    }


@pytest.mark.parametrize("age", ["90d", "36h", "250ms", "0s"])
def test_an_age_is_told_as_people_write_it(age: str) -> None:
    contract = one_feature(f"{{type: timestamp, max_age: {age}}}")
    verdict = judge(contract, rows(x=["2020-01-01T00:00:00Z"]))
    assert [one.message for one in verdict.violations] == [f"must not be older than {age}"]
