"""Callers who wait, leave, stall or speak another protocol (A16, A23-A26, A30)."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings
from sidecar.telemetry import metrics
from tests.kit.client import Client, connected, eventually, request
from tests.kit.guards import BAD, CLEAN, INFER, OBSERVED, credit, scores
from tests.kit.running import Running, running
from tests.kit.upstream import Asked, answer, hangs, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))


def expecting(path: str, body: bytes, *headers: bytes) -> tuple[bytes, bytes]:
    whole = request(path, body, b"Expect: 100-continue", *headers)
    head, _, rest = whole.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a16_accepted_is_one_continue_and_one_answer(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world, world.connected() as client:
        head, body = expecting(path, CLEAN)
        await client.send(head)
        assert (await client.head()).status == 100
        await client.send(body)
        found = await client.answer()
        assert (found.status, found.interim) == (200, [])
        assert world.upstream.received.values(b"expect") == []


async def test_a16_refused_by_policy_is_final_without_continue(tmp_path: Path) -> None:
    settings = GatewaySettings(max_body_bytes=1000)
    async with running(tmp_path, guards=[credit(tmp_path)], settings=settings) as world:
        async with world.connected() as client:
            head, _ = expecting(INFER, b"x" * 5000)
            await client.send(head)
            found = await client.answer()
            assert (found.status, found.interim) == (413, [])
            assert await client.closed()
        assert world.upstream.connections == 0


async def test_a16_a_bad_body_after_continue_is_422(tmp_path: Path) -> None:
    async with running(tmp_path, guards=[credit(tmp_path)]) as world, world.connected() as client:
        head, body = expecting(INFER, BAD)
        await client.send(head)
        assert (await client.head()).status == 100
        await client.send(body)
        assert (await client.answer()).status == 422


async def test_a16_a_chunked_body_too_large_to_judge_gets_no_second_continue(tmp_path: Path) -> None:
    guards, settings = [credit(tmp_path, OBSERVED)], GatewaySettings(max_body_bytes=1000)
    async with running(tmp_path, default=OK, guards=guards, settings=settings) as world, world.connected() as client:
        await client.send(
            b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        assert (await client.head()).status == 100
        await client.send(b"7d0\r\n" + b"x" * 2000 + b"\r\n")
        await client.send(b"0\r\n\r\n")
        found = await client.answer()
        assert (found.status, found.interim) == (200, [])
        assert found.value("x-contract-verdict").startswith("unchecked;reason=too_large")
        assert world.upstream.received.body == b"x" * 2000


@pytest.mark.parametrize("value", [b"meow", b"100-continue, meow", b""])
async def test_a16_unknown_expectation_is_417(tmp_path: Path, value: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask(request("/x", b"abc", b"Expect: " + value))).status == 417
        assert world.upstream.connections == 0


async def test_a16_http10_is_never_sent_a_continue(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        head, body = expecting("/x", b"abc")
        await client.send(head.replace(b"HTTP/1.1", b"HTTP/1.0"))
        await client.send(body)
        assert (await client.answer()).interim == []


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a23_half_an_upload_is_never_a_whole_request(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=hangs, guards=[credit(tmp_path)]) as world:
        async with world.connected() as client:
            await client.send(request(path, b"x" * 1000)[:-500])
            if path == "/x":
                await eventually(lambda: world.upstream.requests)
            await eventually(lambda: world.gateway.in_flight == 1)
            client.leave()
            await eventually(lambda: world.gateway.in_flight == 0)
        await eventually(lambda: world.upstream.open_connections == 0)
        assert not any(received.complete for received in world.upstream.requests)
        assert world.exchanges() == []
        assert world.count(metrics.CLIENT_ABORTS) == 1
        assert world.gateway.buffered_bytes == 0


@pytest.mark.parametrize("chunked", [True, False])
async def test_a23_a_broken_upload_is_no_whole_request_either(tmp_path: Path, chunked: bool) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 10"
        await client.send(
            b"POST /x HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + (b"3\r\nabc\r\n" if chunked else b"abc")
        )
        await eventually(lambda: world.upstream.requests)
        await client.close()
        await eventually(lambda: world.upstream.open_connections == 0)
        assert not world.upstream.received.complete


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a24_leaving_cancels_the_call_upstream(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=hangs, guards=[credit(tmp_path)]) as world:
        async with world.connected() as client:
            await client.send(request(path, CLEAN))
            await eventually(lambda: world.upstream.requests and world.upstream.received.complete)
            assert world.gateway.in_flight == 1
            client.leave()
            await eventually(world.upstream.received.connection_closed.is_set)
        await eventually(lambda: world.gateway.in_flight == 0)
        assert world.exchange().error == "client_abort"
        assert world.exchange().status == 0
        assert world.count(metrics.CLIENT_ABORTS) == 1
        assert world.gateway.buffered_bytes == 0


async def test_a24_leaving_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    async def endless(asked: Asked) -> None:
        await asked.body()
        await asked.send(answer(b"", length=False) + b"first")
        await asked.hang()

    async with running(tmp_path, default=endless) as world, world.connected() as client:
        await client.send(request("/x", b"abc"))
        await client.until(b"first")
        client.leave()
        await eventually(lambda: world.upstream.open_connections == 0)
        await eventually(world.exchanges)
        assert world.exchange().error == "client_abort"
        assert world.exchange().streamed


@pytest.mark.parametrize("way", ["lingers", "closes"])
async def test_a25_an_early_answer_overtakes_the_upload(tmp_path: Path, way: str) -> None:
    async def early(asked: Asked) -> None:
        await asked.send(answer(b"too large", 413))
        if way == "closes":
            asked.close()
        else:
            await asked.hang()

    async with running(tmp_path, default=early) as world, world.connected() as client:
        await client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
        upload = asyncio.ensure_future(_upload(client, 20_000_000))
        found = await client.answer()
        assert (found.status, found.body) == (413, b"too large")
        assert found.value("connection") == "close"
        upload.cancel()
        await asyncio.gather(upload, return_exceptions=True)
        await eventually(lambda: world.upstream.open_connections == 0)
        assert not world.upstream.received.complete


async def _upload(client: Client, size: int) -> None:
    try:
        for _ in range(size // 65536 + 1):
            await client.send(b"x" * 65536)
    except ConnectionError:
        pass


UPGRADES = [
    (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13"),
    (b"Upgrade: TLS/1.0", b"Connection: Upgrade"),
    (b"Upgrade: h2c, websocket", b"Connection: Upgrade"),
]


@pytest.mark.parametrize("fields", UPGRADES, ids=["websocket", "tls", "both"])
async def test_a26_upgrades_are_refused(tmp_path: Path, fields: tuple[bytes, ...]) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        await client.send(request("/x", None, *fields) + b"\x81\x05hello")
        assert (await client.answer()).status in (426, 501)
        assert await client.closed()
        assert world.upstream.connections == 0


@pytest.mark.parametrize("body", [None, b"abc"])
async def test_a26_h2c_is_ignored_and_not_forwarded(tmp_path: Path, body: bytes | None) -> None:
    fields = (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABk")
    async with running(tmp_path) as world, world.connected() as client:
        for _ in range(3):
            await client.send(request("/x", body, *fields))
            assert (await client.answer()).status == 200
        for received in world.upstream.requests:
            assert received.body == (body or b"")
            assert (
                received.values(b"upgrade") + received.values(b"http2-settings") + received.values(b"connection") == []
            )
        assert len(world.upstream.requests) == 3


async def test_a30_slow_and_idle_callers_are_cut(tmp_path: Path) -> None:
    settings = GatewaySettings(
        head_timeout_seconds=1.5, body_timeout_seconds=1.5, keepalive_timeout_seconds=1.5, linger_seconds=0.2
    )
    async with running(tmp_path, settings=settings, guards=[credit(tmp_path)]) as world, AsyncExitStack() as many:
        slow_head, body_stall, idle, silent = [await many.enter_async_context(world.connected()) for _ in range(4)]
        await slow_head.send(b"GET /x HT")
        await body_stall.send(request(INFER, CLEAN)[:-5])
        await idle.send(request("/x"))
        assert (await idle.answer()).status == 200
        assert (await slow_head.answer()).status == 408
        for client in (slow_head, body_stall, idle, silent):
            assert await client.closed()
        await eventually(lambda: not world.gateway.connections)
        assert world.gateway.in_flight == 0
        assert world.exchanges() and len(world.exchanges()) == 1


async def test_a30_trickling_does_not_extend_a_heads_time(tmp_path: Path) -> None:
    async with (
        running(tmp_path, settings=GatewaySettings(head_timeout_seconds=0.3)) as world,
        world.connected() as client,
    ):
        loop = asyncio.get_running_loop()
        started = loop.time()
        await client.send(b"GET /x HTTP/1.1\r\nX-Slow: ")
        found = asyncio.ensure_future(client.answer())
        while not found.done():
            client.writer.write(b"y")
            await asyncio.wait([found], timeout=0.02)
        assert found.result().status == 408
        assert loop.time() - started > 0.2


async def test_a30_many_slow_callers_leave_the_others_alone(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world, AsyncExitStack() as many:
        alone = await _cost_of(world, 200)
        slow = [await many.enter_async_context(world.connected()) for _ in range(300)]
        for client in slow:
            await client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nX-Slow: ")

        async def trickle() -> None:
            while True:
                for client in slow:
                    client.writer.write(b"y")
                    await asyncio.sleep(0.003)

        trickling = asyncio.ensure_future(trickle())
        beside = await _cost_of(world, 200)
        trickling.cancel()
        assert len(world.gateway.connections) >= 300
        assert beside < max(2 * alone, alone + 0.02)


async def test_a_caller_who_reads_nothing_takes_no_memory(tmp_path: Path) -> None:
    settings = GatewaySettings(write_timeout_seconds=0.5)
    async with running(tmp_path, default=replies(answer(b"x" * 500_000)), settings=settings) as world:
        async with world.connected() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(request("/x") * 400)
            await eventually(lambda: not world.gateway.connections)
        assert len(world.upstream.requests) < 40


async def _cost_of(world: Running, calls: int) -> float:
    """What all of this process does until a call is answered, in seconds of processor time: the median of so many."""
    times = []
    async with connected(world.port) as client:
        for _ in range(calls):
            started = time.process_time()
            await client.send(request(INFER, CLEAN))
            assert (await client.answer()).status == 200
            times.append(time.process_time() - started)
    return statistics.median(times)
