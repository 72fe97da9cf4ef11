"""Sums: any split of a stream adds up to the stream; what they say of coverage, failures and latency."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from sidecar.errors import JournalError
from sidecar.exchange import Shadow, ShadowDifference, ShadowScore
from sidecar.shadow import OUTCOMES, CandidatePlan, Outcome, State, Sums, decode_state, encode_state, snapshot
from sidecar.telemetry.metrics import SHADOW_OUTCOME_WORDS


def record(number: int, outcome: Outcome = Outcome.COMPARED, difference: float = 0.0, **fields: Any) -> Shadow:
    agrees = difference <= 0.02
    compared = outcome is Outcome.COMPARED
    facts: dict[str, Any] = {
        "prediction_id": f"p{number}",
        "request_id": f"r{number}",
        "policy": "credit",
        "policy_digest": "b2:00",
        "candidate": "v15",
        "run": "abc",
        "outcome": outcome.value,
        "at_unix_ns": 1_000 + number,
        "latency_ns": 3_000_000 * (number % 7 + 1),
        "rows": 1,
        "units": (f"u{number}",),
        "scores": (ShadowScore(f"u{number}", "score", difference - 0.02, agrees, difference, 1),) if compared else (),
        "differences": () if agrees or not compared else (ShadowDifference("score", "", 0, "value"),),
        **fields,
    }
    return Shadow(**facts)


def stream(count: int = 400) -> list[Shadow]:
    draw = random.Random(3)
    outcomes = [*[Outcome.COMPARED] * 8, Outcome.SHADOW_ERROR, Outcome.SHADOW_TIMEOUT, Outcome.DROPPED_QUEUE]
    return [record(number, draw.choice(outcomes), draw.random() * 0.1) for number in range(count)]


def summed(records: list[Shadow]) -> Sums:
    sums = Sums()
    for one in records:
        sums.add(one)
    return sums


def plain(sums: Sums) -> Any:
    return json.loads(json.dumps(msgspec.to_builtins(sums)), parse_float=lambda text: round(float(text), 9))


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_merging_replicas_is_the_single_stream(parts: int) -> None:
    records = stream()
    whole = summed(records)
    merged = Sums()
    for part in range(parts):
        merged.merge(summed(records[part::parts]))
    assert plain(merged) == plain(whole)


def test_the_order_of_merging_does_not_matter_and_nothing_is_changed_by_being_merged() -> None:
    records = stream(60)
    left, right = summed(records[:20]), summed(records[20:])
    before = plain(right)
    forward, backward = Sums(), Sums()
    forward.merge(left)
    forward.merge(right)
    backward.merge(right)
    backward.merge(left)
    assert plain(forward) == plain(backward)
    assert plain(right) == before


def test_coverage_is_of_those_that_were_wanted() -> None:
    sums = summed([record(0), record(1, Outcome.SHADOW_ERROR), record(2, Outcome.DROPPED_BYTES), record(3)])
    sums.add(record(4, Outcome.PRIMARY_FAILED))
    sums.count(Outcome.NOT_SAMPLED)
    assert (sums.sampled, sums.coverage) == (4, 0.5)
    assert Sums().coverage is None


def test_a_unit_agrees_when_all_its_outputs_do() -> None:
    scores = (ShadowScore("u", "a", -0.01, True, 0.0, 1), ShadowScore("u", "b", 0.5, False, 0.5, 1))
    sums = summed([record(0, scores=scores)])
    assert (sums.units_compared, sums.units_agree) == (1, 0)
    assert (sums.outputs["a"].agree, sums.outputs["b"].agree) == (1, 0)


def test_the_outcomes_are_those_of_the_metric() -> None:
    assert OUTCOMES == SHADOW_OUTCOME_WORDS


def test_latency_is_told_by_bounds() -> None:
    sums = summed([record(0, latency_ns=3_000_000), record(1, latency_ns=3_000_000), record(2, latency_ns=70_000_000)])
    assert (sums.latency_below_ms(0.5), sums.latency_below_ms(0.99)) == (5, 100)
    assert Sums().latency_below_ms(0.5) is None


class TestAState:
    def test_survives_its_file_and_folds_on(self) -> None:
        state = State()
        for one in stream(50):
            state.of_record(one).fold(one)
        again = decode_state(encode_state(state))
        assert snapshot(again) == snapshot(state)
        json.dumps(snapshot(again), allow_nan=False)

    def test_shows_the_latest_run_and_keeps_the_one_before(self) -> None:
        state = State()
        first = CandidatePlan("v15", "http://v15", compare={"score": "numeric"})
        second = CandidatePlan("v15", "http://v15", compare={"score": "exact"})
        assert first.run != second.run
        state.begin("credit", first, 1)
        state.begin("credit", second, 2)
        assert state.begin("credit", first, 3) is state.begin("credit", first, 4)
        found = snapshot(state)
        assert [run["run"] for run in found["candidates"]] == [second.run]
        assert [run["run"] for run in found["earlier"]] == [first.run]

    def test_forgets_the_oldest_of_many_runs(self) -> None:
        state = State()
        for number in range(20):
            state.begin("credit", CandidatePlan("v15", f"http://v{number}"), number)
        assert len(state.runs) == 8

    @pytest.mark.parametrize("data", [b"\xc1", b"\x93\x01\x02\x03", encode_state(State(version=99))])
    def test_of_another_kind_is_refused(self, data: bytes) -> None:
        with pytest.raises(JournalError):
            decode_state(data)

    def test_of_nothing_is_empty(self) -> None:
        assert snapshot(decode_state(b""))["candidates"] == []


@pytest.mark.parametrize(("change"), [{"unit": "row"}, {"sample": 0.5}, {"upstream": "http://other"}])
def test_other_settings_are_another_run_and_other_limits_are_not(change: dict[str, Any]) -> None:
    plan = CandidatePlan("v15", "http://v15")
    assert msgspec.structs.replace(plan, **change).run != plan.run
    assert msgspec.structs.replace(plan, min_coverage=0.5).run == plan.run
