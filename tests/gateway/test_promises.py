"""The promises, as far as the gateway keeps them; each test carries its promise's number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.edits import Span, splice
from sidecar.exchange import Kind
from sidecar.gateway import GatewaySettings, UpstreamTimeouts
from sidecar.guard import Guard, Guards
from sidecar.journal import Hold, JournalSettings
from sidecar.telemetry import metrics
from tests.kit.client import eventually, request
from tests.kit.guards import (
    BAD,
    CLEAN,
    CREDIT,
    INFER,
    OBSERVED,
    REPAIRABLE,
    broken,
    credit,
    guard,
    policy,
    renamed,
    rows,
    scores,
)  # fmt: skip
from tests.kit.running import Running, running
from tests.kit.upstream import answer, hangs, replies, resets

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))

CORPUS = {
    "clean": CLEAN,
    "too old": BAD,
    "repairable": REPAIRABLE,
    "empty": b"",
    "not JSON": b"not json {",
    "truncated": CLEAN[:-3],
    "a list": b"[1, 2]",
    "null": b"null",
    "NaN": CLEAN.replace(b"1000.5", b"NaN"),
    "1e999": CLEAN.replace(b"1000.5", b"1e999"),
    "a duplicate key": CLEAN[:-1] + b', "inputs": []}',
    "a duplicate tensor": rows([30, 1.5])[:-2] + b", " + rows([130, 1.5])[12:-2] + b"]}",
    "shape and data disagree": CLEAN.replace(b"[1, 2]", b"[1, 5]"),
    "a negative shape": CLEAN.replace(b"[1, 2]", b"[-1, 2]"),
    "a huge shape": CLEAN.replace(b"[1, 2]", b"[1099511627776, 2]"),
    "an unknown datatype": CLEAN.replace(b"FP64", b"FP99"),
    "a byte order mark": b"\xef\xbb\xbf" + CLEAN,
    "UTF-16": CLEAN.decode().encode("utf-16"),
    "a lone surrogate": CLEAN[:-1] + b', "id": "\\ud800"}',
    "bytes that are no text": b"\xff\xfe\xfd",
    "depth": b"[" * 5000 + b"]" * 5000,
    "text for a number": CLEAN.replace(b"30", b'"thirty"'),
    "several rows": rows([30, 1.5], [130, 2.5], [31, -7]),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in CORPUS.items()])
async def test_p9_observing_passes_every_byte_and_records_what_enforcing_would(tmp_path: Path, body: bytes) -> None:
    observing, enforcing = credit(tmp_path, OBSERVED), credit(tmp_path, CREDIT)
    sent = request(INFER, body, b"Content-Type: application/json")
    async with running(tmp_path / "observe", default=OK, guards=[observing]) as world:
        found = await world.ask(sent)
        assert (found.status, found.body) == (200, scores(0.5))
        assert world.upstream.received.body == body
        observed = world.exchange()
    async with running(tmp_path / "enforce", default=OK, guards=[enforcing]) as world:
        found = await world.ask(sent)
        applied = world.exchange()
        if applied.verdict == "rejected":
            assert found.status in (400, 413, 415, 422)
            assert world.upstream.requests == []
    seen, refused = ([v for v in exchange.violations if v.side == "input"] for exchange in (observed, applied))
    assert seen == refused
    assert observed.would == applied.verdict or (observed.would, applied.verdict) == ("ok", "ok")
    assert observed.verdict in ("ok", "observed", "unchecked")


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip"])
async def test_p9_observing_passes_codings_it_cannot_read(tmp_path: Path, coding: str) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path, OBSERVED)]) as world:
        found = await world.ask(request(INFER, b"\x1f\x8bnot", b"Content-Encoding: " + coding.encode()))
        assert found.status == 200
        assert world.upstream.received.body == b"\x1f\x8bnot"
        assert found.value("x-contract-verdict").startswith("unchecked;reason=")


async def test_p9_observing_ignores_limits_and_counts_them(tmp_path: Path) -> None:
    settings = GatewaySettings(
        max_body_bytes=10, max_in_flight=0, upstream=UpstreamTimeouts(first_byte_seconds=0.01, total_seconds=0.01)
    )
    async with running(tmp_path, default=OK, guards=[credit(tmp_path, OBSERVED)], settings=settings) as world:
        world.gateway.standing.set_environment("this is staging")
        assert (await world.ask(request(INFER, CLEAN))).status == 200
        assert world.upstream.received.body == CLEAN
        assert world.count(metrics.WOULD_REFUSE, "too-large") == 1
        assert world.count(metrics.WOULD_REFUSE, "other") == 1  # the environment
        assert world.count(metrics.WOULD_REFUSE, "overloaded") == 1


async def test_p9_a_slow_answer_is_waited_for_while_observing(tmp_path: Path) -> None:
    settings = GatewaySettings(upstream=UpstreamTimeouts(first_byte_seconds=0.05))
    enforcing = renamed(credit(tmp_path), model_name="another", digest="b2:2")
    guards = [credit(tmp_path, OBSERVED), enforcing]
    async with running(tmp_path, default=hangs, guards=guards, settings=settings) as world, world.connected() as client:
        await client.send(request(INFER, CLEAN))
        await eventually(lambda: world.count(metrics.WOULD_REFUSE, "timeout") == 1)
        assert world.gateway.in_flight == 1


async def test_p1_only_the_spans_that_the_policy_asks_for_change(tmp_path: Path) -> None:
    body = b'{ "inputs" : [ {"name":"input-0", "shape":[2,2],"datatype":"FP64",\n '
    body += b'"data":[30, -5.50, 4e1 , 2]} ] , "id":"\\u00e9" }'
    async with running(tmp_path, default=replies(answer(scores(0.5, 0.25))), guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER + "?a=%20", body, b"X-Y: \xe9"))
        assert (found.status, found.value("x-contract-verdict")) == (200, "repaired;rows=1")
        edits = [Span(edit.start, edit.end, edit.data) for edit in world.exchange().request_edits]
        assert splice(body, edits) == bytes(world.upstream.received.body) == body.replace(b"-5.50", edits[0].data)
        assert world.payloads() == (body, scores(0.5, 0.25))
        seen = world.upstream.received
        assert seen.target == INFER.encode() + b"?a=%20"
        assert seen.values(b"content-length") == [b"%d" % len(seen.body)]
        assert seen.values(b"x-y") == [b"\xe9"]


@pytest.mark.parametrize("padding", [0, 1, 5000, 300_000])
async def test_p1_bodies_pass_byte_for_byte(tmp_path: Path, padding: int) -> None:
    body, reply = CLEAN + b" " * padding, scores(0.5) + b"\n" * padding
    async with running(tmp_path, default=replies(answer(reply)), guards=[credit(tmp_path)]) as world:
        for path in ("/x", INFER):
            found = await world.ask(request(path, body))
            assert (found.status, found.body, bytes(world.upstream.received.body)) == (200, reply, body)


@pytest.mark.parametrize("side", ["request", "edit", "reply"])
@pytest.mark.parametrize(("mode", "on_error"), [("enforce", "reject"), ("enforce", "pass"), ("observe", "reject")])
async def test_p4_a_fault_of_our_own_opens_or_closes_as_the_policy_says(
    tmp_path: Path, side: str, mode: str, on_error: str
) -> None:
    text = CREDIT.replace("mode: enforce", f"mode: {mode}\non_guard_error: {on_error}")
    faulty = broken(credit(tmp_path, text), side)
    async with running(tmp_path, default=OK, guards=[faulty]) as world:
        found = await world.ask(request(INFER, REPAIRABLE))
        if side == "edit" and mode == "observe":
            assert found.status == 200  # nothing is edited while observing
            return
        if mode == "enforce" and on_error == "reject":
            assert found.status in (502, 503)
            assert world.exchange().verdict == "rejected"
            assert (world.upstream.requests == []) == (side != "reply")
        else:
            assert (found.status, found.body) == (200, scores(0.5))
            assert world.upstream.received.body in (REPAIRABLE, REPAIRABLE.replace(b"-5.5", b"0.0"))
            assert found.value("x-contract-verdict") == "unchecked;reason=guard_error"
        assert world.exchange().reason == "guard_error"
        assert world.count(metrics.GUARD_ERRORS) == 1
        assert world.said == [("guard.failed", {"policy": "credit", "error": "PlantedError"})]
        assert b"Planted" not in found.body


async def test_p4_a_failing_acceptor_leaves_it_to_the_exact_path(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[broken(credit(tmp_path), "accept")]) as world:
        assert (await world.ask(request(INFER, CLEAN))).status == 200
        assert (await world.ask(request(INFER, BAD))).status == 422
        assert [exchange.verdict for exchange in world.exchanges()] == ["ok", "rejected"]


FALLBACK = """
mode: enforce
features:
  age: {type: int, min: 0, max: 120, on_violation: fallback}
  income: {type: float}
prediction:
  score: {type: float, min: 0, max: 1, on_violation: fallback}
fallback: {on: [contract, timeout, upstream_error], values: {score: 0.25}}
"""


async def test_p4_a_fallback_that_cannot_be_made_is_refused_not_sent(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[broken(credit(tmp_path, FALLBACK), "fallback")]) as world:
        assert (await world.ask(request(INFER, BAD))).status == 503
        assert world.upstream.requests == []
        assert world.exchange().verdict == "rejected"
        assert world.count(metrics.GUARD_ERRORS) == 1


@pytest.mark.parametrize("fault", ["contract", "output", "reset", "timeout", "status", "refused"])
async def test_fallback_answers_in_the_models_place(tmp_path: Path, fault: str) -> None:
    script = {
        "output": replies(answer(scores(7))), "reset": resets, "timeout": hangs, "status": replies(answer(b"x", 500)),
    }.get(fault, OK)  # fmt: skip
    settings = GatewaySettings(upstream=UpstreamTimeouts(first_byte_seconds=0.05))
    port = 1 if fault == "refused" else None
    guards = [credit(tmp_path, FALLBACK)]
    async with running(tmp_path, default=script, guards=guards, settings=settings, upstream_port=port) as world:
        found = await world.ask(request(INFER, BAD if fault == "contract" else CLEAN))
        assert (found.status, found.value("x-contract-verdict")) == (200, "fallback;rows=1")
        document = found.json()
        assert document["outputs"][0]["data"] == [0.25]
        assert document["model_name"] == "credit"
        exchange = world.exchange()
        assert (exchange.verdict, exchange.fallback_rows, exchange.status) == ("fallback", (0,), 200)


async def test_fallback_of_some_rows_keeps_the_rows_in_place(tmp_path: Path) -> None:
    text = FALLBACK.replace("mode: enforce", "mode: enforce\non_bad_rows: fallback")
    async with running(tmp_path, default=replies(answer(scores(0.1, 0.3))), guards=[credit(tmp_path, text)]) as world:
        found = await world.ask(request(INFER, rows([30, 1.5], [130, 2.5], [31, 3.5])))
        assert found.status == 200
        assert json.loads(world.upstream.received.body)["inputs"][0]["data"] == [30, 1.5, 31, 3.5]
        assert found.json()["outputs"][0]["data"] == [0.1, 0.25, 0.3]
        assert found.value("x-contract-verdict") == "fallback;rows=1"
        assert world.exchange().fallback_rows == (1,)


async def test_fallback_of_some_rows_never_lets_a_short_answer_through(tmp_path: Path) -> None:
    text = FALLBACK.replace("mode: enforce", "mode: enforce\non_bad_rows: fallback")
    settings = GatewaySettings(max_answer_bytes=50)
    async with running(tmp_path, default=OK, guards=[credit(tmp_path, text)], settings=settings) as world:
        found = await world.ask(request(INFER, rows([30, 1.5], [130, 2.5])))
        assert found.status >= 500


async def test_p8_who_has_the_last_byte_finds_the_record(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world, world.connected() as client:
        for number in range(1, 30):
            await client.send(request(INFER if number % 3 else "/x", BAD if number % 5 == 0 else CLEAN))
            found = await client.answer()
            exchanges = world.exchanges()
            assert len(exchanges) == number
            assert exchanges[-1].request_id == found.value("x-request-id")
            assert exchanges[-1].status == found.status


async def test_p8_synced_answers_wait_for_the_disk_and_are_recorded_once(tmp_path: Path) -> None:
    journal, settings = JournalSettings(durability="fsync"), GatewaySettings(durability="fsync")
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)], journal=journal, settings=settings) as world:
        async with world.connected() as client:
            await client.send(request(INFER, CLEAN) * 20)
            for _ in range(20):
                assert (await client.answer()).status == 200
        async with world.connected() as client:
            await client.send(request(INFER, CLEAN))
            client.leave()
        await eventually(lambda: world.gateway.in_flight == 0)
        ids = [exchange.prediction_id for exchange in world.exchanges()]
        assert len(ids) == len(set(ids)) and len(ids) in (20, 21)


async def test_p2_a_journal_that_cannot_be_written_delays_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        world.gateway.journal.close()
        for _ in range(5):
            assert (await world.ask(request(INFER, CLEAN))).status == 200
        assert world.count(metrics.JOURNAL_DROPPED, "closed") == 5


async def test_a_failing_model_an_error_of_the_model_passes_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, default=replies(answer(b"oh no", 500)), guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, CLEAN))
        assert (found.status, found.body) == (500, b"oh no")
        assert (world.exchange().upstream_status, world.exchange().verdict) == (500, "ok")


async def memory(world: Running) -> None:
    await eventually(lambda: world.gateway.in_flight == 0)
    assert world.gateway.buffered_bytes == 0


async def test_bodies_held_stay_below_the_budget(tmp_path: Path) -> None:
    settings = GatewaySettings(buffered_bytes_budget=100_000)
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)], settings=settings) as world:
        async with world.connected() as first, world.connected() as second:
            await first.send(request(INFER, CLEAN.ljust(90_000))[:-10])
            await eventually(lambda: world.gateway.buffered_bytes > 80_000)
            await second.send(request(INFER, CLEAN.ljust(50_000)))
            found = await second.answer()
            assert (found.status, found.value("retry-after")) == (503, "1")
            await first.send(b" " * 10)
            assert (await first.answer()).status == 200
        await memory(world)
        again = request(INFER, CLEAN.ljust(60_000))
        async with world.connected() as client:
            for _ in range(5):
                await client.send(again)
                assert (await client.answer()).status == 200
        await memory(world)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_too_large_is_413_before_the_model_sees_it(tmp_path: Path, framing: str) -> None:
    settings = GatewaySettings(max_body_bytes=1000)
    large = request(INFER, CLEAN.ljust(1001))
    if framing == "chunked":
        large = request(INFER, None, b"Transfer-Encoding: chunked", method=b"POST")
        large += b"3e9\r\n" + CLEAN.ljust(1001) + b"\r\n0\r\n\r\n"
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)], settings=settings) as world:
        assert (await world.ask(large)).status == 413
        async with world.connected() as client:  # behind another one, too
            await client.send(request("/x", b"abc") + large)
            assert [(await client.answer()).status for _ in range(2)] == [200, 413]
        assert [received.target for received in world.upstream.requests] == [b"/x"]
        assert (await world.ask(request(INFER, CLEAN.ljust(1000)))).status == 200
        await memory(world)


async def test_too_many_in_flight_is_503(tmp_path: Path) -> None:
    settings = GatewaySettings(max_in_flight=1)
    guards = [credit(tmp_path)]
    async with running(tmp_path, {INFER: hangs}, guards=guards, settings=settings) as world, world.connected() as first:
        await first.send(request(INFER, CLEAN))
        await eventually(lambda: world.upstream.requests)
        found = await world.ask(request(INFER, CLEAN))
        assert (found.status, found.value("retry-after")) == (503, "1")
        assert (await world.ask(request("/v2/health/ready"), "GET")).status == 200
        assert world.exchanges()[0].error == "shed"


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_full_journal_refuses_where_it_must(tmp_path: Path, guarded: bool) -> None:
    journal = JournalSettings(max_bytes=256 * 1024, when_full="refuse_traffic", max_age=None)
    settings = GatewaySettings(when_full="refuse_traffic", max_payload_bytes=256 * 1024)
    guards = [credit(tmp_path)] if guarded else []
    holds = [Hold("archive", {}, required=True)]  # has read nothing yet
    async with (
        running(tmp_path, default=OK, guards=guards, journal=journal, settings=settings, holds=holds) as world,
        world.connected() as client,
    ):
        status, asked = 200, 0
        while status == 200 and asked < 2000:
            await client.send(request(INFER, CLEAN.ljust(4000)))
            status, asked = (await client.answer()).status, asked + 1
        assert status == 503
        assert len(world.upstream.requests) == asked - 1
        assert (await world.ask(request("/v2/health/ready"), "GET")).status == 200


async def test_slice_only_headers_are_taken_out_in_every_mode(tmp_path: Path) -> None:
    features = 'region: {type: category, values: [n, s], from: "header:x-region", role: slice_only}'
    for mode in ("off", "observe", "enforce"):
        text = CREDIT.replace("features:", f"features:\n  {features}").replace("mode: enforce", f"mode: {mode}")
        async with running(tmp_path / mode, default=OK, guards=[credit(tmp_path, text)]) as world:
            async with world.connected() as client:
                for _ in range(3):
                    await client.send(request(INFER, CLEAN, b"X-Region: n", b"X-Other: o"))
                    assert (await client.answer()).status == 200
            for received in world.upstream.requests:
                assert received.values(b"x-region") == []
                assert received.values(b"x-other") == [b"o"]
                assert received.body == CLEAN


async def test_a_published_policy_comes_before_its_records(tmp_path: Path) -> None:
    found: Guard = guard(tmp_path, policy(CREDIT))
    async with running(tmp_path, default=OK, guards=[found]) as world:
        world.gateway.publish(found, b"{}")
        world.gateway.publish(found, b"{}")
        world.gateway.swap(Guards([found]))
        await world.ask(request(INFER, CLEAN))
        assert [frame.kind for frame in world.frames()] == [Kind.POLICY, Kind.EXCHANGE]
        assert world.exchange().policy_digest == found.identity.digest
