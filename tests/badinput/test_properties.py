"""For any policy and any body: a fast accept is proof, an edit changes what was asked and nothing else, an answer of
our own is an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sidecar.contract import Mode
from sidecar.edits import splice
from sidecar.guard import Guard, Judged
from sidecar.rows import MISSING, Rows
from sidecar.verdict import Outcome
from tests.badinput.bodies import SCORES, STYLES, clean_records, guard_of, policies, replies, requests

NOW = 1_800_000_000.0
quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def judged(guard: Guard, body: bytes) -> Judged:
    return guard.judge_request(body, "", lambda _name: None, "", NOW)


def read(guard: Guard, body: bytes) -> Rows:
    return guard.codec.read_request(body, lambda _name: None)


def same(one: Any, other: Any) -> bool:
    if type(one) is float and type(other) is float and math.isnan(one) and math.isnan(other):
        return True
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("style", sorted(STYLES))
@quick
@given(data=st.data())
def test_what_is_accepted_fast_is_clean_to_the_exact_path(style: str, data: st.DataObject) -> None:
    contract = data.draw(policies())
    guard = guard_of(contract, style)
    for _ in range(3):
        body = data.draw(requests(contract, style))
        rows = guard.accept_request(body)
        exact = judged(guard, body)
        assert exact.guard_error == ""
        event(f"accepted {rows > 0}, {exact.verdict.outcome}")
        if rows:
            assert exact.verdict.outcome is Outcome.OK, (exact.verdict, exact.fault)
            assert exact.verdict.violations == () and exact.verdict.changes == () and exact.edits == ()
            assert exact.rows == rows


@pytest.mark.parametrize("style", sorted(STYLES))
@quick
@given(data=st.data())
def test_an_answer_accepted_fast_is_clean_to_the_exact_path(style: str, data: st.DataObject) -> None:
    guard = guard_of(data.draw(policies()), style)
    for _ in range(3):
        scores = data.draw(st.lists(SCORES if data.draw(st.booleans()) else st.just(0.5), min_size=1, max_size=3))
        body = data.draw(replies(style, scores))
        for rows in {len(scores), 1, 2}:
            version = guard.accept_reply(body, rows)
            exact = guard.judge_reply(body, "", "", NOW, sent_rows=rows)
            assert exact.guard_error == ""
            if version is not None:
                assert exact.verdict.outcome is Outcome.OK, (exact.verdict, exact.fault)
                assert exact.edits == () and exact.verdict.violations == ()
                assert exact.model_version == version


@pytest.mark.parametrize("style", sorted(STYLES))
@quick
@given(data=st.data())
def test_observing_and_enforcing_differ_in_what_is_done_alone(style: str, data: st.DataObject) -> None:
    contract = data.draw(policies())
    enforcing, observing = guard_of(contract, style), guard_of({**contract, "mode": "observe"}, style)
    assert observing.mode("") is Mode.OBSERVE
    body = data.draw(requests(contract, style))
    applied, noted = judged(enforcing, body), judged(observing, body)
    assert noted.body is body and noted.edits == ()
    assert applied.verdict.violations == noted.verdict.violations
    assert applied.verdict.total == noted.verdict.total
    if applied.verdict.violations and applied.fault:  # a repair that the body has no place for: only tried in earnest
        assert applied.verdict.outcome is Outcome.REJECTED
        return
    assert applied.verdict.would == noted.verdict.would
    assert bool(applied.fault) == bool(noted.fault)


def mends_with_what_is_missing(feature: Mapping[str, Any]) -> bool:
    """A policy whose repair is itself a missing value, or a null that a default answers, or a default that may be there
    only once: mended for ever."""
    action = feature["on_violation"]
    if feature.get("unique") and "default" in feature:
        return True
    if action == "set_null" and "default" in feature:
        return True
    mended = [feature.get("default"), action["replace"] if isinstance(action, dict) else None]
    mended += [feature.get("min"), feature.get("max")] if action == "clamp" else []
    return any(value is not None and value in feature.get("missing_values", []) for value in mended)


@pytest.mark.parametrize("style", sorted(STYLES))
@quick
@given(data=st.data())
def test_a_repaired_body_says_what_the_verdict_says_and_needs_no_more_repair(style: str, data: st.DataObject) -> None:
    contract = data.draw(policies())
    guard = guard_of(contract, style)
    body = data.draw(requests(contract, style))
    first = judged(guard, body)
    if first.body is body:
        return
    assert first.body == splice(body, first.edits)
    event(f"repaired, {len(first.verdict.changes)} changes")
    before, after = read(guard, body), read(guard, first.body)
    gone = {*first.verdict.fallback_rows, *first.verdict.dropped_rows}
    left = [row for row in range(before.count) if row not in gone]
    assert after.count == len(left)
    changed = {(change.row, change.feature): change.value for change in first.verdict.changes}
    for name in contract["features"]:
        for at, row in enumerate(left):
            wanted = changed.get((row, name), before.columns[name][row])
            found = after.columns[name][at]
            absent = wanted is MISSING or (wanted is None and found is MISSING)
            assert same(found, wanted) or (absent and found in (None, MISSING)), (name, row, wanted, found)
    if any(mends_with_what_is_missing(feature) for feature in contract["features"].values()):
        return
    second = judged(guard, first.body)
    assert second.fault is None
    assert second.verdict.outcome in (Outcome.OK, Outcome.OBSERVED)
    assert second.verdict.changes == () and second.body is first.body


@pytest.mark.parametrize("style", [style for style in sorted(STYLES) if style != "one object"])
@quick
@given(data=st.data())
def test_rows_put_into_an_answer_stand_where_they_belong(style: str, data: st.DataObject) -> None:
    guard = guard_of(data.draw(policies()), style)
    total = data.draw(st.integers(2, 6))
    withheld = sorted(data.draw(st.sets(st.integers(0, total - 1), min_size=1, max_size=total - 1)))
    scores = data.draw(st.lists(st.sampled_from([0.25, 0.75, 1.0]), min_size=total - len(withheld), max_size=total))
    scores = scores[: total - len(withheld)]
    body = data.draw(replies(style, scores))
    made = guard.judge_reply(body, "", "", NOW, sent_rows=len(scores), fallback_rows=withheld)
    assert made.guard_error == ""
    if made.verdict.outcome in (Outcome.REJECTED, Outcome.UNCHECKED):
        return
    after = guard.codec.read_reply(made.body)
    assert after.count == total
    for row in withheld:
        assert after.columns["score"][row] == 0.5
    own = [score for row, score in enumerate(after.columns["score"]) if row not in withheld]
    if made.verdict.outcome is Outcome.OK:
        assert own == list(guard.codec.read_reply(body).columns["score"])


@pytest.mark.parametrize("style", sorted(STYLES))
@quick
@given(data=st.data())
def test_a_fallback_is_an_answer_that_the_policy_takes(style: str, data: st.DataObject) -> None:
    contract = data.draw(policies())
    guard = guard_of(contract, style)
    rows = data.draw(clean_records(contract))[: 1 if style == "one object" else None]
    asked = data.draw(requests(contract, style))
    count = len(rows)
    answer = guard.fallback_reply(asked, "", count, model_name="m")
    assert answer is not None
    found = guard.codec.read_reply(answer)
    assert (found.count, list(found.columns["score"])) == (count, [0.5] * count)
    assert guard.judge_reply(answer, "", "", NOW, sent_rows=count).verdict.outcome is Outcome.OK
