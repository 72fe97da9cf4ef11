"""Copies of requests: who gets them, what they look like, what becomes of them."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sidecar.observers.shadow.mirror import Copy
from sidecar.observers.shadow.observer import MOST_HELD_BYTES
from tests.kit.client import eventually, request
from tests.kit.guards import CREDIT, INFER, rows, scores
from tests.kit.running import Running, running
from tests.kit.upstream import Asked, Script, answer, chunked, hangs, replies, replies_and_closes, resets, serving

from .shadowing import ANSWER, BODY, GOOD, JSON, Books, Observing, Tape, candidate, observing, shadowed, world

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop of the cold process."""
    return ("asyncio", {"use_uvloop": True})


async def ask(gateway: Running, body: bytes = BODY, *headers: bytes) -> bytes:
    """One caller's request; the answer's body."""
    return (await gateway.ask(request(INFER, body, JSON, *headers))).body


async def shadow_one(tmp_path: Path, script: Script, limit: str = "60s") -> Observing:
    """One request through a gateway, one copy to a scripted candidate, until it is in the sums."""
    async with serving(default=script) as model:
        more = f"compare: {{score: {{tolerance: 0.02}}}}, limits: {{timeout: {limit}}}"
        books, guard = world(tmp_path, model.port, more)
        async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
            assert await ask(gateway) == ANSWER
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
                return shadow


class TestACopy:
    async def test_is_compared_recorded_and_counted(self, tmp_path: Path) -> None:
        shadow = await shadow_one(tmp_path, replies(answer(scores(0.26, model_version="15"))))
        record = shadow.record()
        (score,) = record.scores
        assert (record.outcome, record.status, record.model_version, record.rows) == ("compared", 200, "15", 1)
        assert score.agrees and score.output == "score" and abs(score.difference - 0.01) < 1e-9
        assert shadow.frames()[0].payloads == (scores(0.26, model_version="15"),)
        assert 0 < record.latency_ns < 60e9 and record.primary_ns > 0
        only = shadow.only
        assert (only["agreement"], only["coverage"], only["covered"]) == (1.0, 1.0, True)
        assert shadow.outcomes() == {"compared": 1}

    async def test_beyond_the_tolerance_is_a_difference_with_its_place_and_no_value(self, tmp_path: Path) -> None:
        shadow = await shadow_one(tmp_path, replies(answer(scores(0.75))))
        (difference,) = shadow.record().differences
        assert (difference.output, difference.row, difference.type) == ("score", 0, "value")
        assert shadow.only["outputs"]["score"]["difference_max"] == 0.5
        assert shadow.only["agreement"] == 0.0

    async def test_is_the_body_as_the_primary_got_it(self, tmp_path: Path) -> None:
        async with serving(default=GOOD) as model:
            books, guard = world(tmp_path, model.port)
            async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
                await ask(gateway, rows([30, -5.5]))  # clamped to 0
                async with observing(tmp_path, books) as shadow:
                    await shadow.settle()
                assert model.received.body == gateway.upstream.received.body != rows([30, -5.5])
                assert model.received.target == gateway.upstream.received.target

    async def test_of_a_coded_body_is_coded_and_says_so(self, tmp_path: Path) -> None:
        async with serving(
            default=replies(answer(gzip.compress(ANSWER), headers=[(b"Content-Encoding", b"gzip")]))
        ) as model:
            books, guard = world(tmp_path, model.port)
            async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
                await ask(gateway, gzip.compress(BODY), b"Content-Encoding: gzip")
                async with observing(tmp_path, books) as shadow:
                    await shadow.settle()
                    assert shadow.record().outcome == "compared"
                assert gzip.decompress(bytes(model.received.body)) == BODY
                assert model.received.values(b"content-encoding") == [b"gzip"]

    async def test_goes_to_every_candidate_of_the_policy(self, tmp_path: Path) -> None:
        async with serving(default=GOOD) as one, serving(default=resets) as other:
            books = Books()
            guard = books.learn(shadowed(tmp_path, candidate(one.port), candidate(other.port, name="v16")))
            async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
                await ask(gateway)
                async with observing(tmp_path, books) as shadow:
                    await shadow.settle()
                    found = {one["candidate"]: one["outcomes"] for one in shadow.observer.snapshot()["candidates"]}
        assert (found["v15"]["compared"], found["v16"]["shadow_error"]) == (1, 1)

    async def test_of_answers_without_named_outputs_compares_all_of_them(self, tmp_path: Path) -> None:
        contract = "features:\n  age: {type: int}\n"
        async with serving(default=replies(answer(scores(0.5, model_version="15")))) as model:
            books = Books()
            guard = books.learn(shadowed(tmp_path, candidate(model.port, ""), contract=contract))
            async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
                await ask(gateway)
                async with observing(tmp_path, books) as shadow:
                    await shadow.settle()
        outputs = shadow.only["outputs"]
        assert outputs["/outputs/0/data"]["agree"] == 0 and outputs["/outputs/0/name"]["agree"] == 1

    async def test_names_an_output_that_the_contract_does_not_check(self, tmp_path: Path) -> None:
        contract = "features:\n  age: {type: int}\n"
        async with serving(default=GOOD) as model:
            books = Books()
            guard = books.learn(shadowed(tmp_path, candidate(model.port), contract=contract))
            async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
                await ask(gateway)
                async with observing(tmp_path, books) as shadow:
                    await shadow.settle()
        assert shadow.only["outputs"]["score"]["agree"] == 1


_OTHERS = json.dumps(
    {
        "model_name": "credit",
        "outputs": [{"name": name, "shape": [1], "datatype": "FP64", "data": [0.25]} for name in ("a", "b")],
    }
).encode()
BROKEN: Mapping[str, tuple[Script, str, str]] = {
    "resets": (resets, "shadow_error", "reset"),
    "hangs": (hangs, "shadow_timeout", "total_timeout"),
    "says 500": (replies(answer(b"{}", 500)), "shadow_error", "status_500"),
    "redirects": (replies(answer(b"", 302, [(b"Location", b"http://127.0.0.1:1/")])), "shadow_error", "status_302"),
    "is no HTTP": (replies_and_closes(b"hello\r\n\r\n"), "shadow_error", "bad_answer"),
    "is cut short": (replies_and_closes(answer(ANSWER)[:-10]), "shadow_error", "truncated"),
    "is not JSON": (replies(answer(b"<html>")), "compared", "candidate_malformed"),
    "has the wrong shape": (replies(answer(scores(0.25, 0.25))), "compared", ""),
    "lacks the output": (replies(answer(_OTHERS)), "compared", ""),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_candidate_that_fails_is_worst_not_left_out(tmp_path: Path, what: str) -> None:
    script, outcome, error = BROKEN[what]
    shadow = await shadow_one(tmp_path, script, "300ms" if script is hangs else "60s")
    record = shadow.record()
    assert (record.outcome, record.error) == (outcome, error)
    only = shadow.only
    assert only["agreement_worst_case"] == 0.0
    assert only["units"]["failed"] + only["units"]["compared"] == 1


async def test_a_dead_candidate_is_a_shadow_error(tmp_path: Path) -> None:
    async with serving() as gone:
        port = gone.port
    books, guard = world(tmp_path, port)
    async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
        await ask(gateway)
        async with observing(tmp_path, books) as shadow:
            await shadow.settle()
    assert (shadow.record().outcome, shadow.record().error) == ("shadow_error", "connect_error")


# -- C44


async def test_c44_pools_hung_candidate_holds_its_limit_and_the_rest_is_counted(tmp_path: Path) -> None:
    """1000 calls to a candidate that never answers, 5 at a time: bounded, counted, and the primary never waits."""
    limits = "limits: {in_flight: 5, timeout: 60s}"
    async with serving(default=hangs) as model:
        books, guard = world(tmp_path, model.port, limits)
        async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
            async with gateway.connected() as caller:
                for _ in range(1000):
                    await caller.send(request(INFER, BODY, JSON))
                    assert (await caller.answer()).body == ANSWER
            async with observing(tmp_path, books) as shadow:
                while await shadow.read():
                    assert model.open_connections <= 5
                    assert sum(mirror.in_flight for mirror in shadow.observer._mirrors.values()) <= 5
                await shadow.observer.close()
                while await shadow.read():
                    pass
                outcomes = shadow.outcomes()
        assert sum(outcomes.values()) == 1000 == len(shadow.records())
        assert outcomes["dropped_queue"] >= 1000 - 5 * 32 - 20
        assert model.connections <= 30


async def test_c44_pools_bytes_waiting_are_bounded(tmp_path: Path) -> None:
    async with serving(default=hangs) as model:
        books, guard = world(tmp_path, model.port, "limits: {in_flight: 2, timeout: 1s, queue_bytes: 10KiB}")
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(100):
                tape.exchange(request=rows([30, 1000.5], parameters={"note": "x" * 2000}))
        async with observing(tmp_path, books) as shadow:
            while await shadow.read():
                assert all(mirror.held_bytes <= 10 * 1024 for mirror in shadow.observer._mirrors.values())
            await shadow.settle()
            outcomes = shadow.outcomes()
        assert outcomes["dropped_bytes"] > 80 and sum(outcomes.values()) == 100
        assert all(mirror.held_bytes == 0 for mirror in shadow.observer._mirrors.values())


@pytest.mark.parametrize("script", [hangs, resets, GOOD], ids=["hangs", "resets", "answers"])
async def test_c45_memory_a_copy_is_let_go_of_when_its_call_ends(tmp_path: Path, script: Script) -> None:
    """At once, not when the collector of circles comes by: it comes seldom, and bodies are large."""
    async with serving(default=script) as model:
        books, guard = world(tmp_path, model.port, "limits: {timeout: 100ms, in_flight: 4}")
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(12):
                tape.exchange()
        gc.collect()
        gc.disable()
        try:
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
                assert sum(shadow.outcomes().values()) == 12
                assert [one for one in gc.get_objects() if isinstance(one, Copy)] == []
        finally:
            gc.enable()


async def test_c45_memory_candidates_share_one_budget(tmp_path: Path) -> None:
    """Three that hang, each allowed 60 MiB: together they hold what one may."""
    async with serving(default=hangs) as model:
        books = Books()
        more = "limits: {timeout: 5s, queue_bytes: 60MiB, in_flight: 64}"
        lines = [candidate(model.port, more, name=name) for name in ("a", "b", "c")]
        guard = books.learn(shadowed(tmp_path, *lines))
        large = rows([30, 1000.5])[:-1] + b', "parameters": {"note": "' + b"x" * 4_000_000 + b'"}}'
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(8):
                tape.exchange(large)
        async with observing(tmp_path, books) as shadow:
            most = 0
            while await shadow.read():
                most = max(most, sum(mirror.held_bytes for mirror in shadow.observer._mirrors.values()))
            await shadow.settle()
            outcomes = [one["outcomes"] for one in shadow.observer.snapshot()["candidates"]]
    assert 60_000_000 < most <= MOST_HELD_BYTES
    assert sum(one["dropped_bytes"] for one in outcomes) == 8
    assert sum(one["shadow_timeout"] for one in outcomes) == 16


# -- C46, in one process; over processes in tests/e2e


async def _endless(asked: Asked) -> None:
    await asked.body()
    await asked.send(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n")
    while not asked.received.connection_closed.is_set():
        await asked.send(b"data: more\n\n")
        await asyncio.sleep(0)


async def _gigabyte(asked: Asked) -> None:
    await asked.body()
    await asked.send(b"HTTP/1.1 200 X\r\nContent-Length: 1073741824\r\n\r\n")
    piece = b"x" * 65536
    for _ in range(16384):
        await asked.send(piece)


async def _gigabyte_chunked(asked: Asked) -> None:
    await asked.body()
    await asked.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = chunked(b"x" * 65536).removesuffix(b"0\r\n\r\n")
    for _ in range(16384):
        await asked.send(piece)


@pytest.mark.parametrize(
    ("script", "outcome", "error"),
    [
        (_endless, {"shadow_error", "shadow_timeout"}, {"answer_too_large", "total_timeout"}),
        (_gigabyte, {"shadow_error"}, {"answer_too_large"}),
        (_gigabyte_chunked, {"shadow_error"}, {"answer_too_large"}),
        (replies(answer(b"{}", 500, [(b"Set-Cookie", b"a=b")])), {"shadow_error"}, {"status_500"}),
    ],
)
async def test_c46_no_influence_reading_is_capped_and_timed_out(
    tmp_path: Path, script: Script, outcome: set[str], error: set[str]
) -> None:
    async with serving(default=script) as model:
        # those that end with the cap have all the time that a busy machine needs to send so much
        limit = "500ms" if script is _endless else "60s"
        books, guard = world(tmp_path, model.port, f"limits: {{timeout: {limit}}}")
        primary = answer(ANSWER, headers=[(b"Content-Type", b"application/json"), (b"Set-Cookie", b"mine=1")])
        async with (
            running(tmp_path, default=replies(primary), guards=[guard]) as gateway,
            observing(tmp_path, books) as shadow,
        ):
            before = await gateway.ask(request(INFER, BODY, JSON))
            await shadow.settle()
            after = await gateway.ask(request(INFER, BODY, JSON))
            await shadow.settle()
            for found in (before, after):
                assert (found.body, found.values("set-cookie")) == (ANSWER, ["mine=1"])
            for record in shadow.records():
                assert record.outcome in outcome and record.error in error
                assert record.answer_bytes <= 128 * 1024
            if model.open_connections:
                await eventually(lambda: model.open_connections <= 1, "cut connections")


# -- C47


async def test_c47_no_side_doors(tmp_path: Path) -> None:
    """Marked, without credentials, in a trace of its own, never retried, no copy of a copy or of a refused request."""
    async with serving(default=resets) as model:
        more = "headers: {drop: [authorization, cookie, user-agent]}"
        books, guard = world(tmp_path, model.port, more)
        async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
            parent = b"traceparent: 00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"
            secrets = (b"Authorization: Bearer t0ken", b"Cookie: session=1", b"X-Api-Key: s3cret", b"User-Agent: me")
            await ask(gateway, BODY, parent, b"X-Request-Id: caller-1", *secrets)
            await ask(gateway, BODY, b"X-Shadow: 1", b"X-Shadow-Of: somebody")
            refused = await gateway.ask(request(INFER, rows([130, 1000.5]), JSON))
            assert refused.status == 422
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
                (sent,) = model.requests
                failed, *_ = [record for record in shadow.records() if record.request_id == "caller-1"]
                assert shadow.outcomes() == {"shadow_error": 1, "primary_failed": 1, "not_sampled": 1}
            raw = bytes(sent.raw).lower()
            for word in (b"t0ken", b"session=1", b"s3cret", b"user-agent", b"1" * 32):
                assert word not in raw
            assert sent.values(b"x-shadow") == [b"1"]
            assert sent.values(b"x-shadow-of") == [b"caller-1"]
            (traceparent,) = sent.values(b"traceparent")
            assert traceparent == f"00-{failed.trace_id}-{failed.span_id}-03".encode()
            assert failed.link_trace_id == "1" * 32 and failed.trace_id != failed.link_trace_id


async def test_c47_a_header_that_the_model_never_sees_is_not_sent_to_a_candidate(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books = Books()
        features = "features:\n  region: {type: string, from: 'header:x-region', role: slice_only}"
        contract = CREDIT.replace("features:", features)
        guard = books.learn(shadowed(tmp_path, candidate(model.port), contract=contract))
        async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
            await ask(gateway, BODY, b"X-Region: north", b"User-Agent: me")
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
            (sent,) = model.requests
            assert (sent.values(b"x-region"), sent.values(b"user-agent")) == ([], [b"me"])


# -- C48


async def test_c48_pairing_ten_thousand_calls(tmp_path: Path) -> None:
    """The share sampled is within binomial bounds, every sampled call has one record, joined by both ids."""
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port, "sample: 10%, compare: {score: {tolerance: 0.02}}")
        with Tape(tmp_path, guard.identity.digest) as tape:
            exchanges = {}
            for _ in range(10_000):
                exchange = tape.exchange()
                exchanges[exchange.prediction_id] = exchange
        async with observing(tmp_path, books) as shadow:
            while await shadow.read():
                await eventually(lambda: len(shadow.observer._open) < 200, "room in the queue")
            await shadow.settle()
            records, outcomes = shadow.records(), shadow.outcomes()
        assert sum(outcomes.values()) == 10_000
        assert 880 <= outcomes["compared"] <= 1120  # 1000 ± 4 standard deviations
        assert len({record.prediction_id for record in records}) == len(records) == outcomes["compared"]
        assert all(exchanges[record.prediction_id].request_id == record.request_id for record in records)
        assert len(model.requests) == len(records)


async def test_c48_pairing_a_caller_who_leaves_is_counted(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port)
        async with running(tmp_path, default=hangs, guards=[guard]) as gateway:
            async with gateway.connected() as caller:
                await caller.send(request(INFER, BODY, JSON))
                await eventually(lambda: gateway.upstream.requests, "the request upstream")
                caller.leave()
            await eventually(gateway.exchanges, "its record")
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
                assert shadow.outcomes() == {"primary_failed": 1}
                assert shadow.record().error == "client_abort"
        assert not model.requests
