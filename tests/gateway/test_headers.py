"""Header fields: hop-by-hop ones stay behind, ours are added, the rest arrive as sent (A10-A15)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings
from tests.kit.client import request
from tests.kit.guards import CLEAN, INFER, credit, scores
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
VIA = GatewaySettings().via.encode()
ADDED = {b"via", b"traceparent", b"x-request-id"}


async def test_a10_hop_by_hop_request_fields_are_not_forwarded(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        sent = request(
            "/x",
            b"abc",
            b"Connection: X-Secret, close",
            b"X-Secret: s",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic eA==",
            b"TE: gzip",
            b"Trailer: X-T",
            b"HTTP2-Settings: AAMAAABk",
            b"X-Kept: k",
        )
        assert (await world.ask(sent)).status == 200
        names = {name.lower() for name, _ in world.upstream.received.headers}
        assert names == {b"host", b"content-length", b"x-kept"} | ADDED


async def test_a10_trailers_of_a_request_are_dropped(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        body = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
        body += b"1\r\na\r\n0\r\nX-T: evil\r\nAuthorization: evil\r\n\r\n"
        assert (await world.ask(body)).status == 200
        assert b"evil" not in world.upstream.received.raw
        assert world.upstream.received.trailers == b""


async def test_a11_hop_by_hop_answer_fields_are_not_forwarded(tmp_path: Path) -> None:
    fields = (
        (b"Connection", b"x-hop, Keep-Alive"),
        (b"X-Hop", b"s"),
        (b"Keep-Alive", b"timeout=9"),
        (b"Proxy-Connection", b"keep-alive"),
        (b"Upgrade", b"h2c"),
        (b"Trailer", b"x"),
        (b"X-Kept", b"k"),
    )
    async with running(tmp_path, default=replies(answer(headers=fields)), guards=[credit(tmp_path)]) as world:
        for path, body in (("/x", b""), (INFER, CLEAN)):
            found = await world.ask(request(path, body))
            for name in ("x-hop", "keep-alive", "proxy-connection", "upgrade", "trailer", "connection"):
                assert found.values(name) == [], name
            if found.status == 200:
                assert found.value("x-kept") == "k"


async def test_a11_an_answer_may_not_strip_what_is_end_to_end(tmp_path: Path) -> None:
    fields = ((b"Connection", b"content-type, set-cookie"), (b"Content-Type", b"a/b"), (b"Set-Cookie", b"a=1"))
    async with running(tmp_path, default=replies(answer(headers=fields))) as world:
        found = await world.ask(request("/x"), "GET")
        assert (found.value("content-type"), found.value("set-cookie")) == ("a/b", "a=1")


async def test_a12_connection_cannot_strip_ours_or_credentials(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        sent = request(
            "/x",
            None,
            b"Connection: X-Request-Id, traceparent, Authorization, Host, Cookie, Via, X-Other",
            b"X-Request-Id: mine",
            b"Authorization: Bearer t",
            b"Cookie: a=b",
            b"X-Other: o",
        )
        assert (await world.ask(sent, "GET")).status == 200
        seen = world.upstream.received
        assert seen.values(b"x-request-id") == [b"mine"]
        assert len(seen.values(b"traceparent")) == 1
        assert seen.values(b"authorization") == [b"Bearer t"]
        assert seen.values(b"cookie") == [b"a=b"]
        assert seen.values(b"host") == [b"model.test"]
        assert seen.values(b"x-other") == []


async def test_a13_one_via_entry_is_added_behind_those_before(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.ask(request("/x"), "GET")
        assert world.upstream.received.values(b"via") == [b"1.1 " + VIA]
        await world.ask(request("/x", None, b"Via: 1.0 first, 1.1 second"), "GET")
        assert world.upstream.received.values(b"via") == [b"1.0 first, 1.1 second", b"1.1 " + VIA]


async def test_a13_a_loop_is_508(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.pool.address = world.pool.address.__class__(f"http://127.0.0.1:{world.port}", "127.0.0.1", world.port)
        found = await world.ask(request("/x"), "GET")
        assert found.status == 508
        assert world.gateway.in_flight == 0
        assert world.upstream.connections == 0


@pytest.mark.parametrize("via", [b"1.1 my-sidecar-proxy", b"1.1 sidecar2", b"1.1 a (sidecar)"])
async def test_a13_a_neighbour_with_a_similar_name_is_no_loop(tmp_path: Path, via: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask(request("/x", None, b"Via: " + via), "GET")).status == 200


async def test_a13_forwarding_fields_are_the_callers(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.ask(request("/x", None, b"X-Forwarded-For: 10.1.2.3", b"Forwarded: for=x"), "GET")
        assert world.upstream.received.values(b"x-forwarded-for") == [b"10.1.2.3"]
        assert world.upstream.received.values(b"forwarded") == [b"for=x"]


async def test_a14_no_header_is_invented(tmp_path: Path) -> None:
    async with running(tmp_path, default=replies(answer(scores(0.5))), guards=[credit(tmp_path)]) as world:
        await world.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET")
        assert {name.lower() for name, _ in world.upstream.received.headers} == {b"host"} | ADDED
        assert (await world.ask(request(INFER, CLEAN))).status == 200
        names = [name.lower() for name, _ in world.upstream.received.headers]
        assert sorted(names) == sorted([b"host", b"content-length", *ADDED])


async def test_a15_repeated_fields_and_bytes_above_ascii_stay(tmp_path: Path) -> None:
    high = bytes(range(0x80, 0x100))
    fields = ((b"Set-Cookie", b"a=1"), (b"X-High", high), (b"Set-Cookie", b"b=2; Path=/"))
    scripts = {"/x": replies(answer(headers=fields)), INFER: replies(answer(scores(0.5), headers=fields))}
    async with running(tmp_path, scripts, guards=[credit(tmp_path)]) as world:
        for path, body in (("/x", b"abc"), (INFER, CLEAN)):
            sent = request(path, body, b"X-High: " + high, b"X-Twice: 1", b"X-Twice: 2")
            found = await world.ask(sent)
            assert found.status == 200
            assert found.values("set-cookie") == ["a=1", "b=2; Path=/"]
            assert found.value("x-high").encode("latin-1") == high
            assert world.upstream.received.values(b"x-high") == [high]
            assert world.upstream.received.values(b"x-twice") == [b"1", b"2"]


async def test_names_and_order_of_the_callers_fields_stay(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.ask(request("/x", None, b"X-B: 1", b"x-a: 2", b"X-B: 3", b"ACCEPT: */*"), "GET")
        seen = [field for field in world.upstream.received.headers if field[0].lower() not in ADDED | {b"host"}]
        assert seen == [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3"), (b"ACCEPT", b"*/*")]


async def test_the_servers_own_fields_stay_where_ours_say_nothing(tmp_path: Path) -> None:
    """P1: on a path that no policy judges, these are the server's to say."""
    fields = ((b"X-Model-Version", b"7"), (b"Server-Timing", b"db;dur=3"), (b"X-Policy", b"theirs"))
    async with running(tmp_path, default=replies(answer(headers=fields))) as world:
        found = await world.ask(request("/x"), "GET")
        assert (found.value("x-model-version"), found.value("server-timing")) == ("7", "db;dur=3")
        assert found.value("x-policy") == "theirs"


@pytest.mark.parametrize("bad", [b"two words", b"x" * 200, b""])
async def test_a_request_id_we_cannot_use_is_still_the_callers(tmp_path: Path, bad: bytes) -> None:
    async with running(tmp_path) as world:
        found = await world.ask(request("/x", None, b"X-Request-Id: " + bad), "GET")
        assert world.upstream.received.values(b"x-request-id") == [bad]
        assert found.value("x-request-id") != bad.decode()


async def test_the_callers_request_id_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        found = await world.ask(request("/x", None, b"X-Request-Id: abc-1"), "GET")
        assert found.value("x-request-id") == "abc-1"
        assert world.upstream.received.values(b"x-request-id") == [b"abc-1"]
        assert world.exchange().request_id == "abc-1"
