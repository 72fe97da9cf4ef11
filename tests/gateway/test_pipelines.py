"""Many requests on one connection: in order, without recursion, without another's bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings
from sidecar.guard import Guards
from sidecar.telemetry import metrics
from tests.kit.client import HungUpError, eventually, request
from tests.kit.guards import BAD, CLEAN, INFER, credit, renamed, scores
from tests.kit.running import running
from tests.kit.upstream import Asked, answer, echoes, hangs, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))


async def test_three_requests_in_one_segment_are_answered_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, {INFER: OK}, default=echoes, guards=[credit(tmp_path)]) as world:
        async with world.connected() as client:
            await client.send(request("/a", b"first") + request(INFER, CLEAN) + request("/c", b"third"))
            assert (await client.answer()).body == b"first"
            assert (await client.answer()).body == scores(0.5)
            assert (await client.answer()).body == b"third"
        assert world.upstream.targets == [b"/a", INFER.encode(), b"/c"]


async def test_a_request_is_sent_on_only_when_those_before_are_answered(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def waits(asked: Asked) -> None:
        await asked.body()
        await go.wait()
        await asked.send(answer(b"first"))

    async with running(tmp_path, {"/a": waits}) as world, world.connected() as client:
        await client.send(request("/a", b"x") + request("/b", b"y"))
        await eventually(lambda: world.upstream.requests)
        assert world.upstream.targets == [b"/a"]
        go.set()
        assert (await client.answer()).body == b"first"
        assert (await client.answer()).body == b"{}"


@pytest.mark.parametrize("path", ["/b", INFER])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_cut_by_the_segment_is_read_when_its_turn_comes(tmp_path: Path, path: str, chunked: bool) -> None:
    go = asyncio.Event()

    async def waits(asked: Asked) -> None:
        await asked.body()
        await go.wait()
        await asked.send(answer(b"first"))

    second = request(path, CLEAN)
    if chunked:
        second = request(path, None, b"Transfer-Encoding: chunked", method=b"POST")
        second += b"%x\r\n%b\r\n0\r\n\r\n" % (len(CLEAN), CLEAN)
    async with running(tmp_path, {"/a": waits}, default=OK, guards=[credit(tmp_path)]) as world:
        async with world.connected() as client:
            await client.send(request("/a", b"x") + second[:-40])
            await eventually(lambda: world.upstream.requests)
            await client.send(second[-40:])
            go.set()
            assert (await client.answer()).body == b"first"
            assert (await client.answer()).body == scores(0.5)
        assert world.upstream.received.body == CLEAN


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (request(INFER, BAD), 422),
        (request("/_sidecar/readyz"), 200),
        (request("/_sidecar/nothing", b"{}"), 404),
        (request("/_sidecar/readyz", None, b"Connection: Upgrade", b"Upgrade: h2c"), 200),
    ],
    ids=["refused", "ready", "unknown", "h2c"],
)
async def test_two_thousand_answers_of_our_own_do_not_recurse(tmp_path: Path, one: bytes, status: int) -> None:
    async with running(tmp_path, guards=[credit(tmp_path)]) as world, world.connected() as client:
        sending = asyncio.ensure_future(client.send(one * 2000))
        for _ in range(2000):
            assert (await client.answer("GET")).status == status
        await sending
        assert world.upstream.connections == 0


async def test_two_thousand_relayed_requests_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, default=echoes) as world, world.connected() as client:
        sending = asyncio.ensure_future(client.send(b"".join(request("/x", b"%d" % number) for number in range(2000))))
        for number in range(2000):
            assert (await client.answer()).body == b"%d" % number
        await sending
        assert world.upstream.connections == 1


async def test_a_broken_request_behind_good_ones_is_refused_after_their_answers(tmp_path: Path) -> None:
    async with running(tmp_path, default=echoes) as world, world.connected() as client:
        await client.send(request("/a", b"1") + request("/b", b"2") + b"GET /bad\x00 HTTP/1.1\r\n\r\n" + request("/c"))
        assert [(await client.answer()).body for _ in range(2)] == [b"1", b"2"]
        assert (await client.answer()).status == 400
        assert await client.closed()
        assert world.upstream.targets == [b"/a", b"/b"]


async def test_nothing_after_connection_close_is_looked_at(tmp_path: Path) -> None:
    async with running(tmp_path, default=echoes) as world, world.connected() as client:
        await client.send(request("/a", b"1", b"Connection: close") + request("/b", b"2"))
        found = await client.answer()
        assert (found.body, found.value("connection")) == (b"1", "close")
        assert await client.closed()
        assert world.upstream.targets == [b"/a"]


async def test_the_same_head_again_is_judged_again(tmp_path: Path) -> None:
    """A head that is byte for byte the last one may be remembered; its body and the policy in force may not."""
    async with running(tmp_path, {INFER: OK}, guards=[credit(tmp_path)]) as world, world.connected() as client:
        bad = BAD.ljust(len(CLEAN) + 1)
        clean = CLEAN.ljust(len(CLEAN) + 1)
        for body, status in [(clean, 200), (clean, 200), (bad, 422), (clean, 200), (bad, 422), (bad, 422)]:
            await client.send(request(INFER, body))
            assert (await client.answer()).status == status
        other = renamed(credit(tmp_path), name="other", digest="b2:1")
        world.gateway.swap(Guards([other]))
        await client.send(request(INFER, clean))
        found = await client.answer()
        assert (found.status, found.value("x-policy")) == (200, other.stamp)
        assert [received.body for received in world.upstream.requests] == [clean] * 4
        ids = [exchange.prediction_id for exchange in world.exchanges()]
        assert len(set(ids)) == len(ids) == 7
        assert len({exchange.trace_id for exchange in world.exchanges()}) == 7


async def test_a_remembered_head_never_moves_the_end_of_a_body(tmp_path: Path) -> None:
    body = b"\r\n[1]"
    async with running(tmp_path, default=echoes) as world, world.connected() as client:
        for tail in (b"", b"\r\n", b"\r\n", b"", b"\r\n\r\n", b"\r\n"):
            await client.send(request("/x", body) + tail)
            assert (await client.answer()).body == body
        assert [received.body for received in world.upstream.requests] == [body] * 6


async def test_a_remembered_head_split_over_segments(tmp_path: Path) -> None:
    async with running(tmp_path, default=echoes) as world, world.connected() as client:
        whole = request("/x", b"hello")
        for cut in range(1, len(whole)):
            await client.send(whole)
            assert (await client.answer()).body == b"hello"
            await client.send(whole[:cut])
            await asyncio.sleep(0)
            await client.send(whole[cut:])
            assert (await client.answer()).body == b"hello"
        await client.send(whole * 3)
        assert [(await client.answer()).body for _ in range(3)] == [b"hello"] * 3


async def test_a_policy_is_swapped_between_requests_never_within_one(tmp_path: Path) -> None:
    """P6: a request sees one policy."""
    go = asyncio.Event()

    async def waits(asked: Asked) -> None:
        await asked.body()
        await go.wait()
        await asked.send(answer(scores(0.5)))

    first = credit(tmp_path)
    async with running(tmp_path, default=waits, guards=[first]) as world, world.connected() as client:
        await client.send(request(INFER, CLEAN))
        await eventually(lambda: world.upstream.requests)
        second = renamed(first, name="second", digest="b2:2")
        world.gateway.swap(Guards([second]))
        go.set()
        assert (await client.answer()).value("x-policy") == first.stamp
        await client.send(request(INFER, CLEAN))
        assert (await client.answer()).value("x-policy") == second.stamp
        assert [exchange.policy_digest for exchange in world.exchanges()] == [first.identity.digest, "b2:2"]


async def test_draining_finishes_what_has_begun_and_closes(tmp_path: Path) -> None:
    """P7, as far as the gateway goes."""
    go = asyncio.Event()

    async def waits(asked: Asked) -> None:
        await asked.body()
        await go.wait()
        await asked.send(answer(b"late"))

    async with running(tmp_path, {"/slow": waits}) as world:
        async with world.connected() as idle, world.connected() as busy, world.connected() as fresh:
            await idle.send(request("/x"))
            assert (await idle.answer()).values("connection") == []
            await busy.send(request("/slow", b"abc"))
            await eventually(lambda: world.upstream.targets == [b"/x", b"/slow"])
            world.gateway.drain()
            assert await idle.closed()
            assert await fresh.closed()
            go.set()
            found = await busy.answer()
            assert (found.status, found.body, found.value("connection")) == (200, b"late", "close")
            assert await busy.closed()
        assert world.gateway.in_flight == 0
        assert (await world.ask(request("/_sidecar/readyz"), "GET")).status == 503


async def test_connections_beyond_the_limit_are_refused_and_counted(tmp_path: Path) -> None:
    settings = GatewaySettings(max_connections=1)
    async with running(tmp_path, settings=settings) as world, world.connected() as one, world.connected() as two:
        await one.send(request("/x"))
        assert (await one.answer()).status == 200
        with pytest.raises((HungUpError, ConnectionError)):
            await two.send(request("/x"))
            await two.answer()
        assert world.count(metrics.REFUSED_CONNECTIONS) == 1


async def test_closing_drops_everything(tmp_path: Path) -> None:
    async with running(tmp_path, default=hangs) as world, world.connected() as client:
        await client.send(request("/x", b"abc"))
        await eventually(lambda: world.upstream.requests)
        world.gateway.close()
        assert await client.closed()
        await eventually(lambda: world.upstream.open_connections == 0)
