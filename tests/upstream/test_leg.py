"""The leg to the model server: sent once, never on a connection in doubt (A27-A29)."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings, UpstreamTimeouts
from sidecar.telemetry import metrics
from sidecar.upstream import PoolLimits
from tests.kit.client import HungUpError, eventually, request
from tests.kit.guards import CLEAN, INFER, credit, scores
from tests.kit.running import running
from tests.kit.upstream import Asked, Script, answer, chunked, hangs, replies, resets
from tests.supervisor.serving import free_port

pytestmark = pytest.mark.anyio
CHUNKED = (b"Transfer-Encoding", b"chunked")


async def closes_behind(asked: Asked) -> None:
    """Answer as if the connection stayed, then close it."""
    await asked.body()
    await asked.send(answer(scores(0.5)))
    asked.close()


async def closes_a_turn_later(asked: Asked) -> None:
    await asked.body()
    await asked.send(answer(scores(0.5)))
    await asyncio.sleep(0)
    asked.close()


async def resets_behind(asked: Asked) -> None:
    await asked.body()
    await asked.send(answer(scores(0.5)))
    asked.reset()


@pytest.mark.parametrize("script", [closes_behind, closes_a_turn_later])
@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a27_stale_connections_cost_no_call_and_no_second_send(tmp_path: Path, script: Script, path: str) -> None:
    async with running(tmp_path, default=script, guards=[credit(tmp_path)]) as world, world.connected() as client:
        for number in range(500):
            await client.send(request(path, CLEAN, b"X-Number: %d" % number))
            assert (await client.answer()).status == 200, number
        sent = [received.values(b"x-number")[0] for received in world.upstream.requests]
        assert sent == [b"%d" % number for number in range(500)]


async def test_a27_a_connection_closed_while_idle_is_not_used(tmp_path: Path) -> None:
    connections: list[Asked] = []

    async def script(asked: Asked) -> None:
        connections.append(asked)
        await asked.body()
        await asked.send(answer())

    async with running(tmp_path, default=script) as world, world.connected() as client:
        for round_number in range(20):
            await client.send(request("/x", b"abc"))
            assert (await client.answer()).status == 200, round_number
            connections[-1].hang_up()  # at once: the gateway's loop cannot have seen it when the next request comes
        assert world.upstream.connections == 20


async def test_connections_are_kept_and_used_again(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        for _ in range(50):
            await client.send(request("/x", b"abc"))
            assert (await client.answer()).status == 200
        assert world.upstream.connections == 1
        assert world.pool.open_connections == 1


async def test_idle_connections_expire(tmp_path: Path) -> None:
    async with running(tmp_path, limits=PoolLimits(idle_seconds=1.0)) as world:
        await world.ask(request("/x", b"abc"))
        assert world.pool.open_connections == 1
        await eventually(lambda: world.pool.open_connections == 0)
        await eventually(lambda: world.upstream.open_connections == 0)


async def test_no_more_idle_connections_than_the_limit(tmp_path: Path) -> None:
    async with running(tmp_path, limits=PoolLimits(max_idle=2)) as world:
        await asyncio.gather(*(world.ask(request("/x", b"abc")) for _ in range(8)))
        await eventually(lambda: world.upstream.open_connections <= 2)


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a28_a_post_is_sent_once_even_when_reset(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=resets, guards=[credit(tmp_path)]) as world:
        for number in range(10):
            found = await world.ask(request(path, CLEAN, b"X-Number: %d" % number))
            assert found.status == 502
        sent = [received.values(b"x-number")[0] for received in world.upstream.requests]
        assert sent == [b"%d" % number for number in range(10)]
        assert world.count(metrics.UPSTREAM_ERRORS, "reset") == 10


async def test_a28_reset_on_a_used_connection_is_not_resent_either(tmp_path: Path) -> None:
    async with running(tmp_path, {"/reset": resets}) as world, world.connected() as client:
        for number in range(10):
            await client.send(request("/ok", b"abc"))
            assert (await client.answer()).status == 200
            await client.send(request("/reset", b"abc", b"X-Number: %d" % number))
            assert (await client.answer()).status == 502
        assert sum(target == b"/reset" for target in world.upstream.targets) == 10


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a29_refused_is_503_with_retry_after(tmp_path: Path, path: str) -> None:
    with free_port() as port:
        async with running(tmp_path, upstream_port=port, guards=[credit(tmp_path)]) as world:
            found = await world.ask(request(path, CLEAN))
            assert (found.status, found.value("retry-after")) == (503, "1")
            assert found.value("x-request-id").encode() in found.raw_head
            assert str(port).encode() not in found.body
            assert b"Traceback" not in found.body and b"127.0.0.1" not in found.body
            assert world.exchange().error == "connect_error"
            if path == "/x":
                assert found.json()["instance"] == f"urn:request:{found.value('x-request-id')}"


async def test_a29_a_black_hole_is_504(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole:  # nobody accepts; its queue is full
        port = hole.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for taker in waiting:
            taker.setblocking(False)
            taker.connect_ex(("127.0.0.1", port))
        try:
            limits = PoolLimits(connect_timeout_seconds=0.2)
            async with running(tmp_path, upstream_port=port, limits=limits) as world:
                assert (await world.ask(request("/x", b"abc"))).status == 504
                assert world.exchange().error == "connect_timeout"
        finally:
            for taker in waiting:
                taker.close()


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a29_silence_is_504_and_the_call_is_given_up(tmp_path: Path, path: str) -> None:
    settings = GatewaySettings(upstream=UpstreamTimeouts(first_byte_seconds=0.2))
    async with running(tmp_path, default=hangs, guards=[credit(tmp_path)], settings=settings) as world:
        found = await world.ask(request(path, CLEAN))
        assert found.status == 504
        await eventually(lambda: world.upstream.open_connections == 0)
        assert world.exchange().error == "first_byte_timeout"
        assert world.count(metrics.UPSTREAM_ERRORS, "first_byte_timeout") == 1


async def test_a29_silence_in_the_middle_of_an_answer_cuts_it(tmp_path: Path) -> None:
    async def stops(asked: Asked) -> None:
        await asked.body()
        await asked.send(answer(b"5\r\nhello\r\n", headers=[CHUNKED], length=False))
        await asked.hang()

    settings = GatewaySettings(upstream=UpstreamTimeouts(idle_seconds=0.2))
    async with running(tmp_path, default=stops, guards=[credit(tmp_path)], settings=settings) as world:
        async with world.connected() as client:
            await client.send(request("/x", b"abc"))
            with pytest.raises(HungUpError):
                await client.answer()
        assert (await world.ask(request(INFER, CLEAN))).status == 504
        assert {exchange.error for exchange in world.exchanges()} == {"idle_timeout"}
        await eventually(lambda: world.upstream.open_connections == 0)


async def test_a29_the_total_time_ends_an_answer_that_trickles(tmp_path: Path) -> None:
    async def trickles(asked: Asked) -> None:
        await asked.body()
        await asked.send(answer(b"", headers=[CHUNKED], length=False))
        while True:
            await asked.send(b"1\r\nx\r\n")
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.02)

    timeouts = UpstreamTimeouts(first_byte_seconds=60, idle_seconds=60, total_seconds=1.5)
    settings = GatewaySettings(upstream=timeouts)
    async with running(tmp_path, default=trickles, guards=[credit(tmp_path)], settings=settings) as world:
        async with world.connected() as client:
            await client.send(request("/x", b"abc"))
            with pytest.raises(HungUpError):
                await client.answer()
        assert world.exchange().error == "total_timeout"


BAD: dict[str, bytes] = {
    "garbage": b"\x00\x01\x02 not http\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "two lengths": answer(b"abc", headers=[(b"Content-Length", b"3")]),
    "two different lengths": answer(b"abc", headers=[(b"Content-Length", b"4")]),
    "a length and chunked": answer(chunked(b"abc"), headers=[CHUNKED]),
    "an unknown coding": answer(b"abc", headers=[(b"Transfer-Encoding", b"gzip")], length=False),
    "chunked twice": answer(chunked(b"abc"), headers=[CHUNKED, CHUNKED], length=False),
    "a signed length": answer(b"abc", headers=[(b"Content-Length", b"+3")], length=False),
    "obs-fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,
}


@pytest.mark.parametrize("path", ["/x", INFER])
@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in BAD.items()])
async def test_a29_bad_framing_is_502(tmp_path: Path, raw: bytes, path: str) -> None:
    async def script(asked: Asked) -> None:
        await asked.body()
        await asked.send(raw)
        await asked.hang()

    async with running(tmp_path, default=script, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(path, CLEAN))
        assert found.status == 502
        assert found.json()
        assert world.exchange().error == "bad_answer"
        await eventually(lambda: world.upstream.open_connections == 0)


async def test_a_bad_chunk_in_an_answer_cuts_it(tmp_path: Path) -> None:
    bad = answer(b"5\r\nhello\r\nzz\r\nmore", headers=[CHUNKED], length=False)
    async with running(tmp_path, default=replies(bad), guards=[credit(tmp_path)]) as world, world.connected() as client:
        await client.send(request("/x", b"abc"))
        try:
            assert (await client.answer()).status == 502
        except HungUpError:
            pass
        assert (await world.ask(request(INFER, CLEAN))).status == 502


async def test_bytes_after_an_answer_are_never_the_next_one(tmp_path: Path) -> None:
    """Response splitting: what follows an answer on its connection belongs to nobody."""
    script = replies(answer(b"mine") + answer(b"smuggled"))
    async with running(tmp_path, default=script) as world, world.connected() as client:
        for _ in range(5):
            await client.send(request("/x", b"abc"))
            assert (await client.answer()).body == b"mine"
        assert world.upstream.connections == 5


async def test_a_body_behind_a_bodyless_answer_is_never_the_next_one(tmp_path: Path) -> None:
    raw = b"HTTP/1.1 204 No Content\r\n\r\n" + answer(b"smuggled")
    async with running(tmp_path, {"/x": replies(raw)}) as world, world.connected() as client:
        await client.send(request("/x", b"abc"))
        assert (await client.answer()).status == 204
        await client.send(request("/y", b"abc"))
        assert (await client.answer()).body == b"{}"


async def test_unasked_bytes_on_an_idle_connection_end_it(tmp_path: Path) -> None:
    held: list[Asked] = []

    async def script(asked: Asked) -> None:
        held.append(asked)
        await asked.body()
        await asked.send(answer())

    async with running(tmp_path, default=script) as world, world.connected() as client:
        await client.send(request("/x", b"abc"))
        assert (await client.answer()).status == 200
        await held[0].send(answer(b"smuggled"))
        await client.send(request("/x", b"abc"))
        assert (await client.answer()).body == b"{}"
        assert world.upstream.connections == 2
