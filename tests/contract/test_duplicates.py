"""`unique: true`: the second and later rows with a value break it; what is no value cannot."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.rows import MISSING
from sidecar.verdict import Action, Outcome
from tests.contract.desk import findings, judge, one_feature, rows

NAN = float("nan")


@pytest.mark.parametrize(
    ("feature", "column", "repeated"),
    [
        ("{type: string, unique: true}", ["a", "b", "a", "a"], [2, 3]),
        ("{type: string, unique: true, role: key}", ["a", "a"], [1]),
        ("{type: int, unique: true}", [1, 2.0, 1.0], [2]),
        ("{type: float, unique: true}", [1, 0.5, 1.0], [2]),
        ("{type: float, unique: true, finite: false}", [float("nan"), float("nan")], []),
        ("{type: float, unique: true, finite: false}", [NAN, NAN, 1.0, 1.0], [3]),
        ("{values: [1, true, a], unique: true}", [1, True, "a", True], [3]),
        ("{type: bool, unique: true}", [True, False, True], [2]),
        ("{type: timestamp, unique: true}", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"], [1]),
        ("{type: string, unique: true, nullable: true}", [None, None, "a"], []),
        ("{type: string, unique: true, required: false}", [MISSING, MISSING, "a"], []),
        ("{type: string, unique: true, nullable: true, missing_values: [x]}", ["x", "x"], []),
        ("{type: bytes, unique: true}", [b"a", "a"], [1]),
    ],
)
def test_who_repeats_whom(feature: str, column: list[Any], repeated: list[int]) -> None:
    verdict = judge(one_feature(feature), rows(x=column))
    assert [one.row for one in verdict.violations if one.code == "x.unique"] == repeated


def test_a_bad_value_is_told_for_what_it_is() -> None:
    verdict = judge(one_feature("{type: int, min: 0, unique: true}"), rows(x=[-1, -1]))
    assert verdict.codes == ("x.min",)


def test_one_row_repeats_nobody() -> None:
    assert judge(one_feature("{type: int, unique: true}"), rows(x=[1])).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("keys", "applied"),
    [
        ("", Action.REJECT),
        (", on_violation: warn", Action.WARN),
        (", nullable: true, on_violation: set_null", Action.SET_NULL),
    ],
)
def test_what_is_done_about_a_repeat(keys: str, applied: Action) -> None:
    verdict = judge(one_feature(f"{{type: int, unique: true{keys}}}"), rows(x=[1, 1]))
    assert [one.applied for one in verdict.violations] == [applied]
    assert [(change.row, change.value) for change in verdict.changes] == ([(1, None)] if keys.endswith("null") else [])


@pytest.mark.parametrize("keys", ["type: 'float[2]'", "type: json", "type: int, from: 'header:x-a'"])
def test_some_values_cannot_be_compared(keys: str) -> None:
    (finding,) = findings(f"{{features: {{x: {{{keys}, unique: true}}}}}}")
    assert (finding.code, finding.path) == ("check-does-not-fit", ("features", "x", "unique"))


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ("default: 1", "default"),
        ("on_violation: {replace: 1}", "on_violation"),
        ("on_violation: clamp", "on_violation"),
    ],
)
def test_no_repair_may_make_two_rows_the_same(keys: str, at: str) -> None:
    (finding,) = findings(f"{{features: {{x: {{type: int, min: 0, unique: true, {keys}}}}}}}")
    assert (finding.code, finding.path) == ("not-repairable", ("features", "x", at))


def test_types_prove_rows_one_by_one_only() -> None:
    assert one_feature("{type: int, unique: true}").compares_rows
    assert not one_feature("{type: int}").compares_rows
