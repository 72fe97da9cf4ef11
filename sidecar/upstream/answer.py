"""The head of an answer, read once: framing, what to forward, what to look at.

Pure (RFC 9112 section 6, RFC 9110 section 7.6.1).
Hop-by-hop fields stay behind, also those that `Connection` nominates; everything else is kept byte for byte.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class _Field(IntEnum):
    OTHER = 0
    CONTENT_LENGTH = 1
    TRANSFER_ENCODING = 2
    CONNECTION = 3
    DROPPED = 4
    CONTENT_TYPE = 5
    CONTENT_ENCODING = 6
    OURS = 7


_FIELDS: Final = {
    b"content-length": _Field.CONTENT_LENGTH,
    b"transfer-encoding": _Field.TRANSFER_ENCODING,
    b"connection": _Field.CONNECTION,
    b"keep-alive": _Field.DROPPED,
    b"proxy-connection": _Field.DROPPED,
    b"proxy-authenticate": _Field.DROPPED,
    b"te": _Field.DROPPED,
    b"trailer": _Field.DROPPED,
    b"upgrade": _Field.DROPPED,
    b"content-type": _Field.CONTENT_TYPE,
    b"content-encoding": _Field.CONTENT_ENCODING,
}
_STREAMS: Final = (b"text/event-stream", b"application/x-ndjson")
# End-to-end fields that `Connection` must not be able to remove (RFC 9110 section 7.6.1)
_NEVER_NOMINATED: Final = frozenset({b"content-type", b"content-encoding", b"set-cookie", b"www-authenticate", b"date"})
_MAX_NAMES: Final = 4096


class AnswerHead:
    """`lines` are the header lines to forward, each with CRLF, without Content-Length (`length`, -1 = unstated)."""

    __slots__ = ("chunked", "coding", "length", "lines", "ours", "reason", "status", "streams")

    def __init__(self, status: int, reason: bytes) -> None:
        self.status = status
        self.reason = reason
        self.lines: list[bytes] = []
        self.length = -1
        self.chunked = False
        self.coding = ""
        self.ours = False  # some line has a name that the gateway may say itself
        self.streams = False  # an event stream: its end may be far away, and every piece counts when it comes


class AnswerReader:
    """Reads heads; `ours` are lower-case names that the gateway may say itself."""

    def __init__(self, ours: frozenset[bytes] = frozenset()) -> None:
        self._fields = {**_FIELDS, **dict.fromkeys(ours, _Field.OURS)}
        self._seen: dict[bytes, _Field] = dict(self._fields)

    def _field(self, name: bytes) -> _Field:
        field = self._fields.get(name.lower(), _Field.OTHER)
        if len(self._seen) < _MAX_NAMES:
            self._seen[name] = field
        return field

    def read(self, status: int, reason: bytes, headers: list[tuple[bytes, bytes]]) -> AnswerHead | str:
        """The head, or a sentence that says why its framing cannot be trusted."""
        head = AnswerHead(status, reason)
        lines, seen = head.lines, self._seen
        nominated: list[bytes] = []
        for name, value in headers:
            field = seen.get(name)
            if field is None:
                field = self._field(name)
            if field is _Field.OTHER:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif field is _Field.CONTENT_TYPE:
                lines.append(b"%b: %b\r\n" % (name, value))
                head.streams = value.lower().startswith(_STREAMS)
            elif field is _Field.CONTENT_LENGTH:
                if head.length >= 0 or not value.isdigit() or len(value) > 18:
                    return "the answer's length is stated twice or is not a number"
                head.length = int(value)
            elif field is _Field.CONNECTION:
                nominated += [token.strip().lower() for token in value.split(b",")]
            elif field is _Field.TRANSFER_ENCODING:
                if head.chunked or value.strip().lower() != b"chunked":
                    return "the answer's transfer coding is not one `chunked`"
                head.chunked = True
            elif field is _Field.CONTENT_ENCODING:
                head.coding = value.decode("latin-1").strip().lower()
                lines.append(b"%b: %b\r\n" % (name, value))
            elif field is _Field.OURS:
                head.ours = True
                lines.append(b"%b: %b\r\n" % (name, value))
        if head.chunked and head.length >= 0:
            return "the answer has both Content-Length and Transfer-Encoding"
        if nominated and nominated != [b"keep-alive"] and nominated != [b"close"]:
            dropped = set(nominated) - _NEVER_NOMINATED
            head.lines = [line for line in lines if line.partition(b":")[0].lower() not in dropped]
        return head
