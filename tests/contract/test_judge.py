"""Batches: rows decide the request, modes decide what is applied."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.contract import Mode
from sidecar.rows import MISSING, Change, Rows
from sidecar.verdict import MAX_LISTED_VIOLATIONS, Action, Outcome
from tests.contract.desk import answer, compiled, judge, rows, table_of

BATCH = """
mode: enforce
on_bad_rows: {policy}
unknown_features: {unknown}
features:
  age: {{type: int, min: 0, max: 120}}
  income: {{type: float, min: 0, max: 100, on_violation: clamp}}
  job: {{type: category, values: [a, b], on_violation: fallback}}
  note: {{type: string, max_length: 3, on_violation: warn}}
fallback: {{values: {{score: 0.5}}}}
"""
GOOD: dict[str, Any] = {"age": 40, "income": 50.0, "job": "a", "note": "hi"}


def batch(policy: str = "reject_request", unknown: str = "ignore", mode: str = "enforce") -> Any:
    return compiled(BATCH.format(policy=policy, unknown=unknown).replace("mode: enforce", f"mode: {mode}"))


def test_a_clean_batch_is_accepted_unchanged() -> None:
    contract = batch()
    verdict = judge(contract, table_of(contract, [GOOD, GOOD]))
    assert (verdict.outcome, verdict.would, verdict.total, verdict.changes) == (Outcome.OK, Outcome.OK, 0, ())


def test_one_bad_row_refuses_its_request() -> None:
    contract = batch()
    verdict = judge(contract, table_of(contract, [GOOD, {**GOOD, "age": -1, "income": 900}, {**GOOD, "job": "x"}]))
    assert verdict.outcome is Outcome.REJECTED
    assert (verdict.rejected_rows, verdict.fallback_rows, verdict.changes) == ((1,), (), ())
    assert verdict.codes == ("age.min", "job.values", "income.max")
    assert verdict.violations[0].pointer == "/rows/1/age"


def test_bad_rows_may_be_answered_by_fallback_while_the_others_are_sent() -> None:
    contract = batch("fallback")
    verdict = judge(contract, table_of(contract, [{**GOOD, "income": 900}, {**GOOD, "age": -1, "income": 900}, GOOD]))
    assert verdict.outcome is Outcome.FALLBACK
    assert verdict.fallback_rows == (1,)
    assert verdict.rejected_rows == ()
    assert verdict.changes == (Change(0, "income", 100.0),)
    assert verdict.repaired_rows == 1


def test_when_all_rows_of_a_batch_are_bad_all_fall_back() -> None:
    contract = batch("fallback")
    verdict = judge(contract, table_of(contract, [{**GOOD, "age": -1}, {**GOOD, "job": "x"}]))
    assert (verdict.outcome, verdict.fallback_rows) == (Outcome.FALLBACK, (0, 1))


def test_a_single_bad_row_is_refused_whatever_batches_do() -> None:
    contract = batch("fallback")
    assert judge(contract, table_of(contract, [{**GOOD, "age": -1}])).outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"age": -1, "job": "x", "income": -5.0, "note": "long"}, Outcome.REJECTED),
        ({"job": "x", "income": -5.0, "note": "long"}, Outcome.FALLBACK),
        ({"income": -5.0, "note": "long"}, Outcome.REPAIRED),
        ({"note": "long"}, Outcome.OBSERVED),
    ],
)
def test_the_heaviest_action_of_a_row_decides_it(changes: dict[str, Any], outcome: Outcome) -> None:
    contract = batch()
    verdict = judge(contract, table_of(contract, [{**GOOD, **changes}]))
    assert verdict.outcome is outcome
    assert verdict.total == len(changes)
    assert bool(verdict.changes) == (outcome is Outcome.REPAIRED)


def test_all_violations_are_counted_and_the_heaviest_listed() -> None:
    contract = batch()
    table = [{**GOOD, "note": "long"}] * 50 + [{**GOOD, "age": 200}]
    verdict = judge(contract, table_of(contract, table))
    assert verdict.total == 51
    assert len(verdict.violations) == MAX_LISTED_VIOLATIONS
    assert (verdict.violations[0].code, verdict.violations[0].row) == ("age.max", 50)
    assert [one.row for one in verdict.violations[1:]] == list(range(19))


@pytest.mark.parametrize(
    ("unknown", "outcome", "changes"),
    [
        ("reject", Outcome.REJECTED, ()),
        ("strip", Outcome.REPAIRED, (Change(1, "extra", MISSING),)),
        ("warn", Outcome.OBSERVED, ()),
        ("ignore", Outcome.OK, ()),
    ],
)
def test_unknown_names(unknown: str, outcome: Outcome, changes: tuple[Change, ...]) -> None:
    contract = batch(unknown=unknown)
    assert contract.closed == (unknown != "ignore")
    verdict = judge(contract, table_of(contract, [GOOD, {**GOOD, "extra": 1}]))
    assert (verdict.outcome, verdict.changes) == (outcome, changes)
    assert verdict.codes == (() if unknown == "ignore" else ("unknown.extra",))


def test_a_name_made_up_by_a_caller_cannot_shape_a_code() -> None:
    contract = batch(unknown="warn")
    name = 'evil"\r\nset-cookie: ' + "x" * 100
    verdict = judge(contract, table_of(contract, [{**GOOD, name: 1}]))
    assert verdict.codes == ("unknown.evil___set-cookie__" + "x" * 45,)
    assert verdict.violations[0].feature == name


SLICED = """
mode: {mode}
features:
  age: {{type: int, min: 0}}
  region: {{type: category, values: [n, s], role: slice_only}}
  channel: {{type: string, role: slice_only, from: "header:X-Channel"}}
"""


@pytest.mark.parametrize("mode", ["off", "observe", "enforce"])
def test_slices_are_taken_out_in_every_mode(mode: str) -> None:
    contract = compiled(SLICED.format(mode=mode))
    assert contract.stripped_headers == ("x-channel",)
    assert contract.request_types() is None
    verdict = judge(contract, rows(age=[1, 2], region=["n", MISSING], channel=["web", "web"]))
    assert verdict.changes == (Change(0, "region", MISSING),)
    assert verdict.outcome is Outcome.OK if mode == "off" else Outcome.OBSERVED


def test_a_header_is_taken_out_however_the_policy_spells_its_place() -> None:
    contract = compiled(SLICED.format(mode="enforce").replace("header:X", "Header: X"))
    assert contract.stripped_headers == ("x-channel",)
    assert [cell.name for cell in contract.cells if cell.from_header] == ["channel"]


def test_a_bad_slice_never_blocks_a_request() -> None:
    contract = compiled(SLICED.format(mode="enforce"))
    verdict = judge(contract, rows(age=[1], region=["?"], channel=[MISSING]))
    assert verdict.outcome is Outcome.OBSERVED
    assert verdict.codes == ("region.values", "channel.required")
    assert verdict.changes == (Change(0, "region", MISSING),)
    assert [one.pointer for one in verdict.violations] == ["/rows/0/region", ""]


def test_a_bad_slice_blocks_when_the_policy_says_so() -> None:
    contract = compiled(
        SLICED.format(mode="enforce").replace("role: slice_only}", "role: slice_only, on_violation: reject}", 1)
    )
    assert judge(contract, rows(age=[1], region=["?"], channel=["web"])).outcome is Outcome.REJECTED


def test_modes_go_by_caller() -> None:
    contract = compiled("{mode: {default: observe, callers: {mobile: enforce, batch: 'off'}}, features: {x: {min: 0}}}")
    assert [contract.mode(caller) for caller in ("", "mobile", "batch")] == [Mode.OBSERVE, Mode.ENFORCE, Mode.OFF]
    assert contract.may_enforce
    bad = rows(x=[-1])
    assert judge(contract, bad).outcome is Outcome.OBSERVED
    assert judge(contract, bad, caller="mobile").outcome is Outcome.REJECTED
    assert judge(contract, bad, caller="batch").outcome is Outcome.OK


def test_a_batch_without_rows_is_clean() -> None:
    assert judge(batch(), rows(age=[], income=[], job=[], note=[])).outcome is Outcome.OK


REPLY = """
mode: {mode}
on_bad_rows: {policy}
prediction:
  score: {{type: float, min: 0, max: 1, on_violation: {action}}}
  label: {{values: [good, bad]}}
fallback: {{values: {{score: 2.0, label: good, why: none}}}}
"""


def reply(action: str, mode: str = "enforce", policy: str = "reject_request") -> Any:
    return compiled(REPLY.format(action=action, mode=mode, policy=policy))


def replies(*scores: Any) -> Rows:
    return rows(score=scores, label=["good"] * len(scores), why=["…"] * len(scores))


def test_a_fallback_replaces_the_whole_answer_of_its_row() -> None:
    verdict = answer(reply("fallback"), replies(0.5, 1.7))
    assert (verdict.outcome, verdict.fallback_rows) == (Outcome.FALLBACK, (1,))
    assert verdict.codes == ("prediction.score.max",)
    assert verdict.changes == (Change(1, "score", 2.0), Change(1, "label", "good"), Change(1, "why", "none"))


@pytest.mark.parametrize(
    ("action", "outcome", "changes"),
    [
        ("reject", Outcome.REJECTED, ()),
        ("clamp", Outcome.REPAIRED, (Change(0, "score", 1.0),)),
        ("{replace: 0.25}", Outcome.REPAIRED, (Change(0, "score", 0.25),)),
        ("warn", Outcome.OBSERVED, ()),
        ("ignore", Outcome.OK, ()),
    ],
)
def test_an_answer_is_judged_by_the_action(action: str, outcome: Outcome, changes: tuple[Change, ...]) -> None:
    verdict = answer(reply(action), replies(1.5, 0.5))
    assert (verdict.outcome, verdict.changes) == (outcome, changes)
    observed = answer(reply(action, mode="observe"), replies(1.5, 0.5))
    assert (observed.would, observed.violations, observed.changes) == (outcome, verdict.violations, ())
    assert answer(reply(action, mode="off"), replies(1.5, 0.5)).total == 0


def test_a_bad_answer_row_may_fall_back_like_a_bad_request_row() -> None:
    verdict = answer(reply("reject", policy="fallback"), replies(1.5, 0.5))
    assert (verdict.outcome, verdict.fallback_rows) == (Outcome.FALLBACK, (0,))


def test_an_answer_with_another_number_of_rows_is_refused_whole() -> None:
    verdict = answer(reply("fallback"), replies(0.5), sent=2)
    assert [(one.code, one.applied) for one in verdict.violations] == [("prediction.rows", Action.REJECT)]
    assert (verdict.outcome, verdict.rejected_rows) == (Outcome.REJECTED, (0, 1))
    observed = answer(reply("fallback", mode="observe"), replies(0.5), sent=2)
    assert (observed.outcome, observed.would) == (Outcome.OBSERVED, Outcome.REJECTED)


def test_predictions_are_what_is_checked_and_what_fallback_sets() -> None:
    contract = reply("warn")
    assert contract.predictions == ("score", "label", "why")
    assert set(contract.reply_types() or ()) == {"score", "label"}
    assert contract.fallback_values == {"score": 2.0, "label": "good", "why": "none"}
    assert contract.fallback_on == {"contract"}


def test_a_contract_without_predictions_asks_nothing_of_answers() -> None:
    contract = batch()
    assert contract.reply_types() == {}
    assert answer(contract, Rows(1, {}, lambda feature, row: ""), sent=7).outcome is Outcome.OK
