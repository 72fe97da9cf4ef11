"""How bytes are cut into segments changes nothing: requests and answers are the same, whole, bytewise or at random."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.telemetry import metrics
from tests.kit.client import request
from tests.kit.guards import BAD, CLEAN, INFER, REPAIRABLE, credit, scores
from tests.kit.running import running
from tests.kit.upstream import Asked, answer, chunked, echoes, replies

pytestmark = pytest.mark.anyio
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
OK = replies(answer(scores(0.5)))


def chunked_request(path: str, body: bytes) -> bytes:
    head = request(path, None, b"Transfer-Encoding: chunked", method=b"POST")
    half = len(body) // 2
    return head + chunked(*(piece for piece in (body[:half], body[half:]) if piece), trailers=b"X-T: 1\r\n")


KINDS = {
    "relayed": (request("/x", b"hello"), 200),
    "without a body": (request("/x"), 200),
    "chunked": (chunked_request("/x", b"hello"), 200),
    "clean": (request(INFER, CLEAN), 200),
    "clean, chunked": (chunked_request(INFER, CLEAN), 200),
    "bad": (request(INFER, BAD), 422),
    "repairable": (request(INFER, REPAIRABLE), 200),
    "no policy": (request("/v2/models/other/infer", CLEAN), 403),
    "ours": (request("/_sidecar/readyz"), 200),
    "offers h2c": (request("/x", b"hello", b"Upgrade: h2c", b"Connection: Upgrade"), 200),
    "offers h2c, chunked": (
        chunked_request("/x", b"hello").replace(b"Host:", b"Upgrade: h2c\r\nConnection: Upgrade\r\nHost:"),
        200,
    ),
    "after an empty line": (b"\r\n" + request("/x", b"hello"), 200),
}


@QUICK
@given(
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6),
    st.lists(st.integers(1, 400), max_size=12),
    st.booleans(),
)
async def test_requests_cut_anywhere(tmp_path: Path, kinds: list[str], cuts: list[int], broken_end: bool) -> None:
    stream = b"".join(KINDS[kind][0] for kind in kinds)
    if broken_end:
        stream += b"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + request("/smuggled")
    scripts = {INFER: OK}
    async with running(tmp_path, scripts, default=echoes, guards=[credit(tmp_path)]) as world:
        async with world.connected() as client:
            at = 0
            for cut in [*cuts, len(stream)]:
                await client.send(stream[at : at + cut])
                at += cut
                await asyncio.sleep(0)
            statuses = [(await client.answer()).status for _ in kinds]
            assert statuses == [KINDS[kind][1] for kind in kinds]
            if broken_end:
                assert (await client.answer()).status == 400
                assert await client.closed()
        forwarded = [kind for kind in kinds if KINDS[kind][1] == 200 and kind != "ours"]
        assert len(world.upstream.requests) == len(forwarded)
        for kind, received in zip(forwarded, world.upstream.requests, strict=True):
            assert received.complete
            if kind.startswith("clean"):
                assert received.body == CLEAN
            elif kind not in ("repairable", "without a body"):
                assert received.body == b"hello"
        assert world.gateway.in_flight == 0
        assert world.gateway.buffered_bytes == 0


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CHUNKED = [(b"Transfer-Encoding", b"chunked")]
ANSWERS = {
    "length": answer(b"hello"),
    "length and more of it": answer(b"hello" * 50),
    "early, length": EARLY + answer(b"hello"),
    "chunked": answer(chunked(b"hel", b"lo"), headers=CHUNKED, length=False),
    "chunked, trailers": answer(chunked(b"hello", trailers=b"X-T: 1\r\n"), headers=CHUNKED, length=False),
    "empty": answer(b""),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "judged": answer(scores(0.5)),
    "judged, chunked": answer(chunked(scores(0.5)), headers=CHUNKED, length=False),
}
BODIES = {"length and more of it": b"hello" * 50, "empty": b"", "no content": b""}


@QUICK
@given(
    st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=6),
    st.lists(st.integers(1, 150), max_size=8),
)
async def test_answers_cut_anywhere(tmp_path: Path, kinds: list[str], cuts: list[int]) -> None:
    left = iter(kinds)

    async def script(asked: Asked) -> None:
        await asked.body()
        stream, at = ANSWERS[next(left)], 0
        for cut in [*cuts, len(stream)]:
            if at < len(stream):
                await asked.send(stream[at : at + cut])
                at += cut
                await asyncio.sleep(0)

    async with running(tmp_path, default=script, guards=[credit(tmp_path)]) as world, world.connected() as client:
        for kind in kinds:
            judged = kind.startswith("judged")
            await client.send(request(INFER if judged else "/x", CLEAN))
            found = await client.answer()
            assert found.status == (204 if kind == "no content" else 200)
            assert found.body == (scores(0.5) if judged else BODIES.get(kind, b"hello"))
        assert world.upstream.connections == 1
        assert world.count(metrics.REQUESTS, "error") == 0
