"""One connection to the model server, for its whole life: one request at a time, each sent once.

In: bytes of a request and a `Consumer`. Out: calls on that consumer. A leg never retries, never re-frames what it
sends, and is closed rather than reused whenever the end of an answer is in the least doubt.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from ..errors import UpstreamFault
from .answer import AnswerHead

if TYPE_CHECKING:
    from .pool import Pool

MAX_ANSWER_HEAD_BYTES = 128 * 1024
_MAX_MISSES = 8


class Consumer(Protocol):
    """Who asked. Every send ends in exactly one `reply_end` or `reply_failed`, unless the consumer abandons the leg."""

    def leg_ready(self, leg: Leg) -> None:
        """A connection is there: send now."""
        ...

    def reply_head(self, head: AnswerHead) -> None: ...

    def reply_body(self, data: bytes) -> None: ...

    def reply_end(self) -> None: ...

    def reply_flush(self) -> None:
        """One read from the socket has been delivered."""
        ...

    def reply_failed(self, fault: UpstreamFault, message: str) -> None: ...

    def upload_paused(self, paused: bool) -> None:
        """The socket's write buffer is full (or drained): hold (or go on) with the request body."""
        ...


class Leg(asyncio.Protocol):
    """httptools events in, consumer calls out."""

    __slots__ = (
        "_answer",
        "_bodyless",
        "_close_after",
        "_consumer",
        "_dirty",
        "_done",
        "_framed",
        "_head_bytes",
        "_head_done",
        "_headers",
        "_held",
        "_ignored",
        "_known",
        "_lost",
        "_mid",
        "_misses",
        "_parser",
        "_poll",
        "_pool",
        "_reason",
        "_renew",
        "_request_open",
        "_transport",
        "exchanges",
        "full",
        "idle_since",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._consumer: Consumer | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._poll: Callable[[int], list[tuple[int, int]]] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._reason = b""
        self._head_done = self._framed = False
        self._close_after = self._ignored = self._renew = self._lost = False
        self._bodyless = self._request_open = False
        self._done = self._dirty = False
        self._mid = False  # the parser stands inside an answer
        self._answer: AnswerHead | None = None
        self._known: tuple[bytes, int, AnswerHead] | None = None
        self._misses = 0
        self._head_bytes = 0
        self._held: list[bytes] = []  # of the upload
        self.full = False  # much of the upload is not sent yet
        self.exchanges = 0
        self.idle_since = 0.0

    # -- asking

    def alive(self) -> bool:
        """False when the server has closed (or spoken out of turn) since the last answer.

        The event loop may not have seen the FIN yet, so the socket itself is asked: a request written into a closed
        keep-alive connection could never be re-sent safely (RFC 9110 section 9.2.2).
        """
        if self._lost or self._transport is None or self._transport.is_closing():
            return False
        return self._poll is None or not self._poll(0)

    def send(self, data: bytes, consumer: Consumer, *, head_only: bool, complete: bool) -> None:
        """Write a request's head (and body). `complete` = nothing follows; `head_only` = the method was HEAD."""
        assert self._transport is not None
        self._consumer = consumer
        self._bodyless = head_only
        self._request_open = not complete
        self.exchanges += 1
        self._transport.write(data)

    def write(self, data: bytes) -> None:
        """More of the request body.

        A server that speaks before it has heard all is heard first: it may have answered and closed, and a failing
        write would take its answer with it.
        """
        transport = self._transport
        if transport is None or self._lost:
            return
        if not self._held and not (self._poll is not None and self._poll(0) and transport.is_reading()):
            transport.write(data)
            return
        if not self._held:  # two turns: what is there now is read within the first
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._write_held)
        self._held.append(data)

    def _write_held(self) -> None:
        held, self._held = self._held, []
        if self._consumer is not None and self._transport is not None and not self._lost:
            self._transport.write(b"".join(held))

    def end_upload(self) -> None:
        """The request body is complete."""
        self._request_open = False

    def pause_reading(self) -> None:
        """Stop reading: the caller is slower than the model."""
        if self._transport is not None and not self._lost:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._lost:
            self._transport.resume_reading()

    def abandon(self) -> None:
        """The consumer is gone or has enough: close at once; nothing more is delivered."""
        self._consumer = None
        self.close()

    def close(self) -> None:
        """Drop the connection without waiting for unsent bytes."""
        if self._transport is not None and not self._lost:
            self._transport.abort()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        descriptor = transport.get_extra_info("socket")
        if descriptor is not None:
            poller = select.poll()
            poller.register(descriptor.fileno(), select.POLLIN | select.POLLRDHUP)
            self._poll = poller.poll

    def data_received(self, data: bytes) -> None:
        consumer = self._consumer
        if consumer is None:  # bytes nobody asked for: the framing of this connection cannot be trusted any more
            self.close()
            return
        between = not self._mid
        if between and self._known is not None:
            head_bytes, size, answer = self._known
            whole = len(data) == size and data.startswith(head_bytes)
            if whole and not (self._bodyless or self._request_open):
                self._misses = 0
                consumer.reply_head(answer)
                if answer.length:
                    consumer.reply_body(data[len(head_bytes) :])
                if self._consumer is consumer:
                    self._end(consumer)
                return
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(UpstreamFault.BAD_ANSWER, "the model server switched protocols, which nobody asked for")
        except httptools.HttpParserError as error:
            if self._done:
                self._dirty = True
            else:
                self._fail(UpstreamFault.BAD_ANSWER, f"the model server's answer is not valid HTTP/1.1: {error}")
        if self._done:
            if between and self._misses < _MAX_MISSES:
                self._learn(data)
            self._end(consumer)
            return
        if not self._head_done and self._head_bytes > MAX_ANSWER_HEAD_BYTES:
            self._fail(UpstreamFault.BAD_ANSWER, f"the answer's head is larger than {MAX_ANSWER_HEAD_BYTES} bytes")
        if self._consumer is consumer:
            consumer.reply_flush()

    def _learn(self, data: bytes) -> None:
        """Remember the head of an answer that came whole in one read: byte for byte the same means the same."""
        self._misses += 1
        answer = self._answer
        if answer is None or answer.length < 0 or self._close_after or self._dirty or self._renew:
            return
        size = len(data) - answer.length
        if data.find(b"\r\n\r\n") == size - 4:
            self._known = (data[:size], len(data), answer)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._poll = None
        self._pool.forget(self)
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        if self._head_done and not self._framed and exc is None:
            consumer.reply_end()  # RFC 9112 section 6.3 rule 8: the close is the end of the body
        elif self._head_done:
            consumer.reply_failed(UpstreamFault.TRUNCATED, "the model server closed in the middle of its answer")
        else:
            consumer.reply_failed(UpstreamFault.RESET, "the model server closed without an answer")

    def pause_writing(self) -> None:
        self.full = True
        if self._consumer is not None:
            self._consumer.upload_paused(True)

    def resume_writing(self) -> None:
        self.full = False
        if self._consumer is not None:
            self._consumer.upload_paused(False)

    # -- httptools

    def on_message_begin(self) -> None:
        if self._done:
            self._dirty = True  # a second answer to one question: nothing on this connection can be trusted
            return
        self._mid = True
        self._answer = None
        self._headers = []
        self._reason = b""
        self._head_done = self._framed = self._close_after = self._ignored = False

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # a trailer: never merged into the head (RFC 9110 section 6.5.1)
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._dirty:
            return
        status = self._parser.get_status_code()
        self._head_done = True
        self._head_bytes = 0
        consumer = self._consumer
        if status < 200:  # RFC 9110 section 15.2: interim answers are dropped here; 101 nobody asked for
            self._ignored = True
            self._head_done = False
            if status == 101:
                self._fail(UpstreamFault.BAD_ANSWER, "the model server switched protocols, which nobody asked for")
            return
        head = self._pool.reader.read(status, self._reason, self._headers)
        if isinstance(head, str):
            self._fail(UpstreamFault.BAD_ANSWER, head)
            return
        self._framed = head.length >= 0 or head.chunked
        self._close_after = not self._framed or not self._parser.should_keep_alive()
        if consumer is None:
            return
        self._answer = head
        consumer.reply_head(head)
        bodyless = self._bodyless or status == 204 or status == 304
        if bodyless and self._consumer is consumer:
            # llhttp would wait for the body that Content-Length speaks of: the parser is replaced after this read
            self._close_after = not self._parser.should_keep_alive()
            self._framed = self._renew = self._done = True

    def on_body(self, data: bytes) -> None:
        if self._renew:
            self._dirty = True
        elif self._consumer is not None and not self._done:
            self._consumer.reply_body(data)

    def on_message_complete(self) -> None:
        self._mid = False
        if self._ignored:
            self._ignored = False
        elif self._consumer is not None:
            self._done = True

    # -- ends

    def _end(self, consumer: Consumer) -> None:
        self._consumer = None
        self._head_done = self._done = False
        if self._renew:
            self._renew = self._mid = False
            self._parser = httptools.HttpResponseParser(self)
        if self._request_open or self._held or self.full or self._close_after or self._dirty:
            # an answer before the end of the upload, too: the rest of the body must not be read as a next request
            self.close_when_idle()
        else:
            self._pool.release(self)
        consumer.reply_end()

    def close_when_idle(self) -> None:
        """Close; there is no further use for this connection."""
        self._pool.forget(self)
        self.close()

    def _fail(self, fault: UpstreamFault, message: str) -> None:
        consumer, self._consumer = self._consumer, None
        self._pool.forget(self)
        self.close()
        if consumer is not None:
            consumer.reply_failed(fault, message)
