"""From a call to its record and its stamps: what is told, to the journal and to the caller."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import blake2b
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from ..exchange import ListedViolation, Open
from ..problem import Problem
from ..telemetry.http import redacted
from ..verdict import ACCEPTED, Action, Outcome, Verdict, Violation
from .head import header_lookup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..guard import Guard
    from ..wire import Route
    from .call import Call

_UNSAFE: Final = re.compile(r"[^\x21-\x7e]")
_DROPPING: Final = frozenset({Action.REJECT, Action.DROP})


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
    if verdict.dropped_rows:  # the others were answered
        codes = dict.fromkeys(
            found.code for found in verdict.violations if found.enforced and found.applied in _DROPPING
        )
        return header_text(f"rejected;rows={len(verdict.dropped_rows)};codes=" + ",".join(codes), 512)
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


def open_of(call: Call) -> Open:
    """The record that says a streamed answer has begun."""
    return Open(
        prediction_id=call.prediction_id,
        request_id=call.request_id,
        started_unix_ns=call.started_unix_ns,
        trace_id=call.trace.trace_id,
        method=call.method.decode("latin-1"),
        target=call.line.facts[1],
        policy_digest=call.line.guard.identity.digest if call.line.guard is not None else "",
        model_name=call.line.route.model_name if call.line.route is not None else "",
        upstream_status=call.upstream_status,
    )


_UNJUDGED: Final = ("", "", "", (), 0)
_CLEAN: Final = ("ok", "ok", "", (), 0)


def line_facts(method: str, target: str, route: Route | None, guard: Guard | None) -> tuple[str, ...]:
    """What every record of one request line says, in the order of `Exchange`: method to policy_digest."""
    digest = guard.identity.digest if guard is not None else ""
    path, mark, query = target.partition("?")
    target = f"{path}{mark}{redacted(query)}"  # a record never holds a credential
    if route is None:
        return (method, target, "", "other", "", "", digest)
    return (method, target, route.template, route.kind.value, route.protocol, route.model_name, digest)


def pack_exchange(call: Call, total_ns: int) -> tuple[tuple[Any, ...], tuple[bytes, ...]]:
    """The record and its payloads (kept only for judged calls, and only up to `max_payload`).

    The record is the tuple of an `Exchange`'s fields in their order: on the wire the same array, made in a third of the
    time that the record's own constructor takes.
    """
    line, verdict, head, trace = call.line, call.verdict, call.head, call.trace
    gateway = call.gateway
    limit = gateway.settings.max_payload_bytes
    sent, received = call.request_payload, call.response_payload
    sent_digest = received_digest = ""
    if len(sent) > limit:
        sent_digest, sent = _digest(sent), b""
    if len(received) > limit:
        received_digest, received = _digest(received), b""
    fields = (
        call.prediction_id,
        call.request_id,
        call.started_unix_ns,
        trace.trace_id,
        trace.span_id,
        trace.parent_span_id,
        trace.client_span_id,
        trace.flags,
        *line.facts,
        call.model_version,
        call.version_source,
        gateway.standing.identity_word(call.guard, call.model_version) if call.guard is not None else "",
        call.mode,
        *(_CLEAN if verdict is ACCEPTED else _judgement(verdict)),
        call.rows,
        call.status,
        call.upstream_status,
        call.error,
        "primary",
        "",
        True,
        1.0,
        total_ns,
        call.contract_ns,
        call.upstream_ns,
        call.first_byte_ns - call.started_ns if call.first_byte_ns else 0,
        head.caller,
        call.connection.peer,
        head.recorded if call.guard is None or not call.guard.recorded_headers else _with_features(call, call.guard),
        (("content-encoding", call.reply_coding),) if call.reply_coding else (),
        call.request_bytes,
        call.response_bytes,
        sent_digest,
        received_digest,
        call.request_edits,
        call.response_edits,
        None,
        call.fallback_rows,
        call.streamed,
        verdict.repaired_rows if verdict is not None else 0,
        line.pool.address.url,
        call.sent_ns - call.started_ns if call.sent_ns else 0,
        call.dropped_rows,
        call.left_out_rows,
    )
    return fields, (sent, received) if sent or received else ()


_LONGEST_HEADER: Final = 1024


def _with_features(call: Call, guard: Guard) -> list[tuple[str, str]]:
    """The recorded headers, and those that are features of the policy that judged."""
    head = call.head
    lookup = header_lookup(head)
    known = {name for name, _ in head.recorded}
    found = list(head.recorded)
    for name in guard.recorded_headers:
        value = lookup(name)
        if value is not None and name not in known and len(value) <= _LONGEST_HEADER:
            found.append((name, value))
    return found


def _judgement(verdict: Verdict | None) -> tuple[Any, ...]:
    if verdict is None:
        return _UNJUDGED
    return (verdict.outcome, verdict.would, verdict.reason, _listed(verdict.violations), verdict.total)


def _listed(violations: Iterable[Violation]) -> tuple[ListedViolation, ...]:
    return tuple(
        ListedViolation(
            v.code,
            v.feature,
            v.row,
            v.applied.value,
            "output" if v.code.startswith("prediction.") else "input",
            v.enforced,
        )
        for v in violations
    )


def _digest(body: bytes) -> str:
    return "b2:" + blake2b(body, digest_size=16).hexdigest()
