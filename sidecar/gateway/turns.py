"""Whose turn it is: the calls of one connection in order, and every way the connection can end.

What reads requests (`connection.Connection`) stands on this; nothing here knows how a request is parsed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from ..problem import Problem
from . import respond
from .head import Refusal

if TYPE_CHECKING:
    from .call import Call
    from .gateway import Gateway

UPLOAD: Final = 1  # why reading is paused: the model server is slower than the caller
PIPELINE: Final = 2  # … or the caller asks faster than it is answered
_ALLOW: Final = b"Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"


class Turns(asyncio.Protocol):
    """One call at a time; pipelined ones wait; a refusal is said once the calls before it are answered."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._transport: asyncio.Transport | None = None
        self._receiving: Call | None = None  # whose body is coming in
        self._active: Call | None = None  # whose turn it is
        self._queue: deque[Call] = deque()
        self._refusal: Refusal | None = None
        self._blocked = False  # the caller does not read what it is sent
        self._paused = 0
        self._advancing = False
        self._discarding = False
        self._discarded = 0
        self.deadline = 0.0
        self.peer = ""

    def reading_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        raise AssertionError("said by the connection that reads")

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

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._discarding = True
        self._gateway.connections.discard(self)
        self.deadline = 0.0
        waiting = list(self._queue)
        self._queue.clear()
        if self._active is not None:
            self._active.client_gone()
        for call in waiting:
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

    # -- what a call asks

    def write(self, data: bytes) -> None:
        """Bytes for the caller."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_upload(self) -> None:
        """The model server is slower than the caller."""
        self._pause(UPLOAD)

    def resume_upload(self) -> None:
        """It has caught up."""
        self._resume(UPLOAD)

    def call_ended(self, *, keep: bool) -> None:
        """The active call is answered (or gone): close, or take the next one."""
        if self._active is None:  # taken off already: its request turned out to be broken
            return
        unread = self._receiving is not None and self._receiving is self._active
        self._active = None
        if self._transport is None or self._transport.is_closing():
            return
        self._resume(UPLOAD)
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
                self._resume(PIPELINE)
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
            self._resume(PIPELINE)

    # -- ends

    def close_if_idle(self) -> None:
        """Draining: a connection without a call has nothing to wait for."""
        reading = self._receiving is not None or self.reading_head()
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
        elif self.reading_head():
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
            self._drop_queue()
            receiving.client_gone()
        elif receiving is not None and receiving in self._queue:
            self._queue.remove(receiving)
            receiving.drop()
        if self._active is None and not self._queue:
            self._say_refusal()
        else:
            self._pause(PIPELINE)

    def _say_refusal(self) -> None:
        refusal, gateway = self._refusal, self._gateway
        assert refusal is not None
        if refusal.status == 200:
            self.write(b"HTTP/1.1 200 OK\r\n" + _ALLOW + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            gateway.counts.problem(refusal.kind)
            request_id = gateway.ids.prediction_id(gateway.wall_ns())
            problem = Problem(refusal.status, refusal.kind, "Request refused", refusal.detail, request_id=request_id)
            content_type, body = respond.render(problem, "", b"")
            self.write(
                b"%b%bContent-Type: %b\r\nContent-Length: %d\r\nx-request-id: %b\r\nConnection: close\r\n\r\n%b"
                % (
                    respond.status_line(refusal.status),
                    _ALLOW if refusal.status == 405 else b"",  # RFC 9110 section 15.5.6
                    content_type,
                    len(body),
                    request_id.encode(),
                    body,
                )
            )
        self._end(unread=True)

    def _end(self, *, unread: bool) -> None:
        """Close after the answer. With input unread, close the sending side first and read on for a while.

        Closing at once would make the kernel send RST, which can destroy the answer on its way (RFC 9112 section 9.6).
        """
        self._discarding = True
        self._drop_queue()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if unread and transport.can_write_eof():
            self._paused = 0
            try:
                transport.write_eof()
            except OSError:  # the caller has cut it before
                transport.abort()
                return
            transport.resume_reading()
            self.deadline = perf_counter() + self._gateway.settings.linger_seconds
        else:
            transport.close()

    def _drop_queue(self) -> None:
        while self._queue:
            self._queue.popleft().drop()

    def _pause(self, why: int) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= why

    def _resume(self, why: int) -> None:
        if self._paused & why:
            self._paused &= ~why
            if not self._paused and self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
