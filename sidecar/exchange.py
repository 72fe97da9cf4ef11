"""What the journal's frames say: one finished call and the facts around it, frozen.

In: nothing but plain values. Out: msgpack arrays (position is meaning: fields are only ever appended, with a default).
Times: `*_unix_ns` is wall time read once per record; every other duration is monotonic, in nanoseconds.
Never here: credentials, or headers that no allow-list names.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import msgspec


class Kind(IntEnum):
    """The kinds of frame. Numbers are on disk: never reused."""

    EXCHANGE = 1
    OPEN = 2
    CLOSE = 3
    FEEDBACK = 4
    POLICY = 5
    SHADOW = 6
    TRANSITION = 7
    GAP = 8


class ListedViolation(msgspec.Struct, frozen=True, array_like=True):
    """One violation as recorded (at most 20 a record; `Exchange.violations_total` counts all)."""

    code: str
    feature: str
    row: int
    applied: str
    side: str  # input | output
    enforced: bool = True  # False: the check only observes, whatever the contract does


class Edit(msgspec.Struct, frozen=True, array_like=True):
    """A byte span replaced in the original payload: `payload[start:end] → data`."""

    start: int
    end: int
    data: bytes


class Exchange(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One finished call. Payloads of the frame: [original request body, original upstream answer body]."""

    prediction_id: str
    request_id: str
    started_unix_ns: int
    trace_id: str
    span_id: str
    parent_span_id: str
    client_span_id: str  # of the upstream leg
    trace_flags: int
    method: str
    target: str  # as received, latin-1
    route: str  # template, e.g. /v2/models/{model}/infer
    route_kind: str  # inference | management | metadata | health | other
    protocol: str
    model_name: str
    policy_digest: str  # "" = no policy judged this
    model_version: str
    version_source: str  # body | header | path | probe | unstated
    identity: str  # match | mismatch | unstated | "" (not asked)
    mode: str  # off | observe | enforce | ""
    verdict: str  # verdict.Outcome, or "" where no policy judged
    would: str
    reason: str
    violations: tuple[ListedViolation, ...] = ()
    violations_total: int = 0
    rows: int = 0
    status: int = 0  # sent to the caller
    upstream_status: int = 0  # 0 = none received
    error: str = ""  # UpstreamFault | client_abort | problem kind | ""
    arm: str = "primary"
    coin_id: str = ""
    exposed: bool = True
    propensity: float = 1.0
    total_ns: int = 0
    contract_ns: int = 0
    upstream_ns: int = 0
    first_byte_ns: int = 0
    caller: str = ""
    client_address: str = ""
    request_headers: tuple[tuple[str, str], ...] = ()  # allow-listed
    response_headers: tuple[tuple[str, str], ...] = ()
    request_bytes: int = 0
    response_bytes: int = 0
    request_digest: str = ""  # when the payload was too large to keep
    response_digest: str = ""
    request_edits: tuple[Edit, ...] = ()
    response_edits: tuple[Edit, ...] = ()
    delivered: Any = None  # fallback or perturbed values, when they differ from the model's
    fallback_rows: tuple[int, ...] = ()
    streamed: bool = False
    repaired_rows: int = 0
    upstream: str = ""  # the model server's address: where the call went, or would have gone
    sent_ns: int = 0  # from the start to the call upstream; 0 = nothing was sent
    dropped_rows: tuple[int, ...] = ()  # left out of the batch, or their answer was: null stands in their places
    left_out_rows: tuple[int, ...] = ()  # not sent to the model: dropped, or answered by fallback


class Open(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A streamed answer has begun: written before its first byte leaves. Same ids as the `Close` that ends it."""

    prediction_id: str
    request_id: str
    started_unix_ns: int
    trace_id: str
    method: str
    target: str
    policy_digest: str = ""
    model_name: str = ""
    upstream_status: int = 0


class Close(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A streamed answer has ended: the whole exchange, written before its last chunk leaves."""

    exchange: Exchange


class Feedback(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One label or outcome as received; the payload of the frame is the item as sent (JSON)."""

    received_unix_ns: int
    prediction_id: str = ""
    request_id: str = ""
    response_id: str = ""
    key: str = ""
    row: int | None = None
    label: Any = None
    observed_at: str = ""
    exposed: bool | None = None
    propensity: float | None = None
    coin_id: str = ""


class PolicyPublished(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A resolved policy, written before the first record under its digest; the payload is its canonical JSON."""

    digest: str
    name: str
    version: str
    published_unix_ns: int


STARTED: Final = "started"  # the first record of every life of a writer


class Transition(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A control event: started, stopping, policy_loaded, policy_refused, model_version_changed, bypass, …"""

    at_unix_ns: int
    what: str
    subject: str = ""
    detail: str = ""
    actor: str = "sidecar"


class Gap(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Records that could not be written, counted: the journal says itself what it does not have."""

    from_unix_ns: int
    to_unix_ns: int
    records: int
    reason: str


class ShadowScore(msgspec.Struct, frozen=True, array_like=True):
    """How one output of one unit compared: `score` in [-1, 1], positive = the candidate is worse or further away."""

    unit: str  # keyed hash: the same unit has the same name in every record of one policy
    output: str
    score: float  # mean over the unit's rows
    agrees: bool  # in every row, within the tolerance
    difference: float  # largest, in the output's own unit; 1.0 where there is no size to speak of
    rows: int


class ShadowDifference(msgspec.Struct, frozen=True, array_like=True):
    """One place where candidate and primary differ beyond tolerance (at most 20 a record); never the values."""

    output: str
    path: str  # inside the output, as a JSON Pointer; "" = all of it
    row: int
    type: str  # value | type | shape | missing | extra | not_finite


class Shadow(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What became of one copy of a request, one record per sampled exchange and candidate (`cold` stream).

    The payload is the candidate's answer, up to the cap. `run` names the comparison's settings: scores of different
    runs are never added up. What `outcome` may be: `shadow.Outcome`; `not_sampled` is counted, never recorded.
    """

    prediction_id: str
    request_id: str
    policy: str
    policy_digest: str
    candidate: str
    run: str
    outcome: str
    at_unix_ns: int  # when it was known
    sent_unix_ns: int = 0  # 0 = never sent
    status: int = 0  # the candidate's; 0 = no answer
    error: str = ""  # UpstreamFault, answer_too_large, or why it was dropped
    latency_ns: int = 0  # from sending to the answer's last byte, or to giving up
    primary_ns: int = 0  # the live leg's, for readers; never compared with `latency_ns`
    trace_id: str = ""  # the copy's own trace; its link is the exchange's
    span_id: str = ""
    link_trace_id: str = ""
    link_span_id: str = ""
    rows: int = 0
    units: tuple[str, ...] = ()  # sampled in this exchange
    scores: tuple[ShadowScore, ...] = ()
    differences: tuple[ShadowDifference, ...] = ()
    differences_total: int = 0
    model_version: str = ""  # as the candidate stated it
    coding: str = ""  # content coding of the payload
    answer_bytes: int = 0
    answer_digest: str = ""  # when the answer was too large to keep
    trace_flags: int = 0  # of the copy's own trace, sampled as the exchange's is; 0 = not stated
    method: str = ""  # of the copy that was sent, with where it went: the candidate's address and the path asked for
    upstream: str = ""
    target: str = ""


RECORD_TYPES: Final[dict[Kind, type[msgspec.Struct]]] = {
    Kind.EXCHANGE: Exchange,
    Kind.OPEN: Open,
    Kind.CLOSE: Close,
    Kind.FEEDBACK: Feedback,
    Kind.POLICY: PolicyPublished,
    Kind.SHADOW: Shadow,
    Kind.TRANSITION: Transition,
    Kind.GAP: Gap,
}

encode: Final = msgspec.msgpack.Encoder().encode
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(record) for kind, record in RECORD_TYPES.items()}


def decode(kind: int, meta: bytes) -> msgspec.Struct:
    """The record of a frame. KeyError for a kind this version does not know, msgspec.DecodeError for damage."""
    return _DECODERS[Kind(kind)].decode(meta)
