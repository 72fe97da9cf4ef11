"""Whatever ends a call, what was held of its bodies is given back: a byte kept each time would end in 503 for all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings
from sidecar.journal import JournalSettings
from tests.kit.client import eventually, request
from tests.kit.guards import BAD, CLEAN, CREDIT, INFER, OBSERVED, REPAIRABLE, credit, scores
from tests.kit.running import running
from tests.kit.upstream import Asked, Script, answer, hangs, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))
BROKEN = request(INFER, None, b"Transfer-Encoding: chunked", method=b"POST") + b"%x\r\n%b\r\nno size\r\n" % (
    len(CLEAN),
    CLEAN,
)


def _waits() -> tuple[asyncio.Event, Script]:
    """A model that answers once it is told to."""
    go = asyncio.Event()

    async def waits(asked: Asked) -> None:
        await asked.body()
        await go.wait()
        await asked.send(answer(b"first"))

    return go, waits


async def test_a_request_behind_one_that_ends_the_connection_leaves_nothing(tmp_path: Path) -> None:
    go, waits = _waits()
    async with (
        running(tmp_path, {"/a": waits}, default=OK, guards=[credit(tmp_path)]) as world,
        world.connected() as client,
    ):
        await client.send(request("/a", b"x") + request(INFER, CLEAN))
        await eventually(lambda: world.upstream.requests)
        assert world.gateway.buffered_bytes == len(CLEAN)
        world.gateway.drain()
        go.set()
        assert (await client.answer()).body == b"first"
        assert await client.closed()
        assert world.gateway.buffered_bytes == 0


async def test_a_request_behind_one_that_is_cut_leaves_nothing(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def truncates(asked: Asked) -> None:
        await asked.body()
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await go.wait()
        asked.close()

    async with (
        running(tmp_path, {"/a": truncates}, default=OK, guards=[credit(tmp_path)]) as world,
        world.connected() as client,
    ):
        await client.send(request("/a", b"x") + request(INFER, CLEAN))
        await client.head()
        assert world.gateway.buffered_bytes == len(CLEAN)
        go.set()
        await client.rest()
        await eventually(lambda: not world.gateway.connections)
        assert world.gateway.buffered_bytes == 0


async def test_a_broken_request_behind_one_that_goes_on_leaves_nothing(tmp_path: Path) -> None:
    go, waits = _waits()
    async with (
        running(tmp_path, {"/a": waits}, default=OK, guards=[credit(tmp_path)]) as world,
        world.connected() as client,
    ):
        await client.send(request("/a", b"x") + BROKEN)
        await eventually(lambda: world.upstream.requests)
        assert world.gateway.buffered_bytes == 0
        go.set()
        assert (await client.answer()).body == b"first"
        assert (await client.answer()).status == 400


async def test_requests_that_wait_for_a_caller_who_reads_nothing_leave_nothing(tmp_path: Path) -> None:
    large = replies(answer(scores(0.5).ljust(15_000_000)))
    async with running(tmp_path, default=large, guards=[credit(tmp_path)]) as world, world.connected() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(request(INFER, CLEAN) + request(INFER, CLEAN))
        await eventually(world.exchanges)
        assert world.gateway.in_flight == 0
        assert world.gateway.buffered_bytes == len(CLEAN)
        client.leave()
        await eventually(lambda: not world.gateway.connections)
        assert world.gateway.buffered_bytes == 0


async def test_a_refusal_that_waits_for_the_disk_is_the_end_of_its_call(tmp_path: Path) -> None:
    journal, settings = JournalSettings(durability="fsync"), GatewaySettings(durability="fsync")
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)], journal=journal, settings=settings) as world:
        world.gateway.standing.set_environment("this is staging")
        assert (await world.ask(request(INFER, CLEAN))).status == 503
        assert (await world.ask(request(INFER, BAD))).status == 503
        assert not world.upstream.requests
        assert [exchange.status for exchange in world.exchanges()] == [503, 503]
        assert world.gateway.buffered_bytes == 0


async def test_what_was_let_go_and_is_with_the_model_is_not_held_any_more(tmp_path: Path) -> None:
    settings = GatewaySettings(buffered_bytes_budget=10)
    async with (
        running(tmp_path, default=hangs, guards=[credit(tmp_path, OBSERVED)], settings=settings) as world,
        world.connected() as client,
    ):
        await client.send(request(INFER, CLEAN))
        await eventually(lambda: world.upstream.requests)
        assert (world.gateway.in_flight, world.gateway.buffered_bytes) == (1, 0)


# What the model says before it waits: nothing, half a head, a head, half a body, half of an answer that is relayed.
SAYS = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: half",
]


async def _either(asked: list[Asked], heard: asyncio.Task[bytes]) -> None:
    await eventually(lambda: asked or heard.done())


@pytest.mark.parametrize("ends", ["leaves", "closes", "model resets", "model closes"])
@pytest.mark.parametrize("contract", [CREDIT, OBSERVED])
async def test_whoever_hangs_up_and_whenever_nothing_is_held_afterwards(
    tmp_path: Path, contract: str, ends: str
) -> None:
    bodies = (CLEAN, BAD, REPAIRABLE, CLEAN.ljust(100_000), BAD.ljust(100_000), CLEAN.ljust(400_000))
    asked_now: list[Asked] = []
    says = b""

    async def speaks(asked: Asked) -> None:
        await asked.body()
        await asked.send(says)
        asked_now.append(asked)
        if ends == "model resets":
            asked.reset()
        elif ends == "model closes":
            asked.close()
        else:
            await asked.hang()

    settings = GatewaySettings(max_body_bytes=300_000, buffered_bytes_budget=1_000_000)
    guards = [credit(tmp_path, contract)]
    async with running(tmp_path, default=speaks, guards=guards, settings=settings) as world:
        for body in bodies:
            whole = request(INFER, body)
            parted = request(INFER, None, b"Transfer-Encoding: chunked", method=b"POST")
            parted += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            for data in (whole, parted):
                for cut in (1, len(data) - len(body) // 2, len(data) - 1):  # the request is not complete
                    async with world.connected() as client:
                        await client.send(data[:cut])
                        client.leave() if ends == "leaves" else await client.close()
                for said in SAYS:  # or the answer is not
                    says = said
                    asked_now.clear()
                    async with world.connected() as client:
                        await client.send(data)
                        heard = asyncio.create_task(client.reader.read(1))
                        await _either(asked_now, heard)
                        client.leave() if ends == "leaves" else await client.close()
                        await asyncio.wait([heard])
                        heard.exception()
        await eventually(lambda: not world.gateway.connections and not world.gateway.calls)
        assert world.gateway.buffered_bytes == 0
