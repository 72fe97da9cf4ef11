"""From a call to its record and its stamps: what is told, to the journal and to the caller."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import blake2b
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from ..exchange import Edit, Exchange, ListedViolation, Open
from ..problem import Problem
from ..verdict import ACCEPTED, Outcome, Verdict, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..edits import Span
    from .call import Call

_UNSAFE: Final = re.compile(r"[^\x21-\x7e]")
_RANK: Final = {
    outcome: rank
    for rank, outcome in enumerate(
        (Outcome.OK, Outcome.OBSERVED, Outcome.REPAIRED, Outcome.UNCHECKED, Outcome.FALLBACK, Outcome.REJECTED)
    )
}


def header_text(text: str, limit: int = 256) -> str:
    """Text from a body or a policy made safe for a header line: visible ASCII, bounded."""
    if len(text) <= limit and text.isascii() and text.isalnum():
        return text
    return _UNSAFE.sub("?", text[:limit])


def verdict_text(verdict: Verdict, fallback_rows: int) -> str:
    """The value of `x-contract-verdict`."""
    outcome = verdict.outcome
    if outcome is Outcome.OK:
        return "ok"
    if outcome is Outcome.OBSERVED:
        return header_text("observed;codes=" + ",".join(verdict.codes), 512)
    if outcome is Outcome.REPAIRED:
        return f"repaired;rows={verdict.repaired_rows}"
    if outcome is Outcome.FALLBACK:
        return f"fallback;rows={fallback_rows}"
    if outcome is Outcome.UNCHECKED:
        return header_text(f"unchecked;reason={verdict.reason}")
    return "rejected"


def stamps(call: Call, *, pending: bool) -> bytes:
    """The response headers we add, each with CRLF. `pending`: an answer that is still streaming."""
    gateway, line, verdict = call.gateway, call.line, call.verdict
    guard = line.guard
    if guard is None and (line.route is None or line.route.kind != "inference"):
        return b"x-request-id: %b\r\n" % call.request_id.encode() if "x-request-id" in gateway.settings.stamps else b""
    now = perf_counter_ns()
    text = "ok" if verdict is ACCEPTED else ""
    if verdict is not None and not text:
        text = verdict_text(verdict, len(call.fallback_rows))
    if pending and text and guard is not None and guard.checks_reply:
        text += ";output=pending"
    upstream = call.upstream_ns or (now - call.sent_ns if call.sent_ns else 0)
    version = f"x-model-version: {header_text(call.model_version)}\r\n" if call.model_version else ""
    stated = f"x-contract-verdict: {text}\r\n" if text else ""
    lines = (
        f"x-prediction-id: {call.prediction_id}\r\nx-request-id: {call.request_id}\r\n{version}{stated}"
        f"server-timing: contract;dur={call.contract_ns / 1e6:.3f}, upstream;dur={upstream / 1e6:.3f}, "
        f"total;dur={(now - call.started_ns) / 1e6:.3f}\r\n"
    ).encode("latin-1")
    if guard is not None:
        lines += guard.stamp_line
    return lines if gateway.stamps_all else _only(lines, gateway.settings.stamps)


def _only(lines: bytes, wanted: frozenset[str]) -> bytes:
    kept = [line for line in lines.splitlines(keepends=True) if line.partition(b":")[0].decode() in wanted]
    return b"".join(kept)


def addressed(problem: Problem, call: Call) -> Problem:
    """The problem with the ids of its call."""
    guard = call.line.guard
    policy = guard.stamp if guard is not None else ""
    return replace(problem, request_id=call.request_id, trace_id=call.trace.trace_id, policy=policy)


def both(request: Verdict, reply: Verdict) -> Verdict:
    """One verdict for a call: the graver outcome of its two sides, with the violations of both."""
    if reply is ACCEPTED:
        return request
    graver = reply if _RANK[reply.outcome] >= _RANK[request.outcome] else request
    would = reply.would if _RANK[reply.would] >= _RANK[request.would] else request.would
    return replace(
        graver,
        would=would,
        violations=request.violations + reply.violations,
        total=request.total + reply.total,
        repaired_rows=max(request.repaired_rows, reply.repaired_rows),
        fallback_rows=tuple(sorted({*request.fallback_rows, *reply.fallback_rows})),
    )


def fallen_back(verdict: Verdict, rows: int) -> Verdict:
    """The same call, answered with fallback values for every row."""
    return replace(verdict, outcome=Outcome.FALLBACK, fallback_rows=tuple(range(rows)))


def open_of(call: Call) -> Open:
    """The record that says a streamed answer has begun."""
    return Open(
        prediction_id=call.prediction_id,
        request_id=call.request_id,
        started_unix_ns=call.started_unix_ns,
        trace_id=call.trace.trace_id,
        method=call.method.decode("latin-1"),
        target=call.line.text,
        policy_digest=call.line.guard.identity.digest if call.line.guard is not None else "",
        model_name=call.line.route.model_name if call.line.route is not None else "",
        upstream_status=call.upstream_status,
    )


def exchange_of(call: Call, total_ns: int) -> tuple[Exchange, tuple[bytes, ...]]:
    """The whole record and its payloads (kept only for judged calls, and only up to `max_payload`)."""
    line, verdict, head = call.line, call.verdict, call.head
    route, guard = line.route, line.guard
    limit = call.gateway.settings.max_payload_bytes
    sent, received = call.request_payload, call.response_payload
    sent_digest = received_digest = ""
    if len(sent) > limit:
        sent_digest, sent = _digest(sent), b""
    if len(received) > limit:
        received_digest, received = _digest(received), b""
    trace = call.trace
    exchange = Exchange(
        prediction_id=call.prediction_id,
        request_id=call.request_id,
        started_unix_ns=call.started_unix_ns,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent_span_id=trace.parent_span_id,
        client_span_id=trace.client_span_id,
        trace_flags=trace.flags,
        method=call.method.decode("latin-1"),
        target=line.text,
        route=route.template if route is not None else "",
        route_kind=route.kind.value if route is not None else "other",
        protocol=route.protocol if route is not None else "",
        model_name=route.model_name if route is not None else "",
        model_version=call.model_version,
        version_source=call.version_source,
        policy_digest=guard.identity.digest if guard is not None else "",
        identity=call.gateway.identity_word(guard) if guard is not None else "",
        mode=call.mode,
        verdict=verdict.outcome.value if verdict is not None else "",
        would=verdict.would.value if verdict is not None else "",
        reason=verdict.reason if verdict is not None else "",
        violations=_listed(verdict.violations) if verdict is not None and verdict.violations else (),
        violations_total=verdict.total if verdict is not None else 0,
        rows=call.rows,
        status=call.status,
        upstream_status=call.upstream_status,
        error=call.error,
        total_ns=total_ns,
        contract_ns=call.contract_ns,
        upstream_ns=call.upstream_ns,
        first_byte_ns=call.first_byte_ns - call.started_ns if call.first_byte_ns else 0,
        caller=head.caller,
        client_address=call.connection.peer,
        request_headers=tuple(head.recorded),
        request_bytes=call.request_bytes,
        response_bytes=call.response_bytes,
        request_digest=sent_digest,
        response_digest=received_digest,
        request_edits=_edits(call.request_edits),
        response_edits=_edits(call.response_edits),
        fallback_rows=call.fallback_rows,
        streamed=call.streamed,
    )
    return exchange, (sent, received) if sent or received else ()


def _listed(violations: Iterable[Violation]) -> tuple[ListedViolation, ...]:
    return tuple(
        ListedViolation(
            v.code, v.feature, v.row, v.applied.value, "output" if v.code.startswith("prediction.") else "input"
        )
        for v in violations
    )


def _edits(spans: tuple[Span, ...]) -> tuple[Edit, ...]:
    return tuple(Edit(start, end, data) for start, end, data in spans) if spans else ()


def _digest(body: bytes) -> str:
    return "b2:" + blake2b(body, digest_size=16).hexdigest()
