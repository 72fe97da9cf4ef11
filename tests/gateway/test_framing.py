"""What two servers could read in two ways is answered once, closed, and never reaches the model (RFC 9112)."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kit.client import Answer, request
from tests.kit.guards import INFER, OBSERVED, credit
from tests.kit.running import Running, running

pytestmark = pytest.mark.anyio

HOST = b"Host: a\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes, body: bytes = b"", target: bytes = b"/x", version: bytes = b"1.1") -> bytes:
    return (
        b"POST " + target + b" HTTP/" + version + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body
    )


def with_host(*lines: bytes, body: bytes = b"") -> bytes:
    return post(b"Host: a", *lines, body=body)


CHUNKED = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"

AMBIGUOUS_LENGTHS = {
    "content-length and chunked": with_host(b"Content-Length: 3", CHUNKED, body=b"3\r\nabc\r\n" + END),
    "chunked and content-length": with_host(CHUNKED, b"Content-Length: 3", body=b"3\r\nabc\r\n" + END),
    "two equal lengths": with_host(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    "a list of lengths": with_host(b"Content-Length: 3, 3", body=b"abc"),
    "two different lengths": with_host(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"),
    "a signed length": with_host(b"Content-Length: +3", body=b"abc"),
    "a hexadecimal length": with_host(b"Content-Length: 0x3", body=b"abc"),
    "a negative length": with_host(b"Content-Length: -1", body=b"abc"),
    "a length with an underscore": with_host(b"Content-Length: 0_3", body=b"abc"),
    "a length with a fraction": with_host(b"Content-Length: 3.0", body=b"abc"),
    "an empty length": with_host(b"Content-Length:", body=b"abc"),
    "a length of forty digits": with_host(b"Content-Length: " + b"9" * 40, body=b"abc"),
    "an underscored twin": with_host(b"Content_Length: 3", b"Content-Length: 1", body=b"abc"),
    "an underscored transfer coding": with_host(b"Transfer_Encoding: chunked", b"Content-Length: 3", body=b"abc"),
}
BAD_CODINGS = {
    "xchunked": with_host(b"Transfer-Encoding: xchunked", body=END),
    "identity": with_host(b"Transfer-Encoding: identity", body=b"abc"),
    "chunked, identity": with_host(b"Transfer-Encoding: chunked, identity", body=END),
    "gzip, chunked": with_host(b"Transfer-Encoding: gzip, chunked", body=END),
    "identity and a length": with_host(b"Transfer-Encoding: identity", b"Content-Length: 3", body=b"abc"),
    "vertical tab before chunked": with_host(b"Transfer-Encoding: \x0bchunked", body=END),
    "chunked twice in two lines": with_host(CHUNKED, CHUNKED, body=END),
    "chunked twice in one line": with_host(b"Transfer-Encoding: chunked, chunked", body=END),
    "an empty coding": with_host(b"Transfer-Encoding:", body=END),
    "quoted": with_host(b'Transfer-Encoding: "chunked"', body=END),
    "on HTTP/1.0": post(b"Host: a", CHUNKED, body=b"3\r\nabc\r\n" + END, version=b"1.0"),
}
BAD_CHUNKS = {
    "a size line ended by LF": with_host(CHUNKED, body=b"3\nabc\r\n" + END),
    "0x1": with_host(CHUNKED, body=b"0x1\r\na\r\n" + END),
    "+1": with_host(CHUNKED, body=b"+1\r\na\r\n" + END),
    "-1": with_host(CHUNKED, body=b"-1\r\na\r\n" + END),
    "a space before the size": with_host(CHUNKED, body=b" 1\r\na\r\n" + END),
    "seventeen digits": with_host(CHUNKED, body=b"10000000000000001\r\na\r\n" + END),
    "an overflow to one": with_host(CHUNKED, body=b"fffffffffffffffff1\r\na\r\n" + END),
    "data without its CRLF": with_host(CHUNKED, body=b"3\r\nabc" + END),
    "more data than stated": with_host(CHUNKED, body=b"3\r\nabcd\r\n" + END),
    "no size": with_host(CHUNKED, body=b"\r\na\r\n" + END),
}
BAD_HEADERS = {
    "obs-fold": with_host(b"X: a\r\n b"),
    "LF alone after a header": b"GET /x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "LF alone throughout": b"GET /x HTTP/1.1\nHost: a\n\n",
    "CR alone in a value": with_host(b"X: a\rb"),
    "NUL in a value": with_host(b"X: a\x00b"),
    "NUL in a name": with_host(b"X\x00Y: a"),
    "a space before the colon": with_host(b"Content-Length : 3", body=b"abc"),
    "a tab before the colon": with_host(b"Content-Length\t: 3", body=b"abc"),
    "a space in a name": with_host(b"X Y: a"),
    "an empty name": with_host(b": a"),
    "no colon": with_host(b"just text"),
    "a line that begins with a space": b"GET /x HTTP/1.1\r\n Host: a\r\n\r\n",
}
BAD_HOSTS = {
    "none": b"GET /x HTTP/1.1\r\n\r\n",
    "two": b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two that agree": b"GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "a list": b"GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "with a user": b"GET /x HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "with a path": b"GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "an empty port": b"GET /x HTTP/1.1\r\nHost: a:\r\n\r\n",
    "a port in letters": b"GET /x HTTP/1.1\r\nHost: a:http\r\n\r\n",
    "empty": b"GET /x HTTP/1.1\r\nHost:\r\n\r\n",
    "with a space": b"GET /x HTTP/1.1\r\nHost: a b\r\n\r\n",
    "an underscored twin": b"GET /x HTTP/1.1\r\nHost: a\r\nHo_st: b\r\n\r\n".replace(b"Ho_st", b"Host "),
    "two on HTTP/1.0": b"GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
}
BAD_LINES = {
    "HTTP/9.9": b"GET /x HTTP/9.9\r\nHost: a\r\n\r\n",
    "HTTP/2.0": b"GET /x HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "HTTP/1.2": b"GET /x HTTP/1.2\r\nHost: a\r\n\r\n",
    "lower case version": b"GET /x http/1.1\r\nHost: a\r\n\r\n",
    "an unknown method": b"FETCH /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a raw space in the target": b"GET /x y HTTP/1.1\r\nHost: a\r\n\r\n",
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303"),
    "a fragment": b"GET /x#frag HTTP/1.1\r\nHost: a\r\n\r\n",
    "an authority": b"GET a.example:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a user in front": b"GET @127.0.0.1:1/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "another scheme": b"GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
}


def table(*tables: dict[str, bytes]) -> Sequence[object]:
    return [pytest.param(raw, id=name) for cases in tables for name, raw in cases.items()]


async def refused(world: Running, raw: bytes, *, bytewise: bool) -> Answer:
    """Send it with a second request behind; the answer, after which nothing more may come."""
    async with world.connected() as client:
        if bytewise:
            await client.drip(raw + SMUGGLED)
        else:
            await client.send(raw + SMUGGLED)
        answer = await client.answer("GET")
        assert await client.closed()
    assert not any(seen.complete for seen in world.upstream.requests), "the model saw a request that was refused"
    assert b"/smuggled" not in world.upstream.targets
    return answer


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("raw", table(AMBIGUOUS_LENGTHS, BAD_CODINGS, BAD_CHUNKS, BAD_HEADERS, BAD_HOSTS, BAD_LINES))
async def test_ambiguous_framing_is_answered_once_and_closed(tmp_path: Path, raw: bytes, bytewise: bool) -> None:
    observing = credit(tmp_path, OBSERVED)
    async with running(tmp_path, guards=[observing]) as world:
        for sent in (raw, raw.replace(b" /x ", b" " + INFER.encode() + b" ")):
            answer = await refused(world, sent, bytewise=bytewise)
            assert answer.status in (400, 501, 505)
            assert answer.value("connection") == "close"
            assert answer.value("content-type") == "application/problem+json"
            assert answer.json()["status"] == answer.status
            assert answer.value("x-request-id")


async def test_a01_a_length_and_chunked_with_a_request_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        answer = await refused(world, AMBIGUOUS_LENGTHS["content-length and chunked"], bytewise=False)
        assert (answer.status, answer.value("connection")) == (400, "close")
        assert world.upstream.connections == 0


@pytest.mark.parametrize("raw", table(AMBIGUOUS_LENGTHS))
async def test_a02_ambiguous_lengths(tmp_path: Path, raw: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await refused(world, raw, bytewise=False)).status == 400


@pytest.mark.parametrize("raw", table(BAD_CODINGS))
async def test_a03_bad_transfer_codings(tmp_path: Path, raw: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await refused(world, raw, bytewise=False)).status in (400, 501)


@pytest.mark.parametrize("raw", table(BAD_CHUNKS))
async def test_a04_chunk_grammar(tmp_path: Path, raw: bytes) -> None:
    async with running(tmp_path) as world:
        async with world.connected() as client:
            await client.send(raw + SMUGGLED)
            assert (await client.answer()).status == 400
            assert await client.closed()
        assert b"/smuggled" not in world.upstream.targets
        assert not any(received.complete for received in world.upstream.requests)
        assert world.exchanges() == []


async def test_a04_an_extension_is_taken_and_not_forwarded(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        answer = await world.ask(with_host(CHUNKED, body=b"1;a=b\r\nx\r\n" + END))
        assert answer.status == 200
        assert world.upstream.received.body == b"x"
        assert b"a=b" not in world.upstream.received.raw


async def test_a04_endless_extensions_and_trailers_take_no_memory(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for start in (b"1;a=", b"1\r\nx\r\n0\r\nX-T: "):
            async with world.connected() as client:
                await client.send(with_host(CHUNKED, body=start))
                try:
                    for _ in range(512):
                        await client.send(b"y" * 65536)
                except ConnectionError:
                    pass
                await client.rest()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 * 1024
        assert not any(received.complete for received in world.upstream.requests)


async def test_a04_a_twenty_kilobyte_extension_is_bounded(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        answer = await world.ask(with_host(CHUNKED, body=b"1;" + b"a" * 20_000 + b"\r\nx\r\n" + END))
        assert answer.status in (200, 400, 413, 431)
        assert all(b"aaaa" not in received.raw for received in world.upstream.requests)


@pytest.mark.parametrize("raw", table(BAD_HEADERS))
async def test_a05_header_grammar(tmp_path: Path, raw: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await refused(world, raw, bytewise=False)).status == 400


@pytest.mark.parametrize("raw", table(BAD_HOSTS))
async def test_a06_host(tmp_path: Path, raw: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await refused(world, raw, bytewise=False)).status == 400


@pytest.mark.parametrize(
    "host", [b"a", b"a:80", b"127.0.0.1:8600", b"[::1]:8600", b"model.ns.svc.cluster.local", b"a_b", b"a \t"]
)
async def test_good_hosts_pass(tmp_path: Path, host: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask(b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")).status == 200
        assert world.upstream.received.values(b"host") == [host.strip()]


async def test_space_around_values_is_not_part_of_them(tmp_path: Path) -> None:
    """RFC 9112 section 5: OWS goes before and after a field value."""
    async with running(tmp_path) as world:
        answer = await world.ask(b"POST /x HTTP/1.1\r\nHost:\ta \r\nContent-Length:  3 \t\r\nX-Y: z \r\n\r\nabc")
        assert answer.status == 200
        assert world.upstream.received.body == b"abc"
        assert world.upstream.received.values(b"x-y") == [b"z"]


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "pieces"])
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(with_host(b"X: " + b"y" * 70_000), id="70 KB header"),
        pytest.param(with_host(*(b"X-%d: y" % index for index in range(1000))), id="1000 headers"),
        pytest.param(b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="70 KB target"),
        pytest.param(with_host(*(b"X-%d: %b" % (index, b"y" * 1000) for index in range(100))), id="100 KB in all"),
    ],
)
async def test_heads_too_large_are_431(tmp_path: Path, raw: bytes, bytewise: bool) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        if bytewise:
            for start in range(0, len(raw), 5000):
                await client.send(raw[start : start + 5000])
        else:
            await client.send(raw)
        assert (await client.answer()).status == 431
        assert await client.closed()
        assert world.upstream.connections == 0


async def test_a_head_too_large_behind_other_requests_is_431(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        for _ in range(3):
            await client.send(request("/ok"))
            assert (await client.answer()).status == 200
        await client.send(with_host(b"X: " + b"y" * 70_000))
        assert (await client.answer()).status == 431
        assert await client.closed()


async def test_a_head_just_below_the_limit_passes(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        for _ in range(2):
            await client.send(with_host(b"X: " + b"y" * 60_000, b"Content-Length: 3", body=b"abc"))
            assert (await client.answer()).status == 200
