"""Who breaks the contract, since when, whose feature: counted from rows as they are recorded."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.errors import UpstreamFault
from sidecar.predictions import Prediction
from sidecar.predictions.row import CandidateVerdict, ModelRef, PolicyRef, RowViolation, Story
from sidecar.report import gather
from sidecar.report.contract import Answerable
from sidecar.report.contract_text import as_json, as_page, as_text
from sidecar.report.page import html

OWNERS = {"age": Answerable("customers", "#core", "customer-core"), "income": Answerable("risk-ml", "#risk", "")}


def owner_of(digest: str, feature: str, code: str) -> Answerable:
    return OWNERS.get(feature, Answerable())


def row(call: int, *codes: str, caller: str = "mobile", verdict: str = "", would: str = "", **more: Any) -> Prediction:
    """One row of a call; a code `age.min` is a violation of `age` that asks for its row to be refused."""
    enforced = more.pop("enforced", True)
    violations = [RowViolation(code, code.split(".")[0], more.pop("applied", "reject"), enforced) for code in codes]
    settled = would or ("rejected" if codes else "ok")
    return Prediction(
        prediction_id=f"p{call}",
        row=more.pop("row", 0),
        ts=more.pop("ts", f"2026-03-0{1 + call % 3}T12:00:00.000000Z"),
        caller=caller,
        policy=PolicyRef(more.pop("policy", "credit"), "1.0.0", "b2:aa"),
        model=ModelRef("credit", "14"),
        verdict=verdict or ("observed" if codes else "ok"),
        violations=violations,
        features={"age": 3},
        story=Story(
            would=settled,
            violations_total=more.pop("total", len(violations)),
            rows=more.pop("of", 1),
            reason=more.pop("reason", ""),
            upstream_status=more.pop("upstream_status", 0),
            error=more.pop("error", ""),
        ),
        **more,
    )


def test_groups_name_the_caller_the_feature_and_who_answers() -> None:
    rows = [row(0), row(1, "age.min"), row(2, "age.max"), row(3, "income.min", caller="batch"), row(4, caller="batch")]
    report = gather(rows, ("caller", "feature"), owner_of=owner_of, as_enforced=True)
    found = {tuple(group.by.values()): group for group in report.groups}
    assert set(found) == {("mobile", "age"), ("batch", "income")}
    mobile = found["mobile", "age"]
    assert (mobile.judged, mobile.rows, mobile.refused) == (3, 2, 2)
    assert mobile.codes == {"age.min": 1, "age.max": 1}
    assert mobile.owners == (Answerable("customers", "#core", "customer-core"),)
    assert (mobile.first, mobile.last) == ("2026-03-02T12:00:00.000000Z", "2026-03-03T12:00:00.000000Z")
    assert mobile.examples == ("p1", "p2")
    assert found["batch", "income"].share == 0.5


def test_a_share_is_of_the_rows_that_the_same_policy_judged() -> None:
    rows = [row(0, "age.min"), row(1), row(2, policy="pricing"), row(3, "tenure.max", policy="pricing"), row(4)]
    by_feature = gather(rows, ("feature",), owner_of=owner_of, as_enforced=True).groups
    assert {group.by["feature"]: (group.rows, group.judged) for group in by_feature} == {
        "age": (1, 3),
        "tenure": (1, 2),
    }
    (by_caller,) = gather(rows, ("caller",), owner_of=owner_of, as_enforced=True).groups
    assert (by_caller.rows, by_caller.judged) == (2, 5), "a caller's share is of everything it sent"
    shared = [*rows, row(5, "age.min", policy="pricing")]
    (age,) = [g for g in gather(shared, ("feature",), owner_of=owner_of).groups if g.by["feature"] == "age"]
    assert (age.rows, age.judged) == (2, 6), "a feature of both policies is judged by both"


def test_a_rule_that_only_observed_refused_nobody() -> None:
    rows = [row(1, "rule.reach", verdict="rejected", enforced=False)]  # another check refused the row
    (recorded,) = gather(rows, ("code",), owner_of=owner_of).groups
    (enforced,) = gather(rows, ("code",), owner_of=owner_of, as_enforced=True).groups
    assert (recorded.refused, enforced.refused) == (0, 1)


def test_as_recorded_only_what_was_refused_counts_as_refused() -> None:
    rows = [row(1, "age.min"), row(2, "age.min", verdict="rejected")]
    (recorded,) = gather(rows, ("feature",), owner_of=owner_of).groups
    (enforced,) = gather(rows, ("feature",), owner_of=owner_of, as_enforced=True).groups
    assert (recorded.refused, enforced.refused) == (1, 2)
    assert recorded.rows == enforced.rows == 2


def test_a_warning_breaks_a_row_and_refuses_nothing() -> None:
    (group,) = gather(
        [row(1, "age.min", would="observed", applied="warn")], ("code",), owner_of=owner_of, as_enforced=True
    ).groups
    assert (group.rows, group.refused) == (1, 0)


def test_a_request_counts_once_however_many_of_its_rows_break() -> None:
    rows = [row(1, "age.min", "income.min", row=0), row(1, "age.min", row=1), row(1, row=2, would="rejected", total=3)]
    report = gather(rows, ("feature",), owner_of=owner_of, as_enforced=True)
    found = {group.by["feature"]: group for group in report.groups}
    assert (found["age"].rows, found["age"].refused, found["income"].rows) == (2, 1, 1)
    assert (report.requests, report.refused, report.rows) == (1, 1, 3)


def test_a_kept_row_stands_for_those_that_a_sample_left_out() -> None:
    rows = [row(1, weight=10.0), row(2, weight=10.0), row(3, "age.min")]
    (group,) = gather(rows, ("caller",), owner_of=owner_of).groups
    assert (group.judged, group.rows) == (21.0, 1.0)
    assert group.share == pytest.approx(1 / 21)


def test_rows_that_no_policy_judged_are_nobodys() -> None:
    stray = Prediction(prediction_id="p9", unread="no_policy")
    assert gather([stray], ("caller",), owner_of=owner_of).rows == 0


def test_what_is_not_listed_or_not_read_is_said() -> None:
    rows = [row(1, "age.min", total=25), Prediction(prediction_id="p2", policy=PolicyRef("c", "", "b2:aa"), unread="x")]
    report = gather(rows, ("caller",), owner_of=owner_of)
    assert (report.not_listed, report.unread) == (24, 1)
    assert "24 more violations" in as_text(report)
    assert "\n1 row could not be read (not as the protocol says" in as_text(report)


def test_a_day_tells_since_when() -> None:
    rows = [row(call, "age.min") for call in range(6)]
    report = gather(rows, ("day",), owner_of=owner_of)
    assert sorted(group.by["day"] for group in report.groups) == ["2026-03-01", "2026-03-02", "2026-03-03"]
    (whole,) = gather(rows, ("caller",), owner_of=owner_of).groups
    assert whole.days == {"2026-03-01": 2, "2026-03-02": 2, "2026-03-03": 2}


def test_slices_group_too() -> None:
    rows = [row(1, "age.min", slices={"seniors": True}), row(2, "age.min", slices={"seniors": False})]
    report = gather(rows, ("slice.seniors",), owner_of=owner_of)
    assert {group.by["slice.seniors"] for group in report.groups} == {"true", "false"}


def test_a_name_that_nothing_is_grouped_by_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot group by `colour`: there are caller"):
        gather([], ("colour",), owner_of=owner_of)


def test_the_text_has_the_worst_first_and_says_where_to_look() -> None:
    rows = [row(1, "income.min"), *[row(call, "age.min") for call in (2, 3)]]
    lines = as_text(gather(rows, ("caller", "feature"), owner_of=owner_of, as_enforced=True)).splitlines()
    assert "3 requests would be refused if every policy and rule enforced" in lines[0]
    assert lines[2].split()[:2] == ["caller", "feature"]
    assert lines[3].split()[:2] == ["mobile", "age"]
    assert lines[3].endswith("customers #core (from customer-core)")
    assert lines[-1] == "look at one: sidecar explain p2"


def test_the_page_escapes_what_callers_wrote() -> None:
    page = html(as_page(gather([row(1, "age.min", caller="<script>x</script>")], ("caller",), owner_of=owner_of)))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.startswith("<!doctype html>")
    assert "http" not in page


def test_the_page_keeps_each_example_and_each_time_on_one_line() -> None:
    rows = [row(1, "age.min"), row(2, "age.min")]
    page = html(as_page(gather(rows, ("caller", "feature"), owner_of=owner_of)))
    assert '<td class="id">p1<br>p2</td>' in page
    assert '<td class="figure">2</td>' in page
    assert page.count('<td class="time">') == 2
    assert page.count("<th ") == page.count("<td ") == 12


def test_the_json_has_every_figure() -> None:
    found = as_json(gather([row(1, "age.min")], ("caller", "feature"), owner_of=owner_of, as_enforced=True))
    assert (found["as"], found["rows"], found["refused"]) == ("enforce", 1.0, 1)
    (group,) = found["groups"]
    assert group["by"] == {"caller": "mobile", "feature": "age"}
    assert group["owners"] == [{"owner": "customers", "contact": "#core", "source": "customer-core"}]


def batch(call: int, *actions: str, **more: Any) -> list[Prediction]:
    """A request with one row for each action; "" is a row that breaks nothing."""
    total = sum(bool(action) for action in actions)
    stated = {"would": "rejected", "of": len(actions), "total": total, **more}
    return [
        row(call, "age.min", row=position, applied=action, **stated) if action else row(call, row=position, **stated)
        for position, action in enumerate(actions)
    ]


def figures(rows: list[Prediction], bad_rows: str, **how: Any) -> tuple[float, int, float, int]:
    """(rows refused, requests refused; the same of the one group), as enforced."""
    report = gather(rows, ("feature",), owner_of=owner_of, bad_rows_of=lambda digest: bad_rows,
                    **({"as_enforced": True} | how))  # fmt: skip
    (group,) = report.groups
    return report.refused_rows, report.refused, group.refused_rows, group.refused


def test_a_batch_that_would_lose_a_row_is_not_refused() -> None:
    rows = batch(1, "", "reject", "", "warn")
    assert figures(rows, "drop_rows") == (1, 0, 1, 0)
    assert figures(rows, "reject_request") == (4, 1, 1, 1), "one row refuses them all"


def test_rows_that_ask_to_be_dropped_are_dropped_whatever_else_is_said() -> None:
    assert figures(batch(1, "", "drop"), "reject_request") == (1, 0, 1, 0)
    assert figures(batch(1, "drop", "reject"), "reject_request") == (2, 1, 2, 1)


def test_a_batch_without_a_row_left_is_refused() -> None:
    assert figures(batch(1, "reject", "drop"), "drop_rows") == (2, 1, 2, 1)
    assert figures(batch(1, "reject"), "fallback") == (1, 1, 1, 1), "a single row has no others to be answered with"


def test_rows_that_fall_back_are_not_refused() -> None:
    assert figures(batch(1, "reject", "drop", ""), "fallback") == (1, 0, 1, 0)
    both = row(1, "age.min", "income.min", row=0, of=2, would="rejected")
    both.violations = [RowViolation("age.min", "age", "drop"), RowViolation("income.min", "income", "fallback")]
    report = gather(
        [both, row(1, row=1, of=2, would="rejected", total=2)], ("code",), owner_of=owner_of, as_enforced=True
    )
    assert report.refused_rows == 0, "falling back is heavier than dropping"


def test_rows_that_a_condition_left_out_do_not_make_a_batch_refused() -> None:
    assert figures(batch(1, "", "reject", "")[1:2], "drop_rows") == (1, 0, 1, 0)


def test_as_recorded_a_batch_that_lost_a_row_was_answered() -> None:
    lost = batch(1, "", "reject", "", status=200)
    lost[1].verdict, enforced = "rejected", lost[1].violations
    lost[1].violations = [RowViolation("age.min", "age", "reject", enforced=False)]
    assert figures(lost, "drop_rows", as_enforced=False) == (1, 0, 0, 0), "not enforced: something else refused it"
    lost[1].violations = enforced
    assert figures(lost, "drop_rows", as_enforced=False) == (1, 0, 1, 0)
    refused = batch(2, "", "reject", "", status=422, verdict="rejected")
    assert figures(refused, "reject_request", as_enforced=False)[:2] == (3, 1)


def test_a_body_that_nobody_could_read_would_be_refused() -> None:
    report = gather([row(1, would="rejected", reason="malformed")], ("code",), owner_of=owner_of, as_enforced=True)
    assert (report.refused, report.refused_rows) == (1, 1)


def test_who_sends_bodies_that_cannot_be_read_is_said_with_the_reason() -> None:
    rows = [row(0), row(1, verdict="unchecked", would="rejected", reason="shape"), row(2, caller="batch")]
    (group,) = gather(rows, ("caller", "feature"), owner_of=owner_of, as_enforced=True).groups
    assert dict(group.by) == {"caller": "mobile", "feature": "unchecked.shape"}
    assert (group.rows, group.refused, group.refused_rows) == (1, 1, 1)
    (observed,) = gather(rows, ("caller", "code"), owner_of=owner_of).groups
    assert (observed.rows, observed.refused) == (1, 0), "it was passed on while observing"


@pytest.mark.parametrize(
    "failed",
    [{"status": 500, "upstream_status": 500}, {"status": 504, "error": UpstreamFault.FIRST_BYTE_TIMEOUT.value}],
)
def test_a_model_that_failed_on_what_was_left_refused_nobody(failed: dict[str, Any]) -> None:
    rows = batch(1, "reject", "", **failed)
    rows[0].verdict, rows[1].verdict = "rejected", "ok"
    report = gather(rows, ("feature",), owner_of=owner_of)
    assert (report.refused, report.groups[0].refused) == (0, 0)


def test_an_answer_that_was_not_looked_at_refuses_nobody() -> None:
    rows = [row(1, "age.min", applied="reject", reason="stream", of=2), row(1, row=1, of=2, would="rejected", total=1)]
    assert figures(rows, "drop_rows") == (1, 0, 1, 0)


def judged_beside(call: int, active: str, candidate: str, *codes: str, **more: Any) -> Prediction:
    found = [RowViolation(code, code.split(".")[0], more.pop("applied", "reject")) for code in codes]
    return row(call, candidate=CandidateVerdict(candidate, active, found), **more)


def test_rows_are_counted_by_what_both_contracts_would_do() -> None:
    rows = [
        *[judged_beside(call, "ok", "ok", weight=10.0) for call in range(2)],
        judged_beside(3, "ok", "rejected", "age.max"), judged_beside(4, "rejected", "ok"), row(5),
    ]  # fmt: skip
    report = gather(rows, ("feature",), owner_of=owner_of)
    assert report.beside == {("ok", "ok"): 20.0, ("ok", "rejected"): 1.0, ("rejected", "ok"): 1.0}
    assert as_json(report)["candidate"] == [
        {"active": "ok", "candidate": "ok", "rows": 20.0},
        {"active": "ok", "candidate": "rejected", "rows": 1.0},
        {"active": "rejected", "candidate": "ok", "rows": 1.0},
    ]
    text = as_text(report)
    assert "9.09% of the rows differ" in text
    assert "candidate" not in as_text(gather([row(5)], ("feature",), owner_of=owner_of))


def test_what_the_candidate_finds_can_be_grouped() -> None:
    rows = [
        judged_beside(1, "ok", "rejected", "age.max", of=2),
        judged_beside(1, "ok", "ok", row=1, of=2),
        judged_beside(2, "ok", "observed", "income.max", applied="warn"),
        row(3, "age.min"),
    ]
    how: Any = {"owner_of": owner_of, "candidate": True}
    whole = gather(rows, ("feature",), **how)
    assert {group.by["feature"]: (group.rows, group.refused_rows, group.refused) for group in whole.groups} == {
        "age": (1, 1, 1), "income": (1, 0, 0),
    }  # fmt: skip
    assert (whole.rows, whole.requests, whole.refused, whole.refused_rows) == (3, 2, 1, 2)
    assert "1 requests would be refused under the candidate (2 rows)" in as_text(whole)
    parts = gather(rows, ("feature",), bad_rows_of=lambda digest: "drop_rows", **how)
    assert (parts.refused, parts.refused_rows) == (0, 1)
    assert as_json(parts)["as"] == "candidate"
    assert "under a policy with a candidate" in as_text(gather([row(3)], ("feature",), **how))
