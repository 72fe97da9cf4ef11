"""Answers of the model server: whole, in pieces, without a body, cut short (A17-A22)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from pathlib import Path

import pytest

from sidecar.exchange import Kind
from sidecar.gateway import GatewaySettings
from tests.kit.client import HungUpError, request
from tests.kit.guards import CLEAN, INFER, credit, scores
from tests.kit.running import running
from tests.kit.upstream import Asked, Script, answer, chunked, replies, replies_and_closes

pytestmark = pytest.mark.anyio
JSON = (b"Content-Type", b"application/json")
CHUNKED = (b"Transfer-Encoding", b"chunked")


@pytest.mark.parametrize("path", ["/x", INFER])
@pytest.mark.parametrize("bytewise", [False, True])
async def test_a17_interim_answers_never_become_the_final_one(tmp_path: Path, path: str, bytewise: bool) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-Early: 1\r\n\r\n"
    early += b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    whole = early + answer(scores(0.5))

    async def script(asked: Asked) -> None:
        await asked.body()
        for piece in [whole[at : at + 1] for at in range(len(whole))] if bytewise else [whole]:
            await asked.send(piece)
            await asyncio.sleep(0)

    async with running(tmp_path, default=script, guards=[credit(tmp_path)]) as world, world.connected() as client:
        for _ in range(2):
            await client.send(request(path, CLEAN))
            found = await client.answer()
            assert (found.status, found.interim, found.body) == (200, [], scores(0.5))
            assert found.values("x-early") + found.values("link") == []
        assert [exchange.status for exchange in world.exchanges()] == [200, 200]


async def test_a17_switching_protocols_unasked_is_502(tmp_path: Path) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    async with running(tmp_path, default=replies(switch)) as world:
        assert (await world.ask(request("/x"), "GET")).status == 502


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a18_head_keeps_the_length_and_has_no_body(tmp_path: Path, path: str) -> None:
    async def script(asked: Asked) -> None:
        await asked.body()
        head = asked.received.method == b"HEAD"
        await asked.send(
            answer(b"" if head else b"hello", headers=[(b"Content-Length", b"5")] if head else [], length=not head)
        )

    async with running(tmp_path, default=script) as world, world.connected() as client:
        for _ in range(3):
            await client.send(request(path, method=b"HEAD"))
            found = await client.answer("HEAD")
            assert (found.status, found.value("content-length")) == (200, "5")
            await client.send(request("/y"))
            assert (await client.answer("GET")).body == b"hello"


async def test_a18_head_of_a_chunked_answer(tmp_path: Path) -> None:
    script = replies(answer(headers=[CHUNKED], length=False, body=b""))
    async with running(tmp_path, default=script) as world, world.connected() as client:
        await client.send(request("/x", method=b"HEAD") * 2)
        for _ in range(2):
            assert (await client.answer("HEAD")).status == 200


@pytest.mark.parametrize("extra", [(), ((b"Content-Length", b"0"),)])
async def test_a18_204_has_neither_body_nor_length(tmp_path: Path, extra: tuple[tuple[bytes, bytes], ...]) -> None:
    scripts = dict.fromkeys(("/x", INFER), replies(answer(b"", 204, extra, length=False)))
    async with running(tmp_path, scripts, guards=[credit(tmp_path)]) as world, world.connected() as client:
        await client.send(request("/x"))
        found = await client.answer()
        assert found.status == 204
        assert found.values("content-length") + found.values("transfer-encoding") == []
        await client.send(request(INFER, CLEAN))
        assert (await client.answer()).status == 502  # no prediction in it
        await client.send(request("/y"))
        assert (await client.answer()).body == b"{}"


async def test_a18_304_keeps_its_etag(tmp_path: Path) -> None:
    fields = ((b"ETag", b'"abc"'), (b"Content-Length", b"1234"))
    scripts = {"/x": replies(answer(b"", 304, fields, length=False))}
    async with running(tmp_path, scripts) as world, world.connected() as client:
        await client.send(request("/x"))
        found = await client.answer("GET")
        assert (found.status, found.value("etag"), found.value("content-length")) == (304, '"abc"', "1234")
        await client.send(request("/y"))
        assert (await client.answer("GET")).body == b"{}"


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd"])
async def test_a19_coded_answers_pass_byte_for_byte(tmp_path: Path, coding: bytes) -> None:
    body = gzip.compress(os.urandom(100_000)) if coding == b"gzip" else os.urandom(300_000)
    fields = ((b"Content-Encoding", coding), (b"ETag", b'W/"1"'), JSON)
    async with running(tmp_path, default=replies(answer(body, headers=fields))) as world:
        found = await world.ask(request("/x", None, b"Accept-Encoding: gzip, br, zstd"), "GET")
        assert hashlib.sha256(found.body).digest() == hashlib.sha256(body).digest()
        assert (found.value("content-encoding"), found.value("etag")) == (coding.decode(), 'W/"1"')


async def test_a19_a_judged_gzip_answer_is_checked_and_passed_as_it_is(tmp_path: Path) -> None:
    fields = ((b"Content-Encoding", b"gzip"), JSON)
    good, bad = gzip.compress(scores(0.5)), gzip.compress(scores(7.5))
    async with running(tmp_path, {INFER: replies(answer(good, headers=fields))}, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, CLEAN))
        assert (found.status, found.body, found.value("x-contract-verdict")) == (200, good, "ok")
        assert world.payloads() == (CLEAN, good)
        assert world.exchange().response_headers == (("content-encoding", "gzip"),)
        world.upstream.scripts[INFER] = replies(answer(bad, headers=fields))
        assert (await world.ask(request(INFER, CLEAN))).status == 502


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_a20_events_arrive_one_by_one(tmp_path: Path, path: str) -> None:
    """Each event is sent only when the caller has the one before it: any buffering would stop the test."""
    read = asyncio.Semaphore(0)

    async def script(asked: Asked) -> None:
        await asked.body()
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(4):
            event = b"data: %d\n\n" % number
            await asked.send(b"%x\r\n%b\r\n" % (len(event), event))
            await read.acquire()
        await asked.send(b"0\r\n\r\n")

    async with running(tmp_path, default=script, guards=[credit(tmp_path)]) as world, world.connected() as client:
        await client.send(request(path, CLEAN))
        head = await client.head()
        assert head.value("content-type") == "text/event-stream"
        for number in range(4):
            assert b"data: %d\n\n" % number in await client.until(b"\n\n")
            assert [read.kind for read in world.frames()] == [Kind.OPEN]
            read.release()
        await client.until(b"0\r\n\r\n")
        assert [frame.kind for frame in world.frames()] == [Kind.OPEN, Kind.CLOSE]
        assert world.exchange().streamed
        if path == INFER:
            assert head.value("x-contract-verdict") == "ok;output=pending"


async def test_a20_a_slow_reader_slows_the_model_down(tmp_path: Path) -> None:
    sent = 0

    async def script(asked: Asked) -> None:
        nonlocal sent
        await asked.body()
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            await asked.send(b"x" * 100_000)
            sent += 100_000

    async with running(tmp_path, default=script) as world, world.connected() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(request("/x"))
        before = -1
        while sent != before:
            before = sent
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.2)
        assert sent < 20_000_000
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len((await client.answer("GET")).body) == 50_000_000


async def test_a21_trailers_of_an_answer_are_dropped(tmp_path: Path) -> None:
    trailers = b"X-T: evil\r\nSet-Cookie: evil=1\r\n"
    body = answer(chunked(scores(0.5), trailers=trailers), headers=[CHUNKED, (b"Trailer", b"X-T")], length=False)
    async with (
        running(tmp_path, default=replies(body), guards=[credit(tmp_path)]) as world,
        world.connected() as client,
    ):
        for path in ("/x", INFER, "/x"):
            await client.send(request(path, CLEAN))
            found = await client.answer()
            assert (found.status, found.body, found.trailers) == (200, scores(0.5), b"")
            assert b"evil" not in found.raw_head


SHORT: dict[str, Script] = {
    "a length too long": replies_and_closes(answer(b"x" * 50, headers=[(b"Content-Length", b"100")], length=False)),
    "no last chunk": replies_and_closes(answer(b"5\r\nhello\r\n", headers=[CHUNKED], length=False)),
    "half a chunk": replies_and_closes(answer(b"ff\r\nhello", headers=[CHUNKED], length=False)),
}


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in SHORT.items()])
async def test_a22_a_truncated_answer_stays_truncated(tmp_path: Path, script: Script) -> None:
    async with running(tmp_path, default=script, guards=[credit(tmp_path)]) as world:
        async with world.connected() as client:
            await client.send(request("/x", CLEAN))
            try:
                found = await client.answer()
            except HungUpError:
                pass
            else:
                assert found.status == 502
        exchange = world.exchange()
        assert exchange.error == "truncated"
        assert exchange.verdict == ""
        judged = await world.ask(request(INFER, CLEAN))
        assert judged.status == 502
        assert world.exchanges()[1].error == "truncated"
        assert (world.exchanges()[1].verdict, world.exchanges()[1].reason) == ("unchecked", "truncated")


async def test_a22_a_cut_stream_has_no_last_chunk(tmp_path: Path) -> None:
    async def script(asked: Asked) -> None:
        await asked.body()
        await asked.send(answer(b"5\r\nhello\r\n", headers=[CHUNKED], length=False))
        await asked.send(b"3\r\nab")
        go.set()
        await gone.wait()
        asked.close()

    go, gone = asyncio.Event(), asyncio.Event()
    async with running(tmp_path, default=script) as world, world.connected() as client:
        await client.send(request("/x", CLEAN))
        head = await client.until(b"hello\r\n")
        assert b"Transfer-Encoding: chunked" in head
        await go.wait()
        gone.set()
        assert b"0\r\n\r\n" not in await client.rest()
        assert [frame.kind for frame in world.frames()] == [Kind.OPEN, Kind.CLOSE]
        assert world.exchange().error == "truncated"


@pytest.mark.parametrize("path", ["/x", INFER])
async def test_an_answer_that_ends_with_the_connection(tmp_path: Path, path: str) -> None:
    script = replies_and_closes(answer(scores(0.5), headers=[JSON], length=False))
    async with running(tmp_path, default=script, guards=[credit(tmp_path)]) as world, world.connected() as client:
        for _ in range(3):
            await client.send(request(path, CLEAN))
            found = await client.answer()
            assert (found.status, found.body) == (200, scores(0.5))


@pytest.mark.parametrize("keep", [False, True])
async def test_http10_callers_get_no_chunks(tmp_path: Path, keep: bool) -> None:
    script = replies(answer(chunked(b"hello"), headers=[CHUNKED], length=False))
    async with running(tmp_path, default=script) as world, world.connected() as client:
        fields = [b"Connection: keep-alive"] if keep else []
        await client.send(request("/x", None, *fields, version=b"1.0"))
        found = await client.answer("GET")
        assert found.body == b"hello"
        assert found.values("transfer-encoding") == []
        assert await client.closed()


@pytest.mark.parametrize("status", [200, 201, 404, 418, 500, 503, 599, 799])
async def test_every_status_and_reason_is_the_servers(tmp_path: Path, status: int) -> None:
    raw = b"HTTP/1.1 %d Some Words\r\nContent-Length: 2\r\n\r\n{}" % status
    async with running(tmp_path, default=replies(raw), guards=[credit(tmp_path)]) as world:
        found = await world.ask(request("/x"), "GET")
        assert (found.status, found.reason) == (status, b"Some Words")
        judged = await world.ask(request(INFER, CLEAN))
        if not 200 <= status < 300:
            assert (judged.status, judged.reason, judged.body) == (status, b"Some Words", b"{}")


async def test_answers_too_large_to_judge_pass_and_say_so(tmp_path: Path) -> None:
    big = scores(0.5, padding="x" * 5000)
    settings = GatewaySettings(max_answer_bytes=1000)
    scripts = {
        INFER: replies(answer(big)),
        INFER + "/": replies(answer(chunked(big), headers=[CHUNKED], length=False)),
    }
    async with running(tmp_path, scripts, guards=[credit(tmp_path)], settings=settings) as world:
        for path in scripts:
            found = await world.ask(request(path, CLEAN))
            assert (found.status, found.body) == (200, big)
            assert found.value("x-contract-verdict").startswith("unchecked;reason=answer_too_large")
        assert [exchange.verdict for exchange in world.exchanges()] == ["unchecked", "unchecked"]
        assert world.gateway.buffered_bytes == 0
