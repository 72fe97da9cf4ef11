"""What comes after a prediction: labels as they were received, candidates' answers, control events; one row each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..errors import WireError
from ..exchange import Feedback, Gap, PolicyPublished, Shadow, Transition
from ..guard import Guard, decode_body
from ..journal import Read
from .decode import answer_rows
from .values import hashed, moment, plain, unix_ns_of

_NO_ROW: Final = 2**31  # no request has so many


class OutcomeRow(msgspec.Struct, kw_only=True, frozen=True):
    """One label. `key` never leaves the journal: `join_key` is its keyed hash, which meets that of its feature.

    `kept_id`: the prediction that it was found to be about while that one's record was still there. What was not kept
    of it was brought back then, so that its labelled rows are kept for certain and weigh 1.
    """

    ts: str | None
    prediction_id: str = ""
    request_id: str = ""
    response_id: str = ""
    join_key: str | None = None
    row: int | None = None
    label: Any = None
    observed_at: str | None = None  # when it was received, where the sender did not say
    exposed: bool | None = None
    propensity: float | None = None
    coin_id: str = ""
    kept_id: str = ""


class ShadowRow(msgspec.Struct, kw_only=True, frozen=True):
    """What became of one copy of a request; `predictions` has one entry a row, hidden as the policy says."""

    ts: str | None
    prediction_id: str
    request_id: str = ""
    policy: str = ""
    policy_digest: str = ""
    candidate: str = ""
    run: str = ""
    outcome: str = ""
    status: int = 0
    error: str = ""
    latency_ms: float | None = None
    primary_ms: float | None = None
    model_version: str = ""
    rows: int = 0
    predictions: list[Any] = []
    units: list[str] = []
    scores: list[Any] = []
    differences: list[Any] = []
    differences_total: int = 0
    trace_id: str = ""
    span_id: str = ""


class ControlRow(msgspec.Struct, kw_only=True, frozen=True):
    """A policy published, a transition or a gap. `document` is a policy's canonical JSON."""

    ts: str | None
    kind: str  # policy | transition | gap
    what: str = ""
    subject: str = ""
    detail: str = ""
    actor: str = ""
    digest: str = ""
    document: str = ""
    records: int = 0
    replica: str = ""
    environment: str = ""


def outcome_of(read: Read, *, key: bytes = b"") -> OutcomeRow | None:
    """The label in a FEEDBACK frame; None for other kinds."""
    record = read.record
    if not isinstance(record, Feedback):
        return None
    observed = unix_ns_of(record.observed_at) if record.observed_at else None
    received = moment(record.received_unix_ns)
    return OutcomeRow(
        ts=received,
        prediction_id=record.prediction_id,
        request_id=record.request_id,
        response_id=record.response_id,
        join_key=hashed(record.key, key) if record.key else None,
        row=None if record.row is None else min(record.row, _NO_ROW),
        label=plain(record.label),
        observed_at=(moment(observed) if observed is not None else None) or received,
        exposed=record.exposed,
        propensity=record.propensity,
        coin_id=record.coin_id,
    )


def shadow_of(read: Read, guard: Guard | None, *, key: bytes = b"") -> ShadowRow | None:
    """The candidate's answer in a SHADOW frame; None for other kinds. What cannot be read is left out."""
    record = read.record
    if not isinstance(record, Shadow):
        return None
    return ShadowRow(
        ts=moment(record.at_unix_ns),
        prediction_id=record.prediction_id,
        request_id=record.request_id,
        policy=record.policy,
        policy_digest=record.policy_digest,
        candidate=record.candidate,
        run=record.run,
        outcome=record.outcome,
        status=record.status,
        error=record.error,
        latency_ms=record.latency_ns / 1e6 if record.latency_ns else None,
        primary_ms=record.primary_ns / 1e6 if record.primary_ns else None,
        model_version=record.model_version,
        rows=record.rows,
        predictions=_predictions(record, read.payloads, guard, key),
        units=list(record.units),
        scores=[_named(score) for score in record.scores],
        differences=[_named(difference) for difference in record.differences],
        differences_total=record.differences_total,
        trace_id=record.trace_id,
        span_id=record.span_id,
    )


def control_of(read: Read) -> ControlRow | None:
    """The event in a POLICY, TRANSITION or GAP frame; None for other kinds."""
    record = read.record
    replica, environment = read.replica, read.environment
    match record:
        case PolicyPublished():
            document = read.payloads[0].decode("utf-8", "replace") if read.payloads else ""
            subject = f"{record.name}@{record.version}" if record.version else record.name
            return ControlRow(
                ts=moment(record.published_unix_ns),
                kind="policy",
                what="published",
                subject=subject,
                digest=record.digest,
                document=document,
                replica=replica,
                environment=environment,
            )
        case Transition():
            return ControlRow(
                ts=moment(record.at_unix_ns),
                kind="transition",
                what=record.what,
                subject=record.subject,
                detail=record.detail,
                actor=record.actor,
                replica=replica,
                environment=environment,
            )
        case Gap():
            ts = moment(record.from_unix_ns)
            return ControlRow(
                ts=ts,
                kind="gap",
                what="not_written",
                detail=record.reason,
                records=record.records,
                replica=replica,
                environment=environment,
            )
        case _:
            return None


def _predictions(record: Shadow, payloads: tuple[bytes, ...], guard: Guard | None, key: bytes) -> list[Any]:
    if guard is None or guard.identity.digest != record.policy_digest or not payloads or not payloads[0]:
        return []
    try:
        return answer_rows(guard, decode_body(payloads[0], record.coding), key)
    except WireError:
        return []
    except Exception:  # as with the primary's answer: a fault of our own must not stop the reader
        return []


def _named(record: msgspec.Struct) -> dict[str, Any]:
    """Structs that are arrays in the journal, by name."""
    return {name: plain(getattr(record, name)) for name in record.__struct_fields__}
