"""Rules over several features: what breaks them, what leaves them undecided, and how they are judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.contract import Mode, compile_contract
from sidecar.rows import MISSING
from sidecar.verdict import MAX_LISTED_VIOLATIONS, Action, Outcome
from tests.contract.desk import compiled, findings, judge, rows, section, table_of

LOANS = """
mode: enforce
on_bad_rows: drop_rows
features:
  income: {type: float, min: 0, max: 5000000, missing_values: [-999], nullable: true, on_violation: clamp}
  loan: {type: float, min: 100, max: 500000, on_violation: warn}
  occupation: {type: category, values: [employed, retired], required: false}
  salary: {type: float, min: 0, nullable: true}
  region: {type: category, values: [n, s], from: "header:x-region", role: slice_only, required: false}
  segment: {type: string, role: slice_only, required: false}
rules:
"""
RETIRED = "  - {id: retired, when: occupation == 'retired', expect: salary is null or salary == 0}\n"
REACH = "  - {id: reach, expect: loan <= 10 * income}\n"
GOOD = {"income": 2000.0, "loan": 9000.0, "occupation": "employed", "salary": 10.0}


def outcome(rules: str, *records: dict[str, Any]) -> tuple[str, list[tuple[int, str]]]:
    contract = compiled(LOANS + rules)
    verdict = judge(contract, table_of(contract, [{**GOOD, **record} for record in records]))
    return verdict.outcome.value, [(one.row, one.code) for one in verdict.violations if one.code.startswith("rule.")]


def test_a_rule_that_holds_says_nothing_and_a_broken_one_names_its_row() -> None:
    assert outcome(RETIRED + REACH, {}) == ("ok", [])
    assert outcome(REACH, {"loan": 20001.0}) == ("rejected", [(0, "rule.reach")])
    broken = {"occupation": "retired"}
    assert outcome(RETIRED, broken) == ("rejected", [(0, "rule.retired")])
    assert outcome(RETIRED, {**broken, "salary": None}) == ("ok", [])
    assert outcome(RETIRED, {**broken, "salary": 0}) == ("ok", [])
    assert outcome(RETIRED, {}, broken, {}) == ("rejected", [(1, "rule.retired")])


def test_rules_see_repaired_values() -> None:
    clamped = {"income": 1e9, "loan": 400000.0}  # the clamped income is 5,000,000
    assert outcome(REACH, clamped) == ("repaired", [])
    assert outcome("  - {id: cap, expect: income < 5000000}\n", clamped)[1] == [(0, "rule.cap")]
    filled = LOANS.replace("required: false", "required: false, default: retired", 1) + RETIRED
    contract = compiled(filled)
    verdict = judge(contract, table_of(contract, [{**GOOD, "occupation": MISSING}]))
    assert [one.code for one in verdict.violations] == ["rule.retired", "occupation.default"]


@pytest.mark.parametrize(
    "record",
    [{"income": None}, {"income": -999}, {"loan": 99.0}, {"loan": "9000"}, {"income": MISSING}, {"loan": MISSING}],
)
def test_null_missing_and_invalid_features_leave_a_rule_undecided(record: dict[str, Any]) -> None:
    assert outcome("  - {id: never, expect: loan > 1000000 * income}\n", record)[1] == []


def test_is_null_tells_a_sentinel_from_a_bad_value() -> None:
    rule = "  - {id: there, expect: income is not null and loan is not null}\n"
    assert outcome(rule, {"income": -999})[1] == [(0, "rule.there")]
    assert outcome(rule, {"loan": 99.0})[1] == [], "a bad value is there"
    assert outcome(rule, {"loan": MISSING})[1] == [(0, "rule.there")]


def test_a_rule_may_name_headers_and_features_that_the_model_never_sees() -> None:
    rule = "  - {id: north, when: region == 'n', expect: segment == 'a'}\n"
    assert outcome(rule, {"region": "n", "segment": "a"})[0] == "ok"
    assert outcome(rule, {"region": "n", "segment": "b"}) == ("rejected", [(0, "rule.north")])
    assert outcome(rule, {"region": "s", "segment": "b"})[1] == []


@pytest.mark.parametrize(
    ("action", "applied", "result"),
    [
        ("reject", Action.REJECT, Outcome.REJECTED),
        ("warn", Action.WARN, Outcome.OBSERVED),
        ("ignore", Action.IGNORE, Outcome.OK),
        ("drop", Action.DROP, Outcome.REJECTED),
        ("fallback", Action.FALLBACK, Outcome.FALLBACK),
    ],
)
def test_what_is_done_with_the_row(action: str, applied: Action, result: Outcome) -> None:
    rule = f"  - {{id: reach, expect: loan <= income, on_violation: {action}}}\nfallback: {{values: {{score: 0.5}}}}\n"
    contract = compiled(LOANS + rule)
    verdict = judge(contract, table_of(contract, [GOOD, {**GOOD, "loan": 200.0}]))
    assert verdict.outcome is result
    (one,) = verdict.violations
    assert (one.code, one.row, one.applied, one.enforced) == ("rule.reach", 0, applied, True)


def test_a_rule_that_observes_is_told_and_counted_but_decides_nothing() -> None:
    contract = compiled(LOANS + "  - {id: reach, expect: loan <= income, mode: observe}\n")
    verdict = judge(contract, table_of(contract, [GOOD]))
    assert (verdict.outcome, verdict.would, verdict.total) == (Outcome.OBSERVED, Outcome.REJECTED, 1)
    assert not verdict.violations[0].enforced
    assert compiled(LOANS + "  - {id: reach, expect: loan <= income, mode: off}\n").rules == ()


def test_the_description_is_what_callers_read() -> None:
    contract = compiled(LOANS + "  - {id: reach, expect: loan <= income, description: Borrow less.}\n" + RETIRED)
    verdict = judge(contract, table_of(contract, [{**GOOD, "occupation": "retired"}]))
    told = {one.code: one.message for one in verdict.violations}
    assert told["rule.reach"] == "Borrow less."
    assert told["rule.retired"] == "must hold where occupation == 'retired': salary is null or salary == 0"


def test_a_violation_points_at_the_place_that_holds_all_its_features() -> None:
    contract = compiled(LOANS + REACH + "  - {id: low, expect: loan < 1 and region != 'q'}\n".replace("'q'", "'s'"))
    verdict = judge(contract, table_of(contract, [GOOD, {**GOOD, "loan": 400000.0, "region": "n"}]))
    pointers = {(one.code, one.row): one.pointer for one in verdict.violations}
    assert pointers["rule.reach", 1] == "/rows/1"
    assert pointers["rule.low", 1] == "/rows/1/loan", "a header is not in the body"


def test_many_rows_are_all_counted_and_the_first_are_listed() -> None:
    contract = compiled(LOANS + REACH)
    table = rows(
        income=[1.0] * 1000, loan=[9000.0] * 1000, occupation=["employed"] * 1000, salary=[None] * 1000,
        region=[MISSING] * 1000, segment=[MISSING] * 1000,
    )  # fmt: skip
    verdict = judge(contract, table)
    assert len(verdict.rejected_rows) == 1000
    assert sum(one.code == "rule.reach" for one in verdict.violations) == MAX_LISTED_VIOLATIONS


FEATURES = """
{mode: observe, features: {age: {type: int}, job: {type: category, values: [a, b]}, at: {type: timestamp},
id: {role: ignored}}, rules: [%s]}
"""


@pytest.mark.parametrize(
    ("rules", "code", "path", "message"),
    [
        (
            "{id: r, expect: agee > 1}",
            "bad-expression",
            ("rules", 0, "expect"),
            "no feature `agee`; did you mean `age`?",
        ),
        ("{id: r, expect: age > 1, when: job == 'c'}", "bad-expression", ("rules", 0, "when"), "(at character 8)"),
        ("{id: r, expect: age == '1'}", "bad-expression", ("rules", 0, "expect"), "never equal (at character 8)"),
        (
            "{id: r, expect: age +}",
            "bad-expression",
            ("rules", 0, "expect"),
            "a name or a value is expected (at character 6)",
        ),
        ("{id: r, expect: id == 'x'}", "bad-expression", ("rules", 0, "expect"), "role: ignored"),
        ("{id: r, expect: 1 < 2}", "rule.constant", ("rules", 0, "expect"), "can never be broken"),
        ("{id: r, expect: age > 1 and false}", "rule.constant", ("rules", 0, "expect"), "every row breaks"),
        ("{id: r, expect: age > 1, when: 1 > 2}", "rule.constant", ("rules", 0, "when"), "never asked"),
        ("{id: r, expect: 1e308 * 10 > 1}", "rule.constant", ("rules", 0, "expect"), "never decided"),
        ("{id: r, expect: age > 1}, {id: r, expect: age > 2}", "rule.twice", ("rules", 1, "id"), "rule 1 has"),
        ("{id: no spaces, expect: age > 1}", "rule.id", ("rules", 0, "id"), "cannot be the id"),
        (
            "{id: r, expect: age > 1, on_violation: fallback}",
            "fallback-without-values",
            ("rules", 0, "on_violation"),
            "no fallback",
        ),
    ],
)
def test_a_rule_that_cannot_be_meant_is_an_error_at_its_place(
    rules: str, code: str, path: tuple[Any, ...], message: str
) -> None:
    contract, found = compile_contract(section(FEATURES % rules))
    assert contract is None
    (one,) = [finding for finding in found if finding.severity == "error"]
    assert (one.code, one.path) == (code, path)
    assert message in one.message


def test_a_rule_cannot_be_stricter_than_its_contract() -> None:
    (one,) = findings(FEATURES % "{id: r, expect: age > 1, mode: enforce}")
    assert (one.code, one.severity, one.path) == ("rule.mode", "warning", ("rules", 0, "mode"))
    contract = compiled(FEATURES % "{id: r, expect: age > 1, mode: enforce}")
    verdict = judge(contract, table_of(contract, [{"age": 0, "job": "a", "at": "2026-01-01T00:00:00Z"}]))
    assert (verdict.outcome, verdict.would, contract.mode("")) == (Outcome.OBSERVED, Outcome.REJECTED, Mode.OBSERVE)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("age <= 120", "no row can break"),
        ("age > 120 or job == 'a'", ""),
        ("age > 120", "no row can keep"),
        ("limit < 18 and limit > 65", "no row can keep"),
        ("age / 2 < 1000", ""),
    ],
)
def test_a_rule_that_bounds_have_answered_is_pointed_out(expect: str, message: str) -> None:
    features = "age: {type: int, min: 0, max: 120}, job: {type: string}, limit: {type: float}"
    found = findings(f"{{features: {{{features}}}, rules: [{{id: r, expect: {json.dumps(expect)}}}]}}")
    assert [(one.code, one.severity) for one in found] == ([("rule.decided", "warning")] if message else [])
    assert all(message in one.message for one in found)


def test_a_feature_that_does_not_compile_does_not_make_its_rules_wrong() -> None:
    _, found = compile_contract(section("{features: {x: {type: nonsense}}, rules: [{id: r, expect: x > 1}]}"))
    assert [finding.code for finding in found] == ["unknown-type"]
