"""Which exchanges can be copied, and the bytes of a copy. Pure.

The candidate gets the body as the primary got it, after the policy's edits. Of the head it gets the request line and
what the record keeps of the headers, which never includes credentials; whatever `headers.drop` names stays behind too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from ...edits import Span, splice
from ...errors import UpstreamFault
from ...exchange import Edit, Exchange
from ...guard import decode_body, encode_body
from ...shadow import Outcome
from ...upstream import Address

MARK: Final = "x-shadow"
MARK_OF: Final = "x-shadow-of"
_METHODS: Final = frozenset({"POST", "GET", "HEAD"})  # inference is asked for by POST; the others change nothing
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_OURS: Final = frozenset({MARK, MARK_OF, "host", "content-length", "transfer-encoding", "connection", "traceparent"})
_UPSTREAM_FAULTS: Final = frozenset(fault.value for fault in UpstreamFault)
_NOT_HELD: Final = frozenset({"too_large", "memory", "answer_too_large"})
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


def is_copy(exchange: Exchange) -> bool:
    """Whether the request was itself a copy: those are never copied again."""
    return any(name == MARK for name, _ in exchange.request_headers)


def refusal(exchange: Exchange, payloads: tuple[bytes, ...]) -> tuple[Outcome, str] | None:
    """Why this exchange cannot be copied and compared, with a word on it; None = it can."""
    if exchange.method not in _METHODS:
        return Outcome.UNSAFE_METHOD, exchange.method
    if not 200 <= exchange.upstream_status < 300:
        return Outcome.PRIMARY_FAILED, exchange.error or f"status_{exchange.upstream_status}"
    if exchange.error in _UPSTREAM_FAULTS:
        return Outcome.PRIMARY_FAILED, exchange.error
    if exchange.streamed:
        return Outcome.STREAMING_SKIPPED, ""
    if exchange.request_digest or exchange.response_digest or exchange.reason in _NOT_HELD:
        return Outcome.TOO_LARGE, "not_kept"
    request, reply = payloads[:2] if len(payloads) > 1 else (b"", b"")
    if exchange.error and not reply:
        return Outcome.PRIMARY_FAILED, exchange.error
    if not reply or (exchange.request_bytes and not request):
        return Outcome.UNCOMPARABLE, "not_kept"
    return None


def coding_of(headers: tuple[tuple[str, str], ...]) -> str:
    """The content coding of a body, as its headers say."""
    return next((value for name, value in headers if name == "content-encoding"), "")


def sent_body(exchange: Exchange, payload: bytes) -> tuple[bytes, bytes]:
    """(the body as the primary got it, the same without its coding). WireError, ValueError: they cannot be made."""
    coding = coding_of(exchange.request_headers)
    plain = decode_body(payload, coding)
    if not exchange.request_edits:
        return payload, plain
    plain = splice(plain, _spans(exchange.request_edits))
    return encode_body(plain, coding), plain


def head_of(
    exchange: Exchange,
    address: Address,
    body: bytes,
    *,
    trace_id: str,
    span_id: str,
    drop: Collection[str],
    fresh: bool = False,
) -> bytes:
    """The request line and headers of a copy, with the empty line. `fresh`: no cache may answer it (RFC 9111 5.2.1)."""
    target = _ABSOLUTE.sub("", exchange.target, count=1)
    if not target.startswith("/"):
        target = "/" + target
    dropped = _CREDENTIALS | _OURS | {name.lower() for name in drop} | ({"cache-control"} if fresh else set())
    lines = [f"{exchange.method} {target} HTTP/1.1", f"Host: {_host(address)}"]
    lines += [f"{name}: {value}" for name, value in exchange.request_headers if name.lower() not in dropped]
    if body or exchange.method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    if fresh:
        lines.append("cache-control: no-store")
    lines.append(f"{MARK}: 1")
    lines.append(f"{MARK_OF}: {exchange.request_id}")
    lines.append(f"traceparent: 00-{trace_id}-{span_id}-{flags_of(exchange):02x}")
    safe = [line for line in lines if not _FORBIDDEN.search(line)]
    return "\r\n".join([*safe, "", ""]).encode("latin-1", "replace")


def flags_of(exchange: Exchange) -> int:
    """Of a copy's own trace: sampled as the call was; 02 = its id is random (W3C Trace Context Level 2)."""
    return exchange.trace_flags & 1 | 2


def lookup(exchange: Exchange) -> Mapping[str, str]:
    """The recorded request headers by lower-case name."""
    return dict(exchange.request_headers)


def _host(address: Address) -> str:
    if address.path:
        return "localhost"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return host if address.port == (443 if address.tls else 80) else f"{host}:{address.port}"


def _spans(edits: tuple[Edit, ...]) -> list[Span]:
    return [Span(edit.start, edit.end, edit.data) for edit in edits]
