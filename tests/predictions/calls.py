"""Finished calls as the gateway records them: judged by the real guard, told as a frame."""

from __future__ import annotations

from typing import Any

from sidecar.exchange import Edit, Exchange, Kind, ListedViolation, encode
from sidecar.guard import Guard, Judged
from sidecar.journal import Read
from sidecar.verdict import Outcome, Violation, gravest, in_request

START = 1_767_323_045_123_456_789  # 2026-01-02T03:04:05.123456789Z


def prediction_id(number: int) -> str:
    return f"019b7c00-0000-7000-8000-{number:012d}"


def exchange(number: int = 1, **other: Any) -> Exchange:
    """A clean call without payloads."""
    fields: dict[str, Any] = {
        "prediction_id": prediction_id(number), "request_id": f"r-{number}", "started_unix_ns": START + number * 10**9,
        "trace_id": "1" * 32, "span_id": "2" * 16, "parent_span_id": "", "client_span_id": "", "trace_flags": 1,
        "method": "POST", "target": "/v2/models/credit/infer?who=me", "route": "/v2/models/{model}/infer",
        "route_kind": "inference", "protocol": "oip", "model_name": "credit", "model_version": "14",
        "version_source": "body", "policy_digest": "", "identity": "match", "mode": "enforce", "verdict": "ok",
        "would": "ok", "reason": "", "status": 200, "upstream_status": 200, "total_ns": 1_500_000,
        "contract_ns": 100_000, "upstream_ns": 1_200_000, "rows": 1, "caller": "mobile",
    }  # fmt: skip
    return Exchange(**(fields | other))


def read_of(record: Exchange, payloads: tuple[bytes, ...] = (), kind: Kind = Kind.EXCHANGE, number: int = 0) -> Read:
    return Read(
        kind, record, encode(record), payloads, "hot-0", "0000000001-20260102T030405Z.seg", 64, number, "pod-1", "test"
    )


def judged_call(
    guard: Guard, request: bytes, reply: bytes | None = None, number: int = 1, **other: Any
) -> tuple[Exchange, tuple[bytes, ...]]:
    """The record of one call: what the gateway does, without its sockets. `reply` None = the model did not answer."""
    now = (START + number * 10**9) / 1e9
    asked = guard.judge_request(request, "", lambda name: None, "mobile", now)
    outcome, status, fallback_rows = asked.verdict.outcome, 200, asked.verdict.fallback_rows
    dropped_rows = asked.verdict.dropped_rows
    left_out = tuple(sorted(fallback_rows + dropped_rows))
    answered: Judged | None = None
    upstream_status = 0
    nothing_to_send = bool(left_out) and len(left_out) >= asked.rows
    if asked.verdict.refused:
        status = 422
    elif not nothing_to_send and reply is not None:
        upstream_status = 200
        sent = asked.rows - len(left_out)
        answered = guard.judge_reply(
            reply, "", "mobile", now, sent_rows=sent, fallback_rows=fallback_rows, dropped_rows=dropped_rows
        )
        found = in_request(answered.verdict, asked.rows, left_out)
        fallback_rows = tuple(sorted({*fallback_rows, *found.fallback_rows}))
        dropped_rows = tuple(sorted({*dropped_rows, *found.dropped_rows}))
        outcome = Outcome(gravest((outcome, answered.verdict.outcome)))
        status = 502 if answered.verdict.refused else 200
    elif reply is None and not nothing_to_send:
        status = 502
    listed = [*asked.verdict.violations, *(answered.verdict.violations if answered else ())]
    record = exchange(
        number,
        policy_digest=guard.identity.digest,
        verdict=outcome.value,
        would=outcome.value,
        rows=asked.rows,
        status=status,
        upstream_status=upstream_status,
        violations=tuple(map(_listed, listed)),
        violations_total=len(listed),
        request_edits=tuple(Edit(*span) for span in asked.edits),
        response_edits=tuple(Edit(*span) for span in answered.edits) if answered else (),
        fallback_rows=fallback_rows,
        dropped_rows=dropped_rows,
        left_out_rows=left_out,
        **other,
    )
    return record, (request, reply if upstream_status and reply is not None else b"")


def _listed(item: Violation) -> ListedViolation:
    side = "output" if item.code.startswith("prediction.") else "input"
    return ListedViolation(item.code, item.feature, item.row, item.applied.value, side, item.enforced)
