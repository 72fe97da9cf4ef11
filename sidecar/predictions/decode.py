"""A stored exchange and the guard of its day → prediction rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..exchange import Close, Exchange, ListedViolation
from ..guard import Guard
from ..journal import Read
from ..rows import MISSING, Value
from ..verdict import Outcome
from .beside import opinions
from .row import CandidateVerdict, Latency, ModelRef, PolicyRef, Prediction, RowViolation, Story
from .sliced import hidden_slices
from .stored import ByRow, Told, read_reply, told_of
from .values import hashed, moment, plain, safe_name

_NOT_PREDICTIONS: Final = frozenset({"management", "metadata", "health"})


@dataclass(frozen=True, slots=True)
class _Call:
    """What all rows of a call say alike, made once."""

    ts: str | None
    model: ModelRef
    policy: PolicyRef
    latency: Latency
    story: Story


def exchange_of(read: Read) -> Exchange | None:
    """The finished call in a frame, streamed or not; None for every other kind."""
    record = read.record
    if isinstance(record, Close):
        return record.exchange
    return record if isinstance(record, Exchange) else None


def rows_of(read: Read, guard: Guard | None, *, key: bytes = b"") -> list[Prediction]:
    """All of `each_row_of` at once: of a body of many rows, a hundred times its size."""
    return list(each_row_of(read, guard, key=key))


def each_row_of(read: Read, guard: Guard | None, *, key: bytes = b"") -> Iterator[Prediction]:
    """The prediction rows of a frame; none for frames and calls that are none (health, metadata, management).

    `guard` is that of the record's own policy digest. `key` is the secret that hides values; without it, what would be
    hashed is left out.
    """
    exchange = exchange_of(read)
    if exchange is None or (not exchange.policy_digest and exchange.route_kind in _NOT_PREDICTIONS):
        return
    told = told_of(exchange, read.payloads, guard)
    told.violations = _by_place(exchange, told)
    call = _call(exchange, guard)
    beside = _beside(exchange, read.payloads, guard)
    for index in range(told.rows):
        row = _row(exchange, read, guard, told, call, index, key)
        row.candidate = next(beside, None)
        yield row


def _beside(exchange: Exchange, payloads: Sequence[bytes], guard: Guard | None) -> Iterator[CandidateVerdict]:
    if guard is None or guard.candidate is None:
        return
    try:
        found = opinions(exchange, payloads, guard)
    except Exception:  # as in `told_of`: the row itself is told
        return
    for active, candidate in found:
        broken = [RowViolation(one.code, _safe(one.feature), one.action.value) for one in candidate.broken]
        yield CandidateVerdict(candidate.outcome.value, active.outcome.value, broken)


def answer_rows(guard: Guard, body: bytes, key: bytes) -> list[dict[str, Any]]:
    """Another model's answer under the same policy, by row, hidden alike. WireError where it cannot be read."""
    return [_hide(values, guard.recording.hidden, key) for values in ByRow(read_reply(guard, body))]


def _row(
    exchange: Exchange, read: Read, guard: Guard | None, told: Told, call: _Call, index: int, key: bytes
) -> Prediction:
    recording = guard.recording if guard is not None else None
    hidden = recording.hidden if recording is not None else {}
    features = told.features[index] if told.features else {}
    raw = told.raw[index] if told.raw else {}
    delivered = told.delivered[index] if told.delivered else None
    violations = told.violations.get(index, ())
    entity = features.get(recording.entity) if recording is not None and recording.entity else None
    label_value = features.get(recording.label_key) if recording is not None and recording.label_key else None
    enforcing = exchange.mode == "enforce"
    identity = guard.identity if guard is not None and exchange.policy_digest else None
    slices: dict[str, Any] = {}
    if told.slices and recording is not None and recording.slices is not None:
        slices = hidden_slices(recording.slices, told.slices[index], lambda values: _hide(values, hidden, key))
    return Prediction(
        prediction_id=exchange.prediction_id,
        row=index,
        request_id=_safe(exchange.request_id),
        ts=call.ts,
        caller=_safe(exchange.caller),
        entity=_hide_one(recording.entity, entity, hidden, key) if recording is not None else None,
        protocol=exchange.protocol or (identity.protocol if identity is not None else ""),
        model=call.model,
        policy=call.policy,
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
        latency_ms=call.latency,
        trace_id=exchange.trace_id,
        span_id=exchange.span_id,
        slices=slices,
        unread=told.unread,
        story=call.story,
        join_key=hashed(plain(label_value), key) if label_value is not None else None,
    )


def _call(exchange: Exchange, guard: Guard | None) -> _Call:
    identity = guard.identity if guard is not None and exchange.policy_digest else None
    name, version, model = (identity.name, identity.version, identity.model_name) if identity else ("", "", "")
    first_byte, upstream = exchange.first_byte_ns, exchange.upstream_ns
    return _Call(
        ts=moment(exchange.started_unix_ns),
        model=ModelRef(_safe(exchange.model_name) or model, _safe(exchange.model_version)),
        policy=PolicyRef(name, version, exchange.policy_digest),
        latency=Latency(
            exchange.total_ns / 1e6,
            exchange.contract_ns / 1e6,
            upstream / 1e6 if upstream else None,
            first_byte / 1e6 if first_byte else None,
        ),
        story=_story(exchange),
    )


def _by_place(exchange: Exchange, told: Told) -> dict[int, list[ListedViolation]]:
    """Row → its violations. Those of the answer count the rows that were sent."""
    found: dict[int, list[ListedViolation]] = {}
    for item in exchange.violations:
        row = item.row if told.rows > 1 else 0
        if item.side == "output" and item.row < len(told.sent):
            row = told.sent[item.row]
        found.setdefault(row, []).append(item)
    return found


def _verdict(exchange: Exchange, index: int, told: Told, violated: bool) -> str:
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
