"""The health port's own little server: what it answers, and what it will not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.health.server import TEXT, Answer, HealthServer, Request


def echo(request: Request) -> Answer:
    return Answer(200, TEXT, repr(sorted(request.query.items())).encode())


def broken(request: Request) -> Answer:
    raise RuntimeError("secret detail")


SERVER = HealthServer({"/healthz": echo, "/broken": broken, "/do": echo}, frozenset({"/do"}))


def talk(raw: bytes, *, pieces: int = 1) -> bytes:
    """Everything the server answers to these bytes, sent in so many pieces."""

    async def conversation() -> bytes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(SERVER.protocol, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        size = max(1, -(-len(raw) // pieces))
        answered = b""
        try:
            for start in range(0, len(raw), size):
                writer.write(raw[start : start + size])
                await writer.drain()
            if raw.endswith(b"EOF"):
                writer.write_eof()
            answered = await reader.read()
        except ConnectionError:
            pass
        writer.close()
        SERVER.close()
        server.close()
        return answered

    return asyncio.run(conversation())


def get(path: str, method: str = "GET", headers: str = "host: x\r\n") -> bytes:
    return f"{method} {path} HTTP/1.1\r\n{headers}\r\n".encode()


@pytest.mark.parametrize("pieces", [1, 7, 30])
def test_answers_and_hangs_up(pieces: int) -> None:
    answer = talk(get("/healthz?policy=a%20b&x=1"), pieces=pieces)
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in head
    assert body == b"[('policy', 'a b'), ('x', '1')]"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/nothing"), 404),
        (get("/healthz", "POST", "host: x\r\ncontent-length: 0\r\n"), 405),
        (get("/healthz", "HEAD"), 405),
        (get("/healthz", "DELETE"), 405),
        (get("/do"), 405),
        (get("/do", "POST", "content-length: 0\r\n"), 200),
        (get("/broken"), 500),
        (b"GARBAGE\r\n\r\n", 400),
        (get("/healthz", headers=f"a: {'x' * 9000}\r\n"), 431),
        (get("/" + "x" * 9000), 431),
        (get("http://elsewhere/healthz"), 200),  # no host is trusted, so none is refused
        (get("/healthz?" + "a=1&" * 100), 200),
    ],
)
def test_statuses(request_bytes: bytes, status: int) -> None:
    answer = talk(request_bytes)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:80]
    assert b"secret" not in answer


def test_405_says_what_is_allowed() -> None:
    assert b"\r\nallow: GET\r\n" in talk(get("/healthz", "PUT"))


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_end_in_an_answer_or_silence(raw: bytes) -> None:
    answer = talk(raw + b"\r\n\r\nEOF")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")


def test_connections_are_bounded() -> None:
    async def conversation() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        health = HealthServer({"/healthz": echo})
        server = await loop.create_server(health.protocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        streams = [await asyncio.open_connection(*address) for _ in range(140)]
        await until(lambda: len(health.connections) == 128)
        ends = [await reader.read(1) for reader, _ in streams[128:]]
        held = len(health.connections)
        for _, writer in streams:
            writer.close()
        health.close()
        server.close()
        return held, len([end for end in ends if end == b""])

    assert asyncio.run(conversation()) == (128, 12)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)
