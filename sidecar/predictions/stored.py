"""A stored call's payloads → what they say, row by row, read by the guard of their day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..edits import Span, splice
from ..errors import WireError
from ..exchange import Exchange, ListedViolation
from ..guard import Guard, decode_body
from ..rows import MISSING, Rows, Value, same_value
from .sliced import sliced

_UNNAMED: Final = "prediction"  # what an answer's values are called where neither policy nor protocol names them


@dataclass(slots=True)
class Told:
    """What the payloads say; lists have one entry a row of the request."""

    rows: int = 1
    features: Sequence[Mapping[str, Value]] = ()
    raw: Sequence[Mapping[str, Value]] = ()
    predictions: Sequence[Mapping[str, Value]] = ()
    delivered: Sequence[Mapping[str, Value] | None] = ()
    changed: frozenset[int] = frozenset()
    sent: Sequence[int] = ()
    unread: str = ""
    fallback: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()
    violations: Mapping[int, Sequence[ListedViolation]] = field(default_factory=dict)
    slices: Sequence[Mapping[str, Value]] = ()


def told_of(exchange: Exchange, payloads: Sequence[bytes], guard: Guard | None) -> Told:
    """What is left of a call; `unread` says why there is less than the whole."""
    unread = _unread(exchange, payloads, guard)
    if unread or guard is None:
        return Told(unread=unread)
    header = dict(exchange.request_headers)
    try:
        return _read(exchange, payloads, guard, header)
    except WireError as fault:
        return Told(unread=fault.fault.value)
    except Exception as error:  # a fault of our own must not stop the reader of a million other rows
        return Told(unread=f"error:{type(error).__name__}")


def _unread(exchange: Exchange, payloads: Sequence[bytes], guard: Guard | None) -> str:
    if not exchange.policy_digest:
        return "no_policy"
    if guard is None or guard.identity.digest != exchange.policy_digest:
        return "policy_unknown"
    if exchange.streamed:
        return "streamed"
    return "" if payloads else "not_kept"


def _read(exchange: Exchange, payloads: Sequence[bytes], guard: Guard, headers: Mapping[str, str]) -> Told:
    told = Told(fallback=frozenset(exchange.fallback_rows), dropped=frozenset(exchange.dropped_rows))
    request, answer = payloads[0], payloads[1] if len(payloads) > 1 else b""
    hidden_sides = guard.recording.slice_only
    if exchange.request_digest:
        told.unread = "not_kept"
        told.rows = max(exchange.rows, 1) if answer else 1
        unsent = exchange.left_out_rows or exchange.fallback_rows
        told.sent = [row for row in range(told.rows) if row not in unsent]
    else:
        body = decode_body(request, headers.get("content-encoding", ""), guard.max_decoded_bytes)
        raw = guard.codec.read_request(body, headers.get)
        told.rows = raw.count
        told.features = ByRow(raw, hidden_sides)
        told.sent = range(raw.count)
        if exchange.request_edits:
            _edited(exchange, guard, body, raw, headers, told, hidden_sides)
        if guard.recording.slices is not None:
            now_seconds = exchange.started_unix_ns / 1e9
            told.slices = sliced(guard.recording.slices, raw, told.features, hidden_sides, now_seconds)
    told.predictions = [{}] * told.rows
    told.delivered = [None] * told.rows
    try:
        _answered(exchange, guard, answer, told)
    except WireError as fault:
        told.unread = told.unread or f"answer:{fault.fault.value}"
    return told


def _edited(
    exchange: Exchange,
    guard: Guard,
    body: bytes,
    raw: Rows,
    headers: Mapping[str, str],
    told: Told,
    left_out: frozenset[str],
) -> None:
    """Features as the model saw them: the body with the edits made to it."""
    spans = [Span(edit.start, edit.end, edit.data) for edit in exchange.request_edits]
    seen = guard.codec.read_request(splice(body, spans), headers.get)
    told.sent = _sent_rows(exchange, raw, seen.count)
    before, after = told.features, ByRow(seen, left_out)
    features = list(before)
    raws: list[Mapping[str, Value]] = [{} for _ in before]
    changed: set[int] = set()
    for position, row in enumerate(told.sent):
        old, new = before[row], after[position]
        differing = {
            name: old.get(name, MISSING)
            for name in {**old, **new}
            if not same_value(old.get(name, MISSING), new.get(name, MISSING))
        }
        features[row] = new
        if differing:
            raws[row] = differing
            changed.add(row)
    told.features, told.raw, told.changed = features, raws, frozenset(changed)


def _sent_rows(exchange: Exchange, raw: Rows, seen: int) -> Sequence[int]:
    """Which rows of the request are left in the edited body."""
    if seen == raw.count:
        return range(raw.count)
    unsent = frozenset(exchange.left_out_rows)
    return [row for row in range(raw.count) if row not in unsent][:seen]


def _answered(exchange: Exchange, guard: Guard, answer: bytes, told: Told) -> None:
    """The model's answer by row, and what was delivered of it."""
    success = 200 <= exchange.status < 300
    fallback = guard.contract.fallback_values or {}
    if success and exchange.fallback_rows:
        told.delivered = [fallback if row in told.fallback else None for row in range(told.rows)]
    if exchange.response_digest:
        told.unread = told.unread or "answer:not_kept"
        return
    if not answer or not 200 <= exchange.upstream_status < 300:
        return
    coding = dict(exchange.response_headers).get("content-encoding", "")
    plain_answer = decode_body(answer, coding, guard.max_decoded_bytes)
    reply = read_reply(guard, plain_answer)
    answers = ByRow(reply)
    if not told.features and not told.fallback and not told.dropped and exchange.rows in (0, reply.count):
        told.rows = reply.count  # the request was not kept: the answer says how many rows there were
        told.sent = range(reply.count)
        told.predictions, told.delivered = [{}] * told.rows, [None] * told.rows
    if len(answers) != len(told.sent):
        told.unread = told.unread or "answer:rows"
        return
    predictions: list[Mapping[str, Value]] = [{}] * told.rows
    for position, row in enumerate(told.sent):
        predictions[row] = answers[position]
    told.predictions = predictions
    if not success:
        return
    final: Sequence[Mapping[str, Value]] = predictions
    if exchange.response_edits:
        spans = [Span(edit.start, edit.end, edit.data) for edit in exchange.response_edits]
        edited = ByRow(read_reply(guard, splice(plain_answer, spans), exchange.dropped_rows))
        final = edited if len(edited) == told.rows else predictions
        repaired = {row for row in told.sent if not _alike(predictions[row], final[row])}
        told.changed |= repaired - told.fallback - told.dropped
    told.delivered = [
        None
        if row in told.dropped
        else fallback
        if row in told.fallback and not exchange.response_edits
        else final[row]
        for row in range(told.rows)
    ]


def _alike(old: Mapping[str, Value], new: Mapping[str, Value]) -> bool:
    return old.keys() == new.keys() and all(same_value(value, new[name]) for name, value in old.items())


def read_reply(guard: Guard, body: bytes, null_rows: Collection[int] = ()) -> Rows:
    """Every output, also those that the policy does not name: under the protocol's own name for them."""
    codec: Any = guard.codec
    rows = guard.codec.read_reply(body, null_rows)
    named: tuple[str, ...] | None = getattr(codec, "predictions", None)
    if named is None or getattr(codec, "mapped", None):
        return rows
    more = tuple(name for name in rows.unknown if name not in named)
    if named and not more:
        return rows
    try:
        wider = replace(codec, predictions=(*named, *more) or (_UNNAMED,))
        found: Rows = wider.read_reply(body, null_rows)
    except WireError:
        return rows
    return found if found.count == rows.count or not named else rows


class ByRow(Sequence[Mapping[str, Value]]):
    """One mapping a row, without what is missing, made when it is asked for: all together take many times what the
    columns do."""

    def __init__(self, rows: Rows, left_out: frozenset[str] = frozenset()) -> None:
        self._columns = [(name, column) for name, column in rows.columns.items() if name not in left_out]
        self._count = rows.count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: Any) -> Any:
        if row >= self._count:
            raise IndexError(row)
        return {name: value for name, column in self._columns if (value := column[row]) is not MISSING}
