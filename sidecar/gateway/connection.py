"""One connection of a caller: one parser for its whole life, one call at a time, in order.

Events of httptools come in; calls are made and fed. What cannot be parsed, or could be parsed in two ways, is answered
once and closed: nothing after it is looked at.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import httptools

from ..problem import Problem
from . import respond
from .head import MAX_HEAD_BYTES, MAX_HEADERS, Head, Refusal

if TYPE_CHECKING:
    from .call import Call
    from .gateway import Gateway

_MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
_MAX_MISSES: Final = 8
_UPLOAD, _PIPELINE = 1, 2  # why reading is paused
_TOO_LARGE_HEAD: Final = Refusal(431, "headers-too-large", f"a head may have {MAX_HEAD_BYTES} bytes")


class KnownHead(NamedTuple):
    """The last head of a connection whose request came whole in one read: `size` bytes with its body."""

    head_bytes: bytes
    size: int
    method: bytes
    url: bytes
    head: Head
    http10: bool


class Connection(asyncio.Protocol):
    """The data port's protocol."""

    __slots__ = (
        "_active",
        "_advancing",
        "_blocked",
        "_body_bytes",
        "_discarded",
        "_discarding",
        "_gateway",
        "_head_bytes",
        "_headers",
        "_headers_done",
        "_known",
        "_made",
        "_messages",
        "_misses",
        "_open",
        "_parser",
        "_paused",
        "_queue",
        "_receiving",
        "_refusal",
        "_replay",
        "_replaying",
        "_transport",
        "_url",
        "deadline",
        "peer",
    )

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._url = b""
        self._headers_done = False
        self._head_bytes = 0  # of a head, or since the body last grew
        self._body_bytes = 0
        self._blocked = False  # the caller does not read what it is sent
        self._open = False  # the parser stands inside a message
        self._messages = 0  # heads in this read
        self._made: Head | None = None  # the last head read
        self._known: KnownHead | None = None
        self._misses = 0
        self._receiving: Call | None = None  # whose body is coming in
        self._active: Call | None = None  # whose turn it is
        self._queue: deque[Call] = deque()
        self._refusal: Refusal | None = None  # said once the calls before it are answered
        self._replay = b""  # a head to begin again with, because the body behind an offer of h2c is still to come
        self._replaying = False
        self._paused = 0
        self._advancing = False
        self._discarding = False
        self._discarded = 0
        self.deadline = 0.0
        self.peer = ""

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        gateway = self._gateway
        self._transport = cast(asyncio.Transport, transport)
        if len(gateway.connections) >= gateway.settings.max_connections:
            gateway.counts.refused_connections()
            self._transport.abort()
            return
        gateway.connections.add(self)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else "unix"
        self.deadline = perf_counter() + gateway.settings.head_timeout_seconds

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            self._discarded += len(data)
            if self._discarded > _MAX_DISCARDED_BYTES:
                self.abort()
            return
        between = not self._open
        if between:
            known = self._known
            if (
                known is not None
                and len(data) == known.size
                and data.startswith(known.head_bytes)
                and self._active is None
                and self._refusal is None
                and not self._blocked
            ):
                self._again(known, data)
                return
            self._messages = 0
        if self._receiving is None:
            self._head_bytes += len(data)
        while data:
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # h2c was offered and is ignored (RFC 9110 section 7.8): what follows is HTTP/1.1. llhttp takes any
                # upgrade for the end of the message, and would read its body as the next request.
                data = b"" if self._discarding else self._replay + data[upgrade.args[0] :]
                if self._replay:
                    self._parser = httptools.HttpRequestParser(self)
                    self._replay, self._replaying = b"", True
            except httptools.HttpParserCallbackError:
                self.abort()
                raise
            except httptools.HttpParserError as error:
                if not self._discarding and self._refusal is None:
                    self._gateway.counts.parser_errors()
                    self._refuse(Refusal(400, "malformed", f"not a valid HTTP/1.1 request: {error}"))
                return
        if not self._headers_done:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_TOO_LARGE_HEAD)
        elif between and not self._open:
            if self._messages == 1 and self._misses < _MAX_MISSES:
                self._learn(data)
        elif self._receiving is not None:
            self._watch_body(self._receiving, len(data))

    def _again(self, known: KnownHead, data: bytes) -> None:
        """The head this connection sent last, byte for byte, with its whole body: it means what it meant."""
        self._misses = 0
        call = self._gateway.call(self, known.method, known.url, known.head, known.http10, True)
        if isinstance(call, Refusal):
            self._refuse(call)
            return
        self._active = call
        self.deadline = 0.0
        if known.head.content_length:
            call.body(data[len(known.head_bytes) :])
        call.body_end()
        call.begin()

    def _learn(self, data: bytes) -> None:
        head, parser = self._made, self._parser
        if head is None or head.content_length < 0 or head.expects_continue or head.h2c or self._discarding:
            return
        self._misses += 1  # a caller whose heads always differ is not remembered
        size = len(data) - head.content_length
        if data.find(b"\r\n\r\n") == size - 4 and parser.should_keep_alive():
            http10 = parser.get_http_version() == "1.0"
            self._known = KnownHead(data[:size], len(data), parser.get_method(), self._url, head, http10)

    def _watch_body(self, call: Call, size: int) -> None:
        """More of a body is to come: in time, and not as chunk extensions or trailers without end."""
        if call.request_bytes != self._body_bytes:
            self._body_bytes = call.request_bytes
            self._head_bytes = 0
        else:
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_TOO_LARGE_HEAD)
                return
        if not self._blocked:
            self.deadline = perf_counter() + self._gateway.settings.body_timeout_seconds

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._discarding = True
        self._gateway.connections.discard(self)
        self.deadline = 0.0
        calls = [self._active, *self._queue] if self._active is not None else []
        self._queue.clear()
        for call in calls:
            if call is not None:
                call.client_gone()
        self._active = self._receiving = None

    def pause_writing(self) -> None:
        self._blocked = True
        self.deadline = perf_counter() + self._gateway.settings.write_timeout_seconds
        if self._active is not None:
            self._active.client_paused(True)

    def resume_writing(self) -> None:
        self._blocked = False
        if self._discarding:
            return
        self.deadline = 0.0
        if self._active is not None:
            self._active.client_paused(False)
        else:
            self._go_on()

    # -- httptools

    def on_message_begin(self) -> None:
        self._open = True
        if self._discarding or self._refusal is not None or self._replaying:
            return
        self._headers = []
        self._url = b""
        self._headers_done = False
        self._head_bytes = max(self._head_bytes, 1)
        if self._active is None and not self._blocked:
            self.deadline = perf_counter() + self._gateway.settings.head_timeout_seconds

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headers_done:
            return  # a trailer: dropped, never merged into the head (RFC 9110 section 6.5.1)
        if len(self._headers) <= MAX_HEADERS:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._replaying:
            self._replaying = False
            return
        self._headers_done = True
        self._made = None
        self._messages += 1
        if self._discarding or self._refusal is not None:
            return
        parser, gateway = self._parser, self._gateway
        if self._head_bytes > MAX_HEAD_BYTES and self._measured() > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE_HEAD)
            return
        self._head_bytes = self._body_bytes = 0
        method = parser.get_method()
        version = parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(Refusal(405, "method-not-allowed", "CONNECT is for forward proxies"))
            return
        if method == b"OPTIONS" and self._url == b"*":
            self._refuse(Refusal(200, "", ""))
            return
        if version != "1.1" and version != "1.0":
            self._refuse(Refusal(505, "malformed", "HTTP/1.1 is spoken here"))
            return
        head = gateway.heads.read(self._headers, version)
        if isinstance(head, Refusal):
            self._refuse(head)
            return
        keep_alive = head.h2c or parser.should_keep_alive()
        call = gateway.call(self, method, self._url, head, version == "1.0", keep_alive)
        if isinstance(call, Refusal):
            self._refuse(call)
            return
        if head.h2c and (head.chunked or head.content_length > 0):
            framing = b"Transfer-Encoding: chunked" if head.chunked else b"Content-Length: %d" % head.content_length
            self._replay = b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n"
        self._made = head
        self._receiving = call
        if self._active is None and not self._blocked:
            self._active = call
            self.deadline = 0.0
            call.begin()
        else:
            self._queue.append(call)
            self._pause(_PIPELINE)

    def _measured(self) -> int:
        """The size of the head just read; the bytes counted may belong to requests before it."""
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    def on_body(self, data: bytes) -> None:
        if not self._discarding and self._receiving is not None:
            self._receiving.body(data)

    def on_message_complete(self) -> None:
        if self._replay:
            return
        self._open = False
        call, self._receiving = self._receiving, None
        self._head_bytes = 0
        if call is not None and not self._discarding:
            if not self._blocked:
                self.deadline = 0.0
            call.body_end()

    # -- what a call asks

    def write(self, data: bytes) -> None:
        """Bytes for the caller."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_upload(self) -> None:
        """The model server is slower than the caller."""
        self._pause(_UPLOAD)

    def resume_upload(self) -> None:
        """It has caught up."""
        self._resume(_UPLOAD)

    def call_ended(self, *, keep: bool) -> None:
        """The active call is answered (or gone): close, or take the next one."""
        if self._active is None:  # taken off already: its request turned out to be broken
            return
        unread = self._receiving is not None and self._receiving is self._active
        self._active = None
        if self._transport is None or self._transport.is_closing():
            return
        self._resume(_UPLOAD)
        if not keep:
            self._end(unread=unread or self._receiving is not None)
            return
        if not self._blocked:  # else: when the caller has read what it was sent
            self._go_on()

    def _go_on(self) -> None:
        if self._queue:
            self._advance()
        elif self._refusal is not None:
            self._say_refusal()
        else:
            if self._paused:
                self._resume(_PIPELINE)
            self.deadline = perf_counter() + self._gateway.settings.keepalive_timeout_seconds

    def _advance(self) -> None:
        """A loop, not a recursion: a caller may pipeline thousands of requests that are refused on the spot."""
        if self._advancing:
            return
        self._advancing = True
        while self._queue and self._active is None and not self._blocked and not self._discarding:
            self._active = self._queue.popleft()
            self._active.begin()
        self._advancing = False
        if self._queue or self._discarding:
            return
        if self._active is None and self._refusal is not None:
            self._say_refusal()
        elif self._active is None or self._active is self._receiving:  # whose body may be waiting to be read
            self._resume(_PIPELINE)

    # -- ends

    def close_if_idle(self) -> None:
        """Draining: a connection without a call has nothing to wait for."""
        reading = self._receiving is not None or (self._head_bytes and not self._headers_done)
        if self._active is None and not reading and not self._discarding and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection: what was sent so far must not look complete."""
        self._discarding = True
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """A deadline of the caller's side has passed."""
        self.deadline = 0.0
        if self._discarding or self._blocked or self._active is not None:
            self.abort()
        elif self._head_bytes and not self._headers_done:
            self._refuse(Refusal(408, "timeout", "the request's head did not arrive in time"))
        elif self._transport is not None:
            self._transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer and close; calls before this one are answered first."""
        if self._discarding:
            return
        receiving, self._receiving = self._receiving, None
        self._refusal = refusal
        if receiving is not None and receiving is self._active:
            # the body of the call in hand is broken: the model must never see it as complete
            self._active = None
            self._queue.clear()
            receiving.client_gone()
        elif receiving is not None and receiving in self._queue:
            self._queue.remove(receiving)
        if self._active is None and not self._queue:
            self._say_refusal()
        else:
            self._pause(_PIPELINE)

    def _say_refusal(self) -> None:
        refusal, gateway = self._refusal, self._gateway
        assert refusal is not None
        if refusal.status == 200:
            head = b"HTTP/1.1 200 OK\r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\nContent-Length: 0\r\n"
            self.write(head + b"Connection: close\r\n\r\n")
        else:
            gateway.counts.problem(refusal.kind)
            request_id = gateway.ids.prediction_id(gateway.wall_ns())
            problem = Problem(refusal.status, refusal.kind, "Request refused", refusal.detail, request_id=request_id)
            content_type, body = respond.render(problem, "", b"")
            self.write(
                b"%bContent-Type: %b\r\nContent-Length: %d\r\nx-request-id: %b\r\nConnection: close\r\n\r\n%b"
                % (respond.status_line(refusal.status), content_type, len(body), request_id.encode(), body)
            )
        self._end(unread=True)

    def _end(self, *, unread: bool) -> None:
        """Close after the answer. With input unread, close the sending side first and read on for a while.

        Closing at once would make the kernel send RST, which can destroy the answer on its way (RFC 9112 section 9.6).
        """
        self._discarding = True
        self._queue.clear()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if unread and transport.can_write_eof():
            self._paused = 0
            transport.write_eof()
            transport.resume_reading()
            self.deadline = perf_counter() + self._gateway.settings.linger_seconds
        else:
            transport.close()

    def _pause(self, why: int) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= why

    def _resume(self, why: int) -> None:
        if self._paused & why:
            self._paused &= ~why
            if not self._paused and self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
