"""From a copy and how it ended to its one record. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

from ...errors import WireError
from ...exchange import Exchange, Shadow
from ...guard import decode_body
from ...shadow import Outcome, Output, Units, pair, unreadable
from ...shadow.pairing import Pairing
from ...shadow.state import Open
from .call import Answered
from .copies import flags_of
from .mirror import Copy
from .plans import read_answer, version_of

_KEPT_ANSWER_BYTES: Final = 256 * 1024


class Judgement(NamedTuple):
    """What an answer came to; `why` is set where there was something wrong with one of the two."""

    outcome: Outcome
    why: str = ""
    paired: Pairing | None = None
    version: str = ""


def judge(copy: Copy, answered: Answered) -> Judgement:
    """Compare an answer with the primary's. One that cannot be read is as far from it as can be, not left out."""
    if answered.failed is not None:
        return Judgement(answered.failed, answered.error)
    units, outputs = Units(copy.open.units, copy.by_row), copy.outputs
    why = version = ""
    try:
        primary = read_answer(copy.codec, decode_body(copy.reply, copy.reply_coding), outputs)
    except WireError as fault:
        return Judgement(Outcome.UNCOMPARABLE, f"primary_{fault.fault.value}")
    try:
        plain = decode_body(answered.body, answered.coding)
        candidate = read_answer(copy.codec, plain, outputs)
        version = version_of(candidate, plain)
    except WireError as fault:
        why = f"candidate_{fault.fault.value}"
        paired = unreadable(primary, fault.fault, outputs or dict.fromkeys(primary.columns, Output()), units)
    else:
        named = outputs or dict.fromkeys((*primary.columns, *candidate.columns), Output())
        paired = pair(primary, candidate, named, units)
    if not paired.scores:
        return Judgement(Outcome.UNCOMPARABLE, why or "no_outputs", None, version)
    return Judgement(Outcome.COMPARED, why, paired, version)


def record_of(
    one: Open,
    judgement: Judgement,
    at_unix_ns: int,
    *,
    exchange: Exchange | None = None,
    copy: Copy | None = None,
    answered: Answered | None = None,
) -> tuple[Shadow, tuple[bytes, ...]]:
    """The record and its payload; `exchange` None = all that is left of it is in `one`."""
    body = answered.body if answered is not None else b""
    digest = ""
    if len(body) > _KEPT_ANSWER_BYTES:
        digest, body = "b2:" + blake2b(body, digest_size=16).hexdigest(), b""
    paired = judgement.paired
    record = Shadow(
        prediction_id=one.prediction_id,
        request_id=one.request_id,
        policy=one.policy,
        policy_digest=one.policy_digest,
        candidate=one.candidate,
        run=one.run,
        outcome=judgement.outcome.value,
        at_unix_ns=at_unix_ns,
        error=judgement.why,
        sent_unix_ns=answered.sent_unix_ns if answered is not None else 0,
        status=answered.status if answered is not None else 0,
        latency_ns=answered.latency_ns if answered is not None else 0,
        primary_ns=exchange.upstream_ns if exchange is not None else 0,
        trace_id=copy.trace_id if copy is not None else "",
        span_id=copy.span_id if copy is not None else "",
        link_trace_id=exchange.trace_id if exchange is not None else "",
        link_span_id=exchange.span_id if exchange is not None else "",
        rows=paired.rows if paired is not None else 0,
        units=one.units,
        scores=paired.scores if paired is not None else (),
        differences=paired.differences if paired is not None else (),
        differences_total=paired.differences_total if paired is not None else 0,
        model_version=judgement.version,
        coding=answered.coding if answered is not None else "",
        answer_bytes=answered.size if answered is not None else 0,
        answer_digest=digest,
        trace_flags=flags_of(exchange) if exchange is not None and copy is not None else 0,
        method=copy.exchange.method if copy is not None else "",
        upstream=copy.upstream if copy is not None else "",
        target=copy.exchange.target if copy is not None else "",
    )
    return record, (body,) if body else ()
