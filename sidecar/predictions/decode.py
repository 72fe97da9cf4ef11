"""A stored exchange and the guard of its day → prediction rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..edits import Span, splice
from ..errors import WireError
from ..exchange import Close, Exchange, ListedViolation
from ..guard import Guard, decode_body
from ..journal import Read
from ..rows import MISSING, Rows, Value, same_value
from ..verdict import Outcome
from .beside import opinions
from .row import CandidateVerdict, Latency, ModelRef, PolicyRef, Prediction, RowViolation, Story
from .sliced import hidden_slices, sliced
from .values import hashed, moment, plain, safe_name

_NOT_PREDICTIONS: Final = frozenset({"management", "metadata", "health"})
_UNNAMED: Final = "prediction"  # what an answer's values are called where neither policy nor protocol names them


@dataclass(slots=True)
class _Told:
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


def exchange_of(read: Read) -> Exchange | None:
    """The finished call in a frame, streamed or not; None for every other kind."""
    record = read.record
    if isinstance(record, Close):
        return record.exchange
    return record if isinstance(record, Exchange) else None


def rows_of(read: Read, guard: Guard | None, *, key: bytes = b"") -> list[Prediction]:
    """The prediction rows of a frame; [] for frames and calls that are none (health, metadata, management).

    `guard` is that of the record's own policy digest. `key` is the secret that hides values; without it, what would be
    hashed is left out.
    """
    exchange = exchange_of(read)
    if exchange is None or (not exchange.policy_digest and exchange.route_kind in _NOT_PREDICTIONS):
        return []
    told = _tell(exchange, read.payloads, guard)
    told.violations = _by_place(exchange, told)
    rows = [_row(exchange, read, guard, told, index, key) for index in range(told.rows)]
    if guard is not None and guard.candidate is not None:
        _judge_beside(rows, exchange, read.payloads, guard)
    return rows


def _judge_beside(rows: list[Prediction], exchange: Exchange, payloads: Sequence[bytes], guard: Guard) -> None:
    try:
        found = opinions(exchange, payloads, guard)
    except Exception:  # as in `_tell`: the row itself is told
        return
    for row, (active, candidate) in zip(rows, found, strict=False):
        broken = [RowViolation(one.code, _safe(one.feature), one.action.value) for one in candidate.broken]
        row.candidate = CandidateVerdict(candidate.outcome.value, active.outcome.value, broken)


def answer_rows(guard: Guard, body: bytes, key: bytes) -> list[dict[str, Any]]:
    """Another model's answer under the same policy, by row, hidden alike. WireError where it cannot be read."""
    return [_hide(values, guard.recording.hidden, key) for values in _by_row(_read_reply(guard, body))]


def _tell(exchange: Exchange, payloads: Sequence[bytes], guard: Guard | None) -> _Told:
    unread = _unread(exchange, payloads, guard)
    if unread or guard is None:
        return _Told(unread=unread)
    header = dict(exchange.request_headers)
    try:
        return _read(exchange, payloads, guard, header)
    except WireError as fault:
        return _Told(unread=fault.fault.value)
    except Exception as error:  # a fault of our own must not stop the reader of a million other rows
        return _Told(unread=f"error:{type(error).__name__}")


def _unread(exchange: Exchange, payloads: Sequence[bytes], guard: Guard | None) -> str:
    if not exchange.policy_digest:
        return "no_policy"
    if guard is None or guard.identity.digest != exchange.policy_digest:
        return "policy_unknown"
    if exchange.streamed:
        return "streamed"
    return "" if payloads else "not_kept"


def _read(exchange: Exchange, payloads: Sequence[bytes], guard: Guard, headers: Mapping[str, str]) -> _Told:
    told = _Told(fallback=frozenset(exchange.fallback_rows), dropped=frozenset(exchange.dropped_rows))
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
        told.features = _by_row(raw, hidden_sides)
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
    told: _Told,
    left_out: frozenset[str],
) -> None:
    """Features as the model saw them: the body with the edits made to it."""
    spans = [Span(edit.start, edit.end, edit.data) for edit in exchange.request_edits]
    seen = guard.codec.read_request(splice(body, spans), headers.get)
    told.sent = _sent_rows(exchange, raw, seen.count)
    before, after = told.features, _by_row(seen, left_out)
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


def _answered(exchange: Exchange, guard: Guard, answer: bytes, told: _Told) -> None:
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
    reply = _read_reply(guard, plain_answer)
    by_row = _by_row(reply)
    if not told.features and not told.fallback and not told.dropped and exchange.rows in (0, reply.count):
        told.rows = reply.count  # the request was not kept: the answer says how many rows there were
        told.sent = range(reply.count)
        told.predictions, told.delivered = [{}] * told.rows, [None] * told.rows
    if len(by_row) != len(told.sent):
        told.unread = told.unread or "answer:rows"
        return
    predictions: list[Mapping[str, Value]] = [{}] * told.rows
    for position, row in enumerate(told.sent):
        predictions[row] = by_row[position]
    told.predictions = predictions
    if not success:
        return
    final = predictions
    if exchange.response_edits:
        spans = [Span(edit.start, edit.end, edit.data) for edit in exchange.response_edits]
        edited = _by_row(_read_reply(guard, splice(plain_answer, spans), exchange.dropped_rows))
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


def _read_reply(guard: Guard, body: bytes, null_rows: Collection[int] = ()) -> Rows:
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


def _by_row(rows: Rows, left_out: frozenset[str] = frozenset()) -> list[Mapping[str, Value]]:
    names = [name for name in rows.columns if name not in left_out]
    columns = [rows.columns[name] for name in names]
    return [
        {name: value for name, value in zip(names, values, strict=True) if value is not MISSING}
        for values in (zip(*columns, strict=True) if columns else [()] * rows.count)
    ]


def _row(exchange: Exchange, read: Read, guard: Guard | None, told: _Told, index: int, key: bytes) -> Prediction:
    recording = guard.recording if guard is not None else None
    hidden = recording.hidden if recording is not None else {}
    features = told.features[index] if told.features else {}
    raw = told.raw[index] if told.raw else {}
    delivered = told.delivered[index] if told.delivered else None
    violations = told.violations.get(index, ())
    entity = features.get(recording.entity) if recording is not None and recording.entity else None
    label_value = features.get(recording.label_key) if recording is not None and recording.label_key else None
    first_byte = exchange.first_byte_ns
    enforcing = exchange.mode == "enforce"
    identity = guard.identity if guard is not None and exchange.policy_digest else None
    slices: dict[str, Any] = {}
    if told.slices and recording is not None and recording.slices is not None:
        slices = hidden_slices(recording.slices, told.slices[index], lambda values: _hide(values, hidden, key))
    return Prediction(
        prediction_id=exchange.prediction_id,
        row=index,
        request_id=_safe(exchange.request_id),
        ts=moment(exchange.started_unix_ns),
        caller=_safe(exchange.caller),
        entity=_hide_one(recording.entity, entity, hidden, key) if recording is not None else None,
        protocol=exchange.protocol or (identity.protocol if identity is not None else ""),
        model=ModelRef(
            _safe(exchange.model_name) or (identity.model_name if identity is not None else ""),
            _safe(exchange.model_version),
        ),
        policy=PolicyRef(
            identity.name if identity is not None else "",
            identity.version if identity is not None else "",
            exchange.policy_digest,
        ),
        environment=read.environment,
        replica=read.replica,
        arm=exchange.arm,
        exposed=exchange.exposed,
        propensity=exchange.propensity,
        coin_id=exchange.coin_id,
        delivered=_hide(delivered, hidden, key) if delivered is not None else None,
        verdict=_verdict(exchange, index, told, bool(violations)),
        violations=[
            RowViolation(item.code, _safe(item.feature), item.applied, enforcing and item.enforced)
            for item in violations
        ],
        features=_hide(features, hidden, key),
        raw_features=_hide(raw, hidden, key),
        prediction=_hide(told.predictions[index], hidden, key) if told.predictions else {},
        status=exchange.status,
        latency_ms=Latency(
            exchange.total_ns / 1e6,
            exchange.contract_ns / 1e6,
            exchange.upstream_ns / 1e6 if exchange.upstream_ns else None,
            first_byte / 1e6 if first_byte else None,
        ),
        trace_id=exchange.trace_id,
        span_id=exchange.span_id,
        slices=slices,
        unread=told.unread,
        story=_story(exchange),
        join_key=hashed(plain(label_value), key) if label_value is not None else None,
    )


def _by_place(exchange: Exchange, told: _Told) -> dict[int, list[ListedViolation]]:
    """Row → its violations. Those of the answer count the rows that were sent."""
    found: dict[int, list[ListedViolation]] = {}
    for item in exchange.violations:
        row = item.row if told.rows > 1 else 0
        if item.side == "output" and item.row < len(told.sent):
            row = told.sent[item.row]
        found.setdefault(row, []).append(item)
    return found


def _verdict(exchange: Exchange, index: int, told: _Told, violated: bool) -> str:
    """The row's own: in a batch that lost rows, fell back or was repaired, other rows may be fine."""
    outcome = exchange.verdict
    whole = outcome not in (Outcome.FALLBACK, Outcome.REPAIRED, Outcome.OBSERVED) and not told.dropped
    if told.rows == 1 or whole:
        return outcome
    if index in told.dropped:
        return Outcome.REJECTED.value
    if index in told.fallback:
        return Outcome.FALLBACK.value
    if index in told.changed:
        return Outcome.REPAIRED.value
    unlisted = exchange.violations_total > len(exchange.violations)
    if outcome == Outcome.OBSERVED and unlisted:
        return Outcome.OBSERVED.value
    return Outcome.OBSERVED.value if violated else Outcome.OK.value


def _hide(values: Mapping[str, Value], hidden: Mapping[str, str], key: bytes) -> dict[str, Any]:
    if not hidden:
        return {safe_name(name): plain(value) for name, value in values.items()}
    told: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hidden:
            told[safe_name(name)] = plain(value)
        elif hidden[name] == "hash" and value is None:
            told[name] = None
        elif hidden[name] == "hash" and value is MISSING:
            told[name] = plain(value)
        elif hidden[name] == "hash" and key:
            told[name] = hashed(plain(value), key)
    return told


def _hide_one(name: str, value: Value, hidden: Mapping[str, str], key: bytes) -> Any:
    return None if value is None else _hide({name: value}, hidden, key).get(name)


def _safe(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _story(exchange: Exchange) -> Story:
    path, query, _ = exchange.target.partition("?")
    return Story(
        method=_safe(exchange.method),
        target=_safe(f"{path}?…" if query else path),
        route_kind=exchange.route_kind,
        mode=exchange.mode,
        would=exchange.would,
        reason=exchange.reason,
        error=exchange.error,
        identity=exchange.identity,
        version_source=exchange.version_source,
        upstream_status=exchange.upstream_status,
        rows=exchange.rows,
        violations_total=exchange.violations_total,
        streamed=exchange.streamed,
    )
