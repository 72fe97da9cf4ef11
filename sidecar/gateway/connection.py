"""One connection of a caller: one parser for its whole life, one call at a time, in order.

Events of httptools come in; calls are made and fed. What cannot be parsed, or could be parsed in two ways, is answered
once and closed: nothing after it is looked at.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools

from .head import MAX_HEAD_BYTES, MAX_HEADERS, Head, Refusal
from .turns import PIPELINE, Turns

if TYPE_CHECKING:
    from .call import Call
    from .gateway import Gateway

_MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
_MAX_MISSES: Final = 8
_TOO_LARGE_HEAD: Final = Refusal(431, "headers-too-large", f"a head may have {MAX_HEAD_BYTES} bytes")


class KnownHead(NamedTuple):
    """The last head of a connection whose request came whole in one read: `size` bytes with its body."""

    head_bytes: bytes
    size: int
    method: bytes
    url: bytes
    head: Head
    http10: bool


class Connection(Turns):
    """The data port's protocol."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._parser = httptools.HttpRequestParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._url = b""
        self._headers_done = False
        self._head_bytes = 0  # of a head, or since the body last grew
        self._body_bytes = 0
        self._open = False  # the parser stands inside a message
        self._messages = 0  # heads in this read
        self._made: Head | None = None  # the last head read
        self._known: KnownHead | None = None
        self._misses = 0
        self._replay = b""  # a head to begin again with, because the body behind an offer of h2c is still to come
        self._replaying = False

    def reading_head(self) -> bool:
        return self._head_bytes > 0 and not self._headers_done

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
            self._pause(PIPELINE)

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
