"""Coverage is what the contract really evaluated: each check once holding and once broken, each action once applied."""

from __future__ import annotations

import pytest

from sidecar.policytest import Bench

from .desk import CREDIT, bench, run

ONE = "features: {age: {type: int, min: 0, max: 120}}"


def missing(subject: Bench, *, everything: bool = False) -> dict[str, str]:
    return {item.code: item.missing for item in subject.tally.coverage().uncovered(everything=everything)}


def test_nothing_is_covered_by_nothing() -> None:
    assert missing(bench(ONE)) == {
        "age.min": "never judged",
        "age.max": "never judged",
        "age.on_violation: reject": "never applied",
    }


def test_a_good_row_holds_every_check_and_breaks_none() -> None:
    subject = bench(ONE)
    run("expect: {}", on=subject, base="{age: 41}")
    assert missing(subject) == {
        "age.min": "never broken",
        "age.max": "never broken",
        "age.on_violation: reject": "never applied",
    }


def test_each_way_of_breaking_is_its_own() -> None:
    subject = bench(ONE)
    run("row: {age: -1}, expect: {}", on=subject, base="{age: 41}")
    assert missing(subject) == {"age.max": "never broken", "age.min": "never held"}
    run("row: {age: 121}, expect: {}", on=subject, base="{age: 41}")
    assert missing(subject) == {}
    assert missing(subject, everything=True) == {
        "age.type": "never broken",
        "age.required": "never broken",
        "age.null": "never broken",
    }
    for case in ("row: {age: old}", "row: {age: ~}", "without: [age]"):
        run(f"{case}, expect: {{}}", on=subject, base="{age: 41}")
    assert missing(subject, everything=True) == {}
    assert subject.tally.coverage().counts(everything=True) == (6, 6)


def test_what_is_not_judged_covers_nothing() -> None:
    subject = bench(ONE)
    run("mode: off, row: {age: -1}, expect: {}", on=subject, base="{age: 41}")
    run("body: '{', expect: {}", on=subject)
    assert missing(subject)["age.min"] == "never judged"


def test_a_failing_case_covers_what_it_ran() -> None:
    """A test that expects the wrong thing has seen the check at work all the same."""
    subject = bench(ONE)
    assert not run("row: {age: -1}, expect: {verdict: ok}", on=subject, base="{}").passed
    assert missing(subject)["age.min"] == "never held"


@pytest.mark.parametrize(
    ("contract", "code", "case", "untouched"),
    [
        ("features: {a: {type: int, default: 3}}", "a.default", "without: [a]", "row: {a: 1}"),
        (
            "features: {a: {type: int, min: 0, on_violation: clamp}}",
            "a.on_violation: clamp", "row: {a: -1}", "row: {a: x}",
        ),
        (
            "features: {a: {type: int, values: [1], on_violation: {replace: 1}}}",
            "a.on_violation: replace", "row: {a: 2}", "row: {a: 1}",
        ),
        ("unknown_features: warn\nfeatures: {a: {type: int}}", "unknown_features: warn", "row: {b: 1}", "row: {a: 2}"),
        (
            "on_bad_rows: fallback\nfeatures: {a: {type: int, max: 5}}\nprediction: {score: {type: float}}\n"
            "fallback: {values: {score: 0.5}}",
            "on_bad_rows: fallback", "rows: [{}, {a: 9}]", "row: {a: 9}",
        ),
    ],
)  # fmt: skip
def test_actions_are_seen_when_they_are_applied(contract: str, code: str, case: str, untouched: str) -> None:
    subject = bench(contract)
    run(f"{untouched}, expect: {{}}", on=subject, base="{a: 1}")
    assert missing(subject)[code] == "never applied"
    run(f"{case}, expect: {{}}", on=subject, base="{a: 1}")
    assert code not in missing(subject)


@pytest.mark.parametrize(
    ("contract", "code", "held", "broken"),
    [
        ("features: {a: {type: int, unique: true}}", "a.unique", "rows: [{a: 1}, {a: 2}]", "rows: [{}, {}]"),
        ("features: {a: {type: int, missing_values: [-1]}}", "a.missing_values", "row: {a: 2}", "row: {a: -1}"),
        (
            "features: {a: {type: int, required: false, lifecycle: deprecated}}",
            "a.deprecated", "without: [a]", "row: {a: 1}",
        ),
        ("features: {a: {type: string, format: uuid}}", "a.format",
         "row: {a: 019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6f}", "row: {a: x}"),
        ("features: {a: {type: int}}\nrules: [{id: r, expect: a > 1}]", "rule.r", "row: {a: 2}", "row: {a: 0}"),
        ("features: {a: {type: int}}\nprediction: {score: {type: float, max: 1}}", "prediction.score.max",
         "prediction: {score: 1}", "prediction: {score: 2}"),
    ],
)  # fmt: skip
def test_checks_of_every_kind(contract: str, code: str, held: str, broken: str) -> None:
    subject = bench(contract)
    assert missing(subject)[code] == "never judged"
    run(f"{held}, expect: {{}}", on=subject, base="{a: 1}")
    assert missing(subject)[code] == "never broken"
    run(f"{broken}, expect: {{}}", on=subject, base="{a: 1}")
    assert code not in missing(subject)


def test_a_rule_that_was_not_asked_or_not_decided_is_not_seen() -> None:
    contract = (
        "features: {a: {type: int, nullable: true}, b: {type: int}}\nrules: [{id: r, when: b > 5, expect: a > 1}]"
    )
    subject = bench(contract)
    for row in ("{a: 0, b: 1}", "{a: ~, b: 9}"):
        run(f"row: {row}, expect: {{verdict: ok}}", on=subject, base="{}")
    assert missing(subject)["rule.r"] == "never judged"


def test_the_whole_contract_is_listed_in_its_order() -> None:
    codes = [item.code for item in bench(CREDIT).tally.coverage().items if item.kind != "implied"]
    assert codes == [
        "age.min", "age.max", "age.on_violation: reject",
        "income.min", "income.max", "income.missing_values", "income.on_violation: clamp",
        "job.values", "job.on_violation: replace",
        "region.values", "region.on_violation: warn",
        "prediction.score.min", "prediction.score.max", "prediction.score.on_violation: fallback",
        "rule.adults-only", "unknown_features: warn",
    ]  # fmt: skip
