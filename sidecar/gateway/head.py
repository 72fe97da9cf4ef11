"""The head of a request: framing decided once, hop-by-hop fields left behind, the rest kept byte for byte.

Pure. RFC 9112 sections 6 and 7, RFC 9110 section 7.6.1. llhttp (strict) has refused what it refuses; these are the
rules it leaves to the server: Host, length twice, transfer codings, look-alike names, Expect, Upgrade.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final, NamedTuple

from ..wire import HeaderLookup

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 200

Headers = list[tuple[bytes, bytes]]


class Refusal(NamedTuple):
    """A head that is not answered by the model: the status and a sentence that says how to mend it."""

    status: int
    kind: str
    detail: str


class _Field(IntEnum):
    OTHER = 0
    RECORDED = 1
    HOST = 2
    CONTENT_LENGTH = 3
    TRANSFER_ENCODING = 4
    CONNECTION = 5
    HOP = 6
    UPGRADE = 7
    EXPECT = 8
    CONTENT_TYPE = 9
    CONTENT_ENCODING = 10
    TRACEPARENT = 11
    TRACESTATE = 12
    REQUEST_ID = 13
    VIA = 14
    ACCEPT = 15
    LOOKALIKE = 16
    CALLER = 17
    BINARY = 18


_FIELDS: Final = {
    b"host": _Field.HOST,
    b"content-length": _Field.CONTENT_LENGTH,
    b"transfer-encoding": _Field.TRANSFER_ENCODING,
    b"connection": _Field.CONNECTION,
    b"keep-alive": _Field.HOP,
    b"proxy-connection": _Field.HOP,
    b"proxy-authorization": _Field.HOP,
    b"trailer": _Field.HOP,
    b"http2-settings": _Field.HOP,
    b"te": _Field.HOP,
    b"upgrade": _Field.UPGRADE,
    b"expect": _Field.EXPECT,
    b"content-type": _Field.CONTENT_TYPE,
    b"content-encoding": _Field.CONTENT_ENCODING,
    b"traceparent": _Field.TRACEPARENT,
    b"tracestate": _Field.TRACESTATE,
    b"x-request-id": _Field.REQUEST_ID,
    b"via": _Field.VIA,
    b"accept": _Field.ACCEPT,
    b"inference-header-content-length": _Field.BINARY,
    b"user-agent": _Field.RECORDED,
}
# Names that a CGI-style server folds into the real ones: a second spelling of the framing or of the host
_LOOKALIKES: Final = frozenset({"content-length", "transfer-encoding", "host", "connection", "expect", "upgrade"})
# End-to-end fields that `Connection` must not be able to remove (RFC 9110 section 7.6.1, last paragraphs)
_NEVER_NOMINATED: Final = frozenset(
    {b"authorization", b"cookie", b"content-type", b"content-encoding", b"host", b"content-length", b"x-request-id",
     b"traceparent", b"tracestate", b"via"}
)  # fmt: skip
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\])(?::[0-9]{1,5})?"
)
_ID: Final = re.compile(rb"[\x21-\x7e]{1,128}")
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([^\s\"';,]*)")
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", ""})


class Head:
    """What the gateway needs of a request's head. `lines` are the header lines to forward, in order, each with CRLF."""

    host: bytes = b""
    content_length: int = -1
    chunked: bool = False
    expects_continue: bool = False
    content_type: str = ""
    content_encoding: str = ""
    accept: bytes = b""
    request_id: str = ""  # "" also for one that we cannot use
    has_request_id: bool = False
    via: bytes = b""
    caller: str = ""
    h2c: bool = False
    unread: str = ""  # why the body may mean something else than the UTF-8 JSON that it looks like

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.length_line = -1  # index in `lines` of the Content-Length line
        self.traceparents: list[bytes] = []
        self.tracestates: list[bytes] = []
        self.recorded: list[tuple[str, str]] = []


def folded(name: bytes) -> bytes:
    """A header's name as servers of the CGI kind read it: without case, `_` for `-` (RFC 3875 section 4.1.18)."""
    return name.lower().replace(b"_", b"-")


def header_lookup(head: Head) -> HeaderLookup:
    """Request headers by name, for features that live in headers; None where sent twice.

    `x_region` is `x-region`, as in `folded`.
    """
    found: dict[str, str | None] = {}
    for line in head.lines:
        name, _, value = line.partition(b":")
        key = folded(name).decode("latin-1")
        found[key] = None if key in found else value.strip().decode("latin-1")
    return lambda name: found.get(name.lower().replace("_", "-"))


class HeadReader:
    """Reads heads for one gateway. `caller_header` and `recorded` are lower-case names."""

    def __init__(self, *, caller_header: str = "x-caller", recorded: frozenset[str] = frozenset()) -> None:
        self._fields: dict[bytes, _Field] = dict(_FIELDS)
        for name in recorded:
            self._fields.setdefault(name.encode(), _Field.RECORDED)
        self._fields[caller_header.lower().encode()] = _Field.CALLER
        self._seen: dict[bytes, _Field] = dict(self._fields)

    def _field(self, name: bytes) -> _Field:
        lower = name.lower()
        field = self._fields.get(lower, _Field.OTHER)
        if b"_" in lower and lower.replace(b"_", b"-").decode("latin-1") in _LOOKALIKES:
            field = _Field.LOOKALIKE
        if len(self._seen) < 4096:
            self._seen[name] = field
        return field

    def read(self, headers: Headers, version: str) -> Head | Refusal:
        """`headers` as parsed, in order; `version` is "1.0" or "1.1"."""
        if len(headers) > MAX_HEADERS:
            return Refusal(431, "headers-too-large", f"more than {MAX_HEADERS} header fields")
        head = Head()
        lines = head.lines
        seen = self._seen
        hosts = 0
        nominated: list[bytes] = []
        for name, value in headers:
            field = seen.get(name)
            if field is None:
                field = self._field(name)
            if field is _Field.OTHER:
                lines.append(name + b": " + value + b"\r\n")
            elif field is _Field.HOST:
                hosts += 1
                head.host = value
                lines.append(name + b": " + value + b"\r\n")
            elif field is _Field.CONTENT_LENGTH:
                if head.content_length >= 0:
                    return Refusal(400, "malformed", "Content-Length is stated twice; send it once")
                if not value.isdigit():
                    value = value.rstrip(b" \t")  # llhttp leaves trailing OWS (RFC 9112 section 5) in place
                if not value.isdigit() or len(value) > 18:
                    return Refusal(400, "malformed", "Content-Length must be a plain decimal number")
                head.content_length = int(value)
                head.length_line = len(lines)
                lines.append(name + b": " + value + b"\r\n")
            elif field is _Field.CONTENT_TYPE:
                head.content_type = value.decode("latin-1").lower()
                if head.content_type != "application/json":
                    head.unread = head.unread or unread_as(head.content_type)
                head.recorded.append(("content-type", head.content_type[:256]))
                lines.append(name + b": " + value + b"\r\n")
            elif field is _Field.CONNECTION:
                nominated += [token.strip().lower() for token in value.split(b",")]
            elif field is not _Field.HOP:
                refusal = self._rare(field, name, value, head, version)
                if refusal is not None:
                    return refusal
        if hosts != 1 and (version == "1.1" or hosts):
            return Refusal(400, "malformed", "an HTTP/1.1 request has exactly one Host header (RFC 9112 section 3.2)")
        if hosts and not _HOST.fullmatch(head.host):
            head.host = head.host.rstrip(b" \t")
        if hosts and not _HOST.fullmatch(head.host):
            return Refusal(400, "malformed", "the Host header is not `host` or `host:port`")
        if head.chunked and (version != "1.1" or head.content_length >= 0):
            return Refusal(400, "malformed", "Transfer-Encoding goes with HTTP/1.1 and without Content-Length")
        if nominated and nominated != [b"keep-alive"] and nominated != [b"close"]:
            _strip(head, nominated)
        return head

    def _rare(self, field: _Field, name: bytes, value: bytes, head: Head, version: str) -> Refusal | None:
        line = name + b": " + value + b"\r\n"
        value = value.rstrip(b" \t")
        if field is _Field.TRANSFER_ENCODING:
            if head.chunked or value.lower() != b"chunked":
                return Refusal(501, "malformed", "the only transfer coding taken is one `chunked`")
            head.chunked = True
        elif field is _Field.EXPECT:
            if value.lower() != b"100-continue":
                return Refusal(417, "malformed", "the only expectation known is `100-continue`")
            head.expects_continue = version == "1.1"  # RFC 9110 section 10.1.1: an HTTP/1.0 caller cannot mean it
        elif field is _Field.UPGRADE:
            if value.lower() != b"h2c":  # RFC 9110 section 7.8: h2c may be ignored, and HTTP/1.1 goes on
                return Refusal(501, "upgrade", "protocol upgrades are not supported here; use HTTP/1.1")
            head.h2c = True
        elif field is _Field.LOOKALIKE:
            return Refusal(400, "malformed", "a header name with `_` that some servers read as a framing header")
        elif field is _Field.CONTENT_ENCODING:
            coding = value.decode("latin-1").strip().lower()
            head.content_encoding = f"{head.content_encoding}, {coding}" if head.content_encoding else coding
            head.recorded.append(("content-encoding", coding[:256]))
            head.lines.append(line)
        elif field is _Field.BINARY:
            # Triton's binary tensor extension: how much of the body is JSON, and 0 means none of it
            head.unread = "tensors outside the JSON are not looked into; send them as JSON"
            head.lines.append(line)
        elif field is _Field.TRACEPARENT:
            head.traceparents.append(value)
        elif field is _Field.TRACESTATE:
            head.tracestates.append(line)
        elif field is _Field.REQUEST_ID:
            head.has_request_id = True
            if not head.request_id and _ID.fullmatch(value):
                head.request_id = value.decode()
            head.lines.append(line)
        elif field is _Field.VIA:
            head.via = head.via + b", " + value if head.via else value
            head.lines.append(line)
        elif field is _Field.ACCEPT:
            head.accept = head.accept + b"," + value if head.accept else value
            head.lines.append(line)
        elif field is _Field.CALLER:
            head.caller = value[:128].decode("latin-1")
            head.lines.append(line)
        else:  # RECORDED
            head.recorded.append((name.decode("latin-1").lower(), value[:256].decode("latin-1")))
            head.lines.append(line)
        return None


def unread_as(content_type: str) -> str:
    """Why a body with this (lower-case) label must not be read as UTF-8 JSON, or "" where it may; bytes can be both.

    Most labels are noise (`curl -d` says it sends a form), so only those that make a server read other values count.
    """
    if "charset" in content_type:
        named = _CHARSET.findall(content_type)
        # RFC 2231 has more ways to name one (`charset*0=`): what is not understood is not read
        if len(named) != content_type.count("charset") or not _UTF8.issuperset(named):
            return "the label names a charset that is not UTF-8; send UTF-8"
    if content_type.lstrip().startswith("multipart/"):
        return "multipart bodies are not looked into; send JSON"
    if "cloudevents" in content_type:
        return "events in structured mode are not looked into; send the data as the body"
    return ""


def received_by(via: bytes) -> set[bytes]:
    """The names in a Via field: `1.1 name (comment), …` (RFC 9110 section 7.6.3)."""
    return {words[1] for entry in via.split(b",") if len(words := entry.split()) > 1}


def _strip(head: Head, nominated: list[bytes]) -> None:
    names = {name for name in nominated if name and name not in _NEVER_NOMINATED}
    kept = [line for line in head.lines if line.partition(b":")[0].lower() not in names]
    if len(kept) != len(head.lines):
        head.lines = kept
        head.length_line = next(
            (index for index, line in enumerate(kept) if line[:15].lower() == b"content-length:"), -1
        )
