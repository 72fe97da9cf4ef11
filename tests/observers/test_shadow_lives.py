"""What is not copied, what counts as one unit, and what restarts and reloads may not do."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.policy import load
from sidecar.shadow.state import State, encode_state
from tests.kit.client import eventually
from tests.kit.guards import CREDIT, broken, policy, rows, scores
from tests.kit.upstream import answer, hangs, replies, serving

from .shadowing import GOOD, Books, Tape, candidate, observing, shadowed, world

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop of the cold process."""
    return ("asyncio", {"use_uvloop": True})


# -- what is not sent


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"method": "DELETE"}, "unsafe_method"),
        ({"method": "PUT"}, "unsafe_method"),
        ({"upstream_status": 503, "status": 503}, "primary_failed"),
        ({"error": "truncated"}, "primary_failed"),
        ({"streamed": True}, "streaming_skipped"),
        ({"request_digest": "b2:00"}, "too_large"),
        ({"response_digest": "b2:00"}, "too_large"),
        ({"reason": "memory", "verdict": "unchecked"}, "too_large"),
    ],
)
async def test_what_cannot_be_compared_is_not_sent_and_counted(
    tmp_path: Path, fields: dict[str, Any], outcome: str
) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        with Tape(tmp_path, guard.identity.digest) as tape:
            tape.exchange(**fields)
        async with observing(tmp_path, books) as shadow:
            await shadow.settle()
            assert shadow.outcomes() == {outcome: 1}
        assert not model.requests


async def test_a_primary_that_cannot_be_read_is_uncomparable(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        with Tape(tmp_path, guard.identity.digest) as tape:
            tape.exchange(reply=b"<html>")
        async with observing(tmp_path, books) as shadow:
            await shadow.settle()
            assert (shadow.record().outcome, shadow.record().error) == ("uncomparable", "primary_malformed")


async def test_what_is_no_inference_or_nobodys_is_not_looked_at(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        with Tape(tmp_path, guard.identity.digest) as tape:
            tape.exchange(route_kind="metadata", method="GET")
            tape.exchange(policy_digest="")
        async with observing(tmp_path, books) as shadow:
            await shadow.settle()
            assert not any(sum(run.sums.outcomes.values()) for run in shadow.state.runs.values())
        assert not model.requests


async def test_a_policy_nobody_knows_is_counted(tmp_path: Path) -> None:
    with Tape(tmp_path, "b2:unknown") as tape:
        tape.exchange()
    async with observing(tmp_path, Books()) as shadow:
        await shadow.settle()
        assert shadow.observer.snapshot()["unknown_policy"] == 1


async def test_the_days_budget_is_paced_and_its_end_is_an_outcome(tmp_path: Path) -> None:
    now = [1_800_000_000 * 10**9]
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port, "limits: {per_day: 960}")
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(50):
                tape.exchange()
            async with observing(tmp_path, books, replicas=2, wall=lambda: now[0]) as shadow:
                await shadow.settle()
                assert shadow.outcomes() == {"compared": 5, "budget_spent": 45}
                now[0] += 3600 * 10**9  # 20 an hour for each of two replicas, 5 at once
                for _ in range(50):
                    tape.exchange()
                await shadow.settle()
                assert shadow.outcomes() == {"compared": 10, "budget_spent": 90}
        assert len(model.requests) == 10


# -- units


async def test_rows_are_units_of_their_own_and_only_drawn_ones_are_scored(tmp_path: Path) -> None:
    body, reply = rows(*[[30, index] for index in range(200)]), scores(*[0.25] * 200)
    async with serving(default=replies(answer(reply))) as model:
        books, guard = world(tmp_path, model.port, "unit: row, sample: 50%, compare: {score: {tolerance: 0.02}}")
        with Tape(tmp_path, guard.identity.digest) as tape:
            tape.exchange(body, reply, rows=200)
        async with observing(tmp_path, books) as shadow:
            await shadow.settle()
        record = shadow.record()
        assert len(record.scores) == len(set(record.units)) == shadow.only["units"]["compared"]
        assert 60 < len(record.units) < 140
        assert bytes(model.received.body) == body


async def test_a_key_features_unit_is_sticky_whichever_way_it_is_written(tmp_path: Path) -> None:
    contract = CREDIT.replace("features:", "features:\n  customer: {type: json, role: key}")
    model_line = "protocol: tfserving, name: credit"

    async with serving(default=replies(answer(b'{"predictions": [0.25, 0.25]}'))) as model:
        file = tmp_path / "key.yaml"
        more = "unit: customer, sample: 50%, compare: {score: {tolerance: 0.02}}"
        file.write_text(policy(contract, model=model_line) + f"shadow:\n  - {{{candidate(model.port, more)}}}\n")
        loaded = load([file])
        assert not loaded.errors, loaded.findings
        books = Books()
        guard = books.learn(loaded.policies[0])
        with Tape(tmp_path, guard.identity.digest) as tape:
            for customer in range(40):
                for spelled in (customer, str(customer)):
                    pair = [{"customer": spelled, "age": 30, "income": 1.0}] * 2
                    body = json.dumps({"instances": pair}).encode()
                    target = "/v1/models/credit:predict"
                    tape.exchange(body, b'{"predictions": [0.25, 0.25]}', protocol="tfserving", target=target, rows=2)
        async with observing(tmp_path, books) as shadow:
            await shadow.settle()
        units = Counter(record.units for record in shadow.records())
        assert 10 <= len(units) <= 30
        assert set(units.values()) == {2} and all(len(each) == 1 for each in units)
        assert all(record.scores[0].rows == 2 for record in shadow.records())


# -- restarts and reloads


async def test_a_restart_sends_nothing_again_and_counts_everything_once(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(20):
                tape.exchange()
            async with observing(tmp_path, books) as first:
                await first.settle()
                await first.commit()
            for _ in range(5):
                tape.exchange()
            async with observing(tmp_path, books, crash=True) as second:
                assert second.outcomes() == {"compared": 20}
                await second.settle()
                assert second.outcomes() == {"compared": 25}
            async with observing(tmp_path, books) as third:
                assert third.outcomes() == {"compared": 20}
                await third.settle()
                assert third.outcomes() == {"compared": 25}
                assert third.only["units"]["compared"] == 25
        assert len(model.requests) == 25 == len(first.records())


@pytest.mark.parametrize("committed", [False, True])
async def test_what_a_crash_interrupted_is_dropped_and_counted_never_sent_again(
    tmp_path: Path, committed: bool
) -> None:
    async with serving(default=hangs) as model:
        books, guard = world(tmp_path, model.port, "limits: {in_flight: 4, timeout: 60s}")
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(10):
                tape.exchange()
        async with observing(tmp_path, books, crash=True) as first:
            await first.read()
            await eventually(lambda: len(model.requests) == 4, "four copies")
            if committed:
                await first.commit()
        async with observing(tmp_path, books) as second:
            await second.read()
            await second.read()
            sent_before = 4
            waiting = 0 if committed else 6
            assert second.observer.snapshot()["open"] == waiting
            expected = {"dropped_queue": 10 if committed else sent_before}
            assert second.outcomes() == expected
            assert {record.error for record in second.records()} == {"interrupted"}
        assert len(model.requests) <= 4 + min(4, waiting)


async def test_a_state_that_was_lost_is_made_again_from_the_journal(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(10):
                tape.exchange()
        async with observing(tmp_path, books) as first:
            await first.settle()
            await first.commit()
        (tmp_path / "observers" / "shadow" / "state").unlink()
        async with observing(tmp_path, books) as second:
            await second.settle()
            assert second.outcomes() == {"compared": 10}
        assert len(model.requests) == 10


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not a state",
        msgspec.msgpack.encode(({}, b"not a state")),
        msgspec.msgpack.encode(({}, encode_state(State(version=99)))),
    ],
    ids=["empty", "no file of ours", "no state in it", "another version"],
)
async def test_a_damaged_state_is_set_aside_told_and_made_again_from_the_journal(tmp_path: Path, damage: bytes) -> None:
    state = tmp_path / "observers" / "shadow" / "state"
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(10):
                tape.exchange()
        async with observing(tmp_path, books) as first:
            await first.settle()
            await first.commit()
        state.write_bytes(damage)
        async with observing(tmp_path, books) as second:
            ((event, fields),) = second.said
            assert event == "shadow.state_damaged"
            assert fields["kept_as"] == str(state.with_suffix(".damaged"))
            assert str(state) in fields["reason"]
            await second.settle()
            await second.commit()
            assert second.outcomes() == {"compared": 10}
        assert state.with_suffix(".damaged").read_bytes() == damage
        async with observing(tmp_path, books) as third:
            assert third.said == [], "the new one is well"
            assert third.outcomes() == {"compared": 10}
        assert len(model.requests) == 10


async def test_candidates_follow_the_policy_of_each_record(tmp_path: Path) -> None:
    async with serving(default=GOOD) as old, serving(default=GOOD) as new:
        books, before = world(tmp_path, old.port)
        after = books.learn(shadowed(tmp_path, candidate(new.port)))
        none = books.learn(shadowed(tmp_path))
        async with observing(tmp_path, books) as shadow:
            for guard in (before, after, none):
                with Tape(tmp_path, guard.identity.digest) as tape:
                    tape.exchange(prediction_id=guard.identity.digest)
                await shadow.settle()
            found = shadow.observer.snapshot()
        assert (len(old.requests), len(new.requests)) == (1, 1)
        assert len(found["candidates"]) == 1 and len(found["earlier"]) == 1
        assert found["candidates"][0]["upstream"].endswith(str(new.port))


async def test_a_fault_of_our_own_is_said_and_costs_one_record(tmp_path: Path) -> None:
    """What no one foresaw, on either way: before sending and while comparing."""
    async with serving(default=GOOD) as model:
        for side in ("request", "reply"):
            folder = tmp_path / side
            books, guard = world(folder, model.port, "unit: row, compare: {score: {tolerance: 0.02}}")
            books.replace(guard.identity.digest, broken(guard, side))
            with Tape(folder, guard.identity.digest) as tape:
                tape.exchange()
            async with observing(folder, books) as shadow:
                await shadow.settle()
                assert shadow.outcomes() == {"uncomparable": 1}
                assert shadow.record().error == "fault_PlantedError"
                assert [event for event, _ in shadow.said] == ["shadow.failed"]


async def test_a_journal_that_takes_no_record_is_said(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        with Tape(tmp_path, guard.identity.digest) as tape:
            tape.exchange()
        async with observing(tmp_path, books) as shadow:
            shadow.context.cold.close()
            await shadow.read()
            await eventually(lambda: not shadow.observer._open, "the answer")
            assert shadow.observer.snapshot()["unrecorded"] == 1
