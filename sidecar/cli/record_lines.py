"""One record of the journal as a JSON object or as a line for a person.

JSON keeps everything: bytes become `{"base64": …}`, numbers that JSON does not have `{"float": "nan"}`, an object that
only looks like one of these `{"object": …}`; payloads that are UTF-8 stay the text they are. A line for a person
escapes every control byte: a caller's text moves no terminal.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from .. import exchange, timestamps
from ..exchange import Kind
from ..journal.reader import Read

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TIMES: Final = ("started_unix_ns", "received_unix_ns", "published_unix_ns", "at_unix_ns", "to_unix_ns")
_MARKS: Final = {"base64", "float", "object"}
_IDS: Final = ("prediction_id", "request_id", "response_id", "trace_id")


def record_ns(record: msgspec.Struct | None) -> int | None:
    """The wall time a record speaks of."""
    if isinstance(record, exchange.Close):
        return record.exchange.started_unix_ns
    for name in _TIMES:
        value = getattr(record, name, None)
        if isinstance(value, int):
            return value
    return None


def decoded(kind: int, meta: bytes) -> msgspec.Struct | None:
    """The record; None for one this version cannot decode."""
    try:
        return exchange.decode(kind, meta)
    except (KeyError, ValueError, msgspec.MsgspecError):
        return None


def parse_since(text: str, now_unix_ns: int) -> int:
    """`10m` (ago) or RFC 3339 → Unix nanoseconds. ValueError with a sentence otherwise."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_unix_ns - int(float(ago[1]) * _UNIT_SECONDS[ago[2]] * 1e9)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time: write 10m, 2h, 3d, or 2026-03-03T12:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1e6) * 1000


def matches(
    read: Read, kinds: Collection[int] | None, wanted: str | None, since: int | None, until: int | None
) -> bool:
    """Whether a record is asked for. A record without a time passes every time filter."""
    if kinds is not None and read.kind not in kinds:
        return False
    record = read.record.exchange if isinstance(read.record, exchange.Close) else read.record
    if wanted is not None and wanted not in (getattr(record, name, None) for name in _IDS):
        return False
    moment = record_ns(record)
    if moment is None:
        return True
    return (since is None or moment >= since) and (until is None or moment <= until)


def as_plain(read: Read) -> dict[str, Any]:
    """Where the record is, its kind, its own fields, its payloads."""
    plain: dict[str, Any] = {
        "stream": read.stream,
        "number": read.number,
        "kind": kind_name(read.kind),
        "ts": stamp(record_ns(read.record)),
        "replica": read.replica,
        "environment": read.environment,
    }
    if read.record is None:
        plain["meta"] = _plain(read.meta)
    else:
        plain |= _plain(read.record)
    plain["payloads"] = [_payload(payload) for payload in read.payloads]
    return plain


def as_text(read: Read) -> str:
    """One line: time, stream, kind, and what matters of this kind."""
    record = read.record
    words = [stamp(record_ns(record)) or "-", read.stream, kind_name(read.kind)]
    if isinstance(record, exchange.Close):
        record = record.exchange
    match record:
        case exchange.Exchange():
            words += [record.prediction_id, record.method, record.target, str(record.status)]
            words.append(record.verdict or "unjudged")
            words += [f"{v.code}[{v.row}]" for v in record.violations[:3]]
            words += [word for word in (record.reason, record.error) if word]
            words.append(f"{record.total_ns / 1e6:.2f}ms")
        case exchange.Open():
            words += [record.prediction_id, record.method, record.target, str(record.upstream_status)]
        case exchange.Feedback():
            words += [record.prediction_id or record.request_id or record.response_id or record.key]
            words.append(f"label={record.label!r}")
        case exchange.PolicyPublished():
            words += [f"{record.name}@{record.version}", record.digest]
        case exchange.Transition():
            words += [record.what, record.subject, record.detail, f"by {record.actor}"]
        case exchange.Gap():
            words += [f"{record.records} records missing:", record.reason]
        case _:
            words.append(f"{len(read.meta)} bytes")
    return escaped(" ".join(word for word in words if word))


def kind_name(kind: int) -> str:
    try:
        return Kind(kind).name.lower()
    except ValueError:
        return f"kind-{kind}"


def escaped(text: str) -> str:
    """Every character that is not printable as `\\xNN` or `\\uNNNN`, so that one record stays one harmless line."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def stamp(unix_ns: int | None) -> str | None:
    """RFC 3339, UTC, microseconds."""
    return None if unix_ns is None else timestamps.moment(unix_ns)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        plain = {str(name): _plain(item) for name, item in value.items()}
        return {"object": plain} if plain.keys() <= _MARKS and len(plain) == 1 else plain
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _payload(payload: bytes) -> Any:
    try:
        return {"text": payload.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(payload).decode()}
