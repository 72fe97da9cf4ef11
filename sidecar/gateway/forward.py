"""Heads that go on: the request's for the model server, the answer's lines for the caller (RFC 9110 section 7.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .head import folded

if TYPE_CHECKING:
    from .call import Call

_DIGESTS: Final = frozenset({b"content-digest", b"content-md5", b"digest", b"repr-digest"})


def upstream_head(call: Call, length: int) -> bytes:
    """The request's head for the model server; `length` ≥ 0 states a Content-Length of our own."""
    head = call.head
    lines = head.lines
    guard = call.line.guard
    if length >= 0 and length != head.content_length:
        lines = list(lines)
        line = b"Content-Length: %d\r\n" % length
        if head.length_line >= 0:
            lines[head.length_line] = line
        else:
            lines.append(line)
    if guard is not None and guard.stripped_headers:  # slice_only: never for the model, in any mode
        lines = [line for line in lines if folded(line.partition(b":")[0]) not in guard.stripped_headers]
    if call.request_edits:
        lines = without_digests(lines)
    extra = b""
    if not head.host:  # HTTP/1.0
        address = call.line.pool.address
        extra = b"Host: %b\r\n" % (f"{address.host}:{address.port}".encode() if address.host else b"localhost")
    if length < 0 and head.chunked:
        extra += b"Transfer-Encoding: chunked\r\n"
    if call.trace.continued:
        extra += b"".join(head.tracestates)
    if not head.has_request_id:
        extra += b"x-request-id: %b\r\n" % call.request_id.encode()
    return b"%b %b HTTP/1.1\r\n%b%btraceparent: %b\r\n%b\r\n" % (
        call.method,
        call.line.target.send,
        b"".join(lines),
        extra,
        call.trace.traceparent,
        call.gateway.via_line,
    )


def stated_version(lines: list[bytes]) -> str:
    """The model's version as a header of the answer states it, where its body does not; "" for none, or two."""
    found = [line for line in lines if folded(line.partition(b":")[0]) == b"x-model-version"]
    return found[0].partition(b":")[2].strip().decode("latin-1")[:200] if len(found) == 1 else ""


def without(lines: list[bytes], stamps: bytes) -> list[bytes]:
    """The server's lines without the names that we state ourselves; Server-Timing is a list and both go on."""
    names = {line.partition(b":")[0] for line in stamps.splitlines()} - {b"server-timing"}
    return [line for line in lines if line.partition(b":")[0].lower() not in names]


def without_digests(lines: list[bytes]) -> list[bytes]:
    """The lines of a body that was edited: digests of the one that was received would be wrong (RFC 9530)."""
    return [line for line in lines if folded(line.partition(b":")[0]) not in _DIGESTS]
