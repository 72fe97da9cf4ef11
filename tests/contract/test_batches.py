"""Many actions in one batch: which rows leave, which are mended, and in which order a cell is looked at."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from sidecar.contract import Compiled
from sidecar.rows import MISSING, Change
from sidecar.verdict import MAX_LISTED_VIOLATIONS, Action, Outcome, Verdict
from tests.contract.desk import NOW, answer, compiled, judge, rows, table_of

ACTIONS = """
mode: {mode}
on_bad_rows: {policy}
features:
  rejects: {{type: int, min: 0}}
  falls: {{type: int, min: 0, on_violation: fallback}}
  drops: {{type: int, min: 0, on_violation: drop}}
  mends: {{type: int, min: 0, on_violation: clamp}}
  warns: {{type: int, min: 0, on_violation: warn}}
  ignores: {{type: int, min: 0, on_violation: ignore}}
fallback: {{values: {{score: 0.5}}}}
"""
NAMES = ("rejects", "falls", "drops", "mends", "warns", "ignores")
GOOD: dict[str, Any] = dict.fromkeys(NAMES, 1)
DECIDED = ("rejected", "fallback", "rejected", "repaired", "observed", "ok")


def contract(policy: str = "drop_rows", mode: str = "enforce") -> Compiled:
    return compiled(ACTIONS.format(policy=policy, mode=mode))


def bad(*names: str) -> dict[str, Any]:
    return {**GOOD, **dict.fromkeys(names, -1)}


def judged(*records: dict[str, Any], policy: str = "drop_rows", mode: str = "enforce") -> Verdict:
    one = contract(policy, mode)
    return judge(one, table_of(one, records))


def test_every_action_in_one_batch_does_its_own() -> None:
    verdict = judged(GOOD, *[bad(name) for name in NAMES])
    assert (verdict.outcome, verdict.would, verdict.refused) == (Outcome.REJECTED, Outcome.REJECTED, False)
    assert verdict.dropped_rows == (1, 3)
    assert verdict.fallback_rows == (2,)
    assert (verdict.repaired_rows, verdict.changes) == (1, (Change(4, "mends", 0),))
    assert verdict.rejected_rows == ()
    assert verdict.total == 6


@pytest.mark.parametrize(("heavy", "light"), [(NAMES[i], NAMES[j]) for i in range(6) for j in range(i + 1, 6)])
def test_precedence_of_two_actions_on_one_row(heavy: str, light: str) -> None:
    verdict = judged(GOOD, bad(heavy, light))
    alone = judged(GOOD, bad(heavy))
    for part in ("outcome", "dropped_rows", "fallback_rows", "repaired_rows"):
        assert getattr(verdict, part) == getattr(alone, part), part
    assert [one.code for one in verdict.violations] == [f"{heavy}.min", f"{light}.min"]
    assert (
        contract().by_row(table_of(contract(), [bad(heavy, light)]), now_seconds=NOW)[0].outcome.value
        == DECIDED[NAMES.index(heavy)]
    )


@pytest.mark.parametrize("order", list(permutations(["drops", "falls", "mends", "rejects"]))[::5])
def test_positions_are_those_of_the_request_whatever_the_order(order: tuple[str, ...]) -> None:
    verdict = judged(*[bad(name) for name in order], GOOD)
    assert verdict.fallback_rows == (order.index("falls"),)
    assert verdict.dropped_rows == tuple(sorted((order.index("drops"), order.index("rejects"))))
    assert [change.row for change in verdict.changes] == [order.index("mends")]


def test_the_same_batch_under_the_other_policies() -> None:
    refused = judged(GOOD, bad("rejects"), bad("drops"), policy="reject_request")
    assert (refused.refused, refused.rejected_rows, refused.dropped_rows) == (True, (1, 2), ())
    fallen = judged(GOOD, bad("rejects"), bad("drops"), policy="fallback")
    assert (fallen.fallback_rows, fallen.dropped_rows, fallen.refused) == ((1,), (2,), False)
    watched = judged(GOOD, bad("rejects"), bad("drops"), mode="observe")
    assert (watched.outcome, watched.would, watched.dropped_rows) == (Outcome.OBSERVED, Outcome.REJECTED, ())


@pytest.mark.parametrize("policy", ["reject_request", "drop_rows", "fallback"])
def test_a_row_that_drops_alone_is_refused(policy: str) -> None:
    verdict = judged(bad("drops"), policy=policy)
    assert (verdict.refused, verdict.rejected_rows, verdict.dropped_rows) == (True, (0,), ())


def test_a_batch_that_loses_all_rows_is_refused_and_one_that_keeps_a_fallback_is_not() -> None:
    gone = judged(bad("drops"), bad("rejects"))
    assert (gone.refused, gone.rejected_rows) == (True, (0, 1))
    kept = judged(bad("drops"), bad("falls"))
    assert (kept.refused, kept.dropped_rows, kept.fallback_rows) == (False, (0,), (1,))


def test_twenty_are_listed_the_heaviest_first_and_all_are_counted() -> None:
    verdict = judged(GOOD, *[bad("warns", "mends", "drops", "falls", "rejects", "ignores")] * 7)
    assert verdict.total == 42
    assert len(verdict.violations) == MAX_LISTED_VIOLATIONS
    assert [one.applied for one in verdict.violations] == [
        *[Action.REJECT] * 7, *[Action.FALLBACK] * 7, *[Action.DROP] * 6,
    ]  # fmt: skip


ANSWERS = """
mode: enforce
on_bad_rows: {policy}
prediction: {{score: {{type: float, min: 0, max: 1, on_violation: {action}}}}}
fallback: {{values: {{score: 7.5}}}}
"""


@pytest.mark.parametrize(("policy", "action"), [("drop_rows", "reject"), ("reject_request", "drop")])
def test_rows_of_an_answer_are_dropped_too(policy: str, action: str) -> None:
    verdict = answer(compiled(ANSWERS.format(policy=policy, action=action)), rows(score=[0.5, 2.0, 0.7, -1.0]))
    assert (verdict.outcome, verdict.refused, verdict.dropped_rows) == (Outcome.REJECTED, False, (1, 3))
    assert verdict.changes == ()
    assert answer(compiled(ANSWERS.format(policy=policy, action=action)), rows(score=[2.0])).refused


def test_a_fallback_value_need_not_keep_the_output_contract() -> None:
    verdict = answer(compiled(ANSWERS.format(policy="reject_request", action="fallback")), rows(score=[0.5, 2.0]))
    assert verdict.changes == (Change(1, "score", 7.5),)
    assert verdict.outcome is Outcome.FALLBACK


# contract.md, order of evaluation: missing values, null and default, coercion, checks, repairs re-checked, rules.
ORDERED = """
mode: enforce
features:
  a: {type: int, min: 0, max: 10, multiple_of: 2, missing_values: [-999], default: 4, on_violation: clamp}
  b: {type: int, min: 0, nullable: true, required: false, missing_values: [-1]}
rules:
  - {id: whole, expect: a <= 8, on_violation: reject}
  - {id: both, expect: a <= b, on_violation: warn}
"""


@pytest.mark.parametrize(
    ("value", "codes", "sent"),
    [
        (4, [], None),
        (4.0, [], None),  # lossless: the value goes on as it came
        (-999, ["a.null"], 4),  # a sentinel is null before its default is looked at, and is not below `min`
        (None, ["a.null"], 4),
        (MISSING, ["a.required"], 4),
        (-3, ["a.min", "a.multiple_of"], None),
        (-4, ["a.min"], 0),
        (11, ["rule.whole", "a.max", "a.multiple_of"], None),  # clamp cannot mend a multiple
        (12, ["rule.whole", "a.max"], 10),  # the rule is asked about the value as mended
        (3, ["a.multiple_of"], None),
        ("4", ["a.type"], None),
        (4.5, ["a.type"], None),
    ],
)
def test_a_value_is_looked_at_in_the_order_of_the_semantics(value: Any, codes: list[str], sent: Any) -> None:
    found = judge(compiled(ORDERED), rows(a=[value, 2], b=[None, 5]))
    told = sorted(one.code for one in found.violations)
    rules = [code for code in told if code.startswith("rule.")]
    if value == 11:  # a value that no repair mends is invalid: the rule is undecided
        codes = [code for code in codes if not code.startswith("rule.")]
    assert told == sorted(codes)
    assert ("rule.both" in rules) is False  # b is null: undecided
    refused = {"a.multiple_of", "a.type", "rule.whole"} & set(codes)
    assert found.refused == bool(refused)
    assert found.changes == (() if sent is None or refused else (Change(0, "a", sent),))


def test_a_rule_is_asked_about_repaired_values_and_skips_null() -> None:
    one = compiled(ORDERED)
    assert judge(one, rows(a=[6, 6, 6], b=[5, -1, MISSING])).codes == ("b.missing_values", "rule.both")
    assert [item.row for item in judge(one, rows(a=[6, 6, 6], b=[5, -1, MISSING])).violations] == [1, 0]


def test_a_rule_that_only_observes_is_told_and_never_applied() -> None:
    text = "mode: enforce\nfeatures: {a: {type: int, max: 9, on_violation: clamp}}\n"
    text += "rules: [{id: r, expect: a < 5, mode: observe}]"
    found = judge(compiled(text), rows(a=[7, 3, 12]))
    assert (found.outcome, found.would, found.rejected_rows) == (Outcome.REPAIRED, Outcome.REJECTED, ())
    assert found.changes == (Change(2, "a", 9),)
    told = {(one.code, one.row, one.applied.value, one.enforced) for one in found.violations}
    assert told == {("rule.r", 0, "reject", False), ("rule.r", 2, "reject", False), ("a.max", 2, "clamp", True)}
    alone = judge(compiled(text), rows(a=[7]))
    assert (alone.outcome, alone.would) == (Outcome.OBSERVED, Outcome.REJECTED)
    by_row = compiled(text).by_row(rows(a=[7, 3, 12]), now_seconds=NOW)
    assert [one.outcome.value for one in by_row] == ["observed", "ok", "repaired"]
    assert [item.enforced for item in by_row[2].broken] == [False, True]
    everything = compiled(text).by_row(rows(a=[7, 3, 12]), now_seconds=NOW, everything=True)
    assert [one.outcome.value for one in everything] == ["rejected", "ok", "rejected"], "as `would` says of a batch"
    text += "\non_bad_rows: fallback\nprediction: {s: {type: float}}\nfallback: {values: {s: 0.5}}"
    falls_back = compiled(text).by_row(rows(a=[7, 3, 12]), now_seconds=NOW, everything=True)
    assert [one.outcome.value for one in falls_back] == ["fallback", "ok", "fallback"]
