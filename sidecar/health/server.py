"""The health port: /healthz, /readyz, /metrics. A small HTTP/1.1 server of its own: GET only, one request a connection.

In: request heads up to 8 KiB. Out: short answers, `Connection: close`. Never: a body read, a Host header trusted,
a question to a worker or to the model server (liveness never depends on them).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

import httptools

MAX_HEAD_BYTES: Final = 8 * 1024
MAX_CONNECTIONS: Final = 128
DEADLINE_SECONDS: Final = 5.0


class Request(NamedTuple):
    """What routes may look at. `query` holds the last value of each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Answer(NamedTuple):
    """What goes out."""

    status: int
    content_type: str
    body: bytes
    allow: str = ""


Route: TypeAlias = Callable[[Request], Answer]

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


class HealthServer:
    """Routes by path; `protocol` is the factory for `loop.create_server`. Paths in `posts` take POST, others GET."""

    def __init__(self, routes: dict[str, Route], posts: frozenset[str] = frozenset()) -> None:
        self.routes = routes
        self.posts = posts
        self.connections: set[_Connection] = set()

    def protocol(self) -> asyncio.Protocol:
        """One connection."""
        return _Connection(self)

    def close(self) -> None:
        """Drop every connection."""
        for connection in list(self.connections):
            connection.abort()

    def answer(self, request: Request) -> Answer:
        """Never raises: a fault of a route is a 500 without details."""
        route = self.routes.get(request.path)
        if route is None:
            known = " ".join(sorted(self.routes))
            return Answer(404, TEXT, f"not found; here are {known}\n".encode())
        allowed = "POST" if request.path in self.posts else "GET"
        if request.method != allowed:
            return Answer(405, TEXT, f"use {allowed}\n".encode(), allow=allowed)
        try:
            return route(request)
        except Exception:
            return Answer(500, TEXT, b"this page failed\n")


class _Connection(asyncio.Protocol):
    def __init__(self, server: HealthServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[str, str] = {}
        self._received = 0
        self._answered = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._server.connections) >= MAX_CONNECTIONS:
            self._transport.abort()
            return
        self._server.connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(DEADLINE_SECONDS, self.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._answered:
            return
        self._received += len(data)
        if self._received > MAX_HEAD_BYTES:
            self._send(Answer(431, TEXT, b"the request is too large\n"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            self._send(Answer(400, TEXT, b"not HTTP/1.1\n"))

    # -- httptools

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        try:
            parts = urlsplit(self._target.decode("ascii"))
        except ValueError:
            self._send(Answer(400, TEXT, b"not a path\n"))
            return
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            path=parts.path,
            query=dict(parse_qsl(parts.query, max_num_fields=32)) if parts.query.count("&") < 32 else {},
            headers=self._headers,
        )
        self._send(self._server.answer(request))

    def _send(self, answer: Answer) -> None:
        if self._answered or self._transport is None or self._transport.is_closing():
            return
        self._answered = True
        head = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"content-type: {answer.content_type}",
            f"content-length: {len(answer.body)}",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "connection: close",
        ]
        if answer.allow:
            head.append(f"allow: {answer.allow}")
        self._transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + answer.body)
        self._transport.close()
