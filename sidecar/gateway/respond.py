"""The one place where errors become HTTP: problems of our own, in the caller's protocol or as RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from ..errors import UpstreamFault, WireFault
from ..families import members
from ..guard import GUARD_ERROR, Guard, Judged
from ..problem import Disclosure, Problem
from ..verdict import MAX_LISTED_VIOLATIONS, Violation

PROBLEM_JSON: Final = "application/problem+json"
_FRAGMENT: Final = "/~!$&'()*+,;=:@?"  # what RFC 3986 lets stand in a fragment as it is
_RETRY_AFTER_SECONDS: Final = 1
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_UPSTREAM: Final = {
    UpstreamFault.CONNECT: (503, "upstream-unavailable", "the model server cannot be reached"),
    UpstreamFault.SHED: (503, "overloaded", "too many requests are in flight"),
    UpstreamFault.CONNECT_TIMEOUT: (504, "timeout", "the model server did not accept a connection in time"),
    UpstreamFault.FIRST_BYTE_TIMEOUT: (504, "timeout", "the model server did not answer in time"),
    UpstreamFault.IDLE_TIMEOUT: (504, "timeout", "the model server stopped in the middle of its answer"),
    UpstreamFault.TOTAL_TIMEOUT: (504, "timeout", "the request took longer than it may"),
    UpstreamFault.RESET: (502, "bad-upstream-answer", "the model server closed without an answer"),
    UpstreamFault.TRUNCATED: (502, "bad-upstream-answer", "the model server's answer is incomplete"),
    UpstreamFault.BAD_ANSWER: (502, "bad-upstream-answer", "the model server's answer is not valid HTTP"),
}
_UNREAD: Final = {
    WireFault.MALFORMED: (400, "malformed-body"),
    WireFault.AMBIGUOUS: (400, "malformed-body"),
    WireFault.SHAPE: (422, "contract-violation"),
    WireFault.UNSUPPORTED: (415, "unsupported-body"),
    WireFault.TOO_LARGE: (413, "too-large"),
}
TIMEOUTS: Final = frozenset(
    {
        UpstreamFault.CONNECT_TIMEOUT,
        UpstreamFault.FIRST_BYTE_TIMEOUT,
        UpstreamFault.IDLE_TIMEOUT,
        UpstreamFault.TOTAL_TIMEOUT,
    }
)


def status_line(status: int, reason: bytes = b"") -> bytes:
    """`HTTP/1.1 200 OK` with its CRLF; the reason phrase is the server's own where it sent one."""
    return _STATUS_LINES.get((status, reason)) or b"HTTP/1.1 %d %b\r\n" % (status, reason or _phrase(status))


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


_STATUS_LINES: Final = {
    (status.value, reason): b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
    for reason in {b"", status.phrase.encode()}
}


def upstream_problem(fault: UpstreamFault) -> Problem:
    """What a caller is told when the model server failed; never its address."""
    status, kind, detail = _UPSTREAM[fault]
    return Problem(
        status=status,
        kind=kind,
        title="The model did not answer",
        detail=detail,
        retry_after_seconds=_RETRY_AFTER_SECONDS if status == 503 else None,
    )


def overloaded(detail: str) -> Problem:
    """Shed before anything was sent."""
    return Problem(503, "overloaded", "Too busy", detail, retry_after_seconds=_RETRY_AFTER_SECONDS)


def input_problem(guard: Guard, judged: Judged) -> Problem:
    """Why a request was refused: 400, 413, 415 or 422; 503 when our own check failed."""
    verdict = judged.verdict
    disclosure = guard.disclosure
    if judged.fault is not None:
        status, kind = _UNREAD[judged.fault.fault]
        where = f" at {judged.fault.pointer}" if judged.fault.pointer else ""
        at = "" if judged.fault.offset is None else f"byte {judged.fault.offset}"
        offset = f" ({at})" if at and at not in judged.fault.message else ""  # most messages say it themselves
        detail = "" if disclosure is Disclosure.MINIMAL else f"{judged.fault.message}{where}{offset}"
        return Problem(status, kind, "The body cannot be checked", detail, disclosure=disclosure)
    if verdict.reason == GUARD_ERROR:
        return Problem(
            503, "contract-unavailable", "The check itself failed", "the owner of the policy has been told",
            retry_after_seconds=_RETRY_AFTER_SECONDS, disclosure=disclosure,
        )  # fmt: skip
    refused = len(verdict.rejected_rows)
    return Problem(
        status=422,
        kind="contract-violation",
        title="The request breaks the input contract",
        detail=f"{refused} of {judged.rows} rows refused, nothing sent to the model",
        contact=guard.identity.contact,
        violations=verdict.violations,
        violations_total=verdict.total,
        rows=judged.rows,
        rows_refused=refused,
        disclosure=disclosure,
        fault="caller",
        contacts=guard.identity.contacts,
        headers=guard.feature_headers,
    )


def output_problem(guard: Guard, judged: Judged, rows: int = 0, left_out: Sequence[int] = ()) -> Problem:
    """Why the model's answer was withheld: 502. Pointers lead into that answer; rows are the request's `rows`, of
    which `left_out` were not sent: then pointers are to the whole, as in the answer its rows count otherwise."""
    violations = judged.verdict.violations
    if left_out:
        absent = frozenset(left_out)
        sent = [row for row in range(rows) if row not in absent]
        violations = tuple(
            [
                replace(each, pointer="", row=sent[each.row] if 0 <= each.row < len(sent) else each.row)
                for each in violations
            ]
        )
    detail = "the model's answer breaks the output contract and the policy has no fallback for it"
    if judged.fault is not None:
        detail = "the model's answer cannot be read as the policy's protocol"
    return Problem(
        502,
        "output-violation",
        "The model's answer was withheld",
        detail,
        contact=guard.identity.contact,
        violations=violations,
        violations_total=judged.verdict.total,
        rows=rows or judged.rows,
        disclosure=guard.disclosure,
        fault="model",
        contacts=guard.identity.contacts,
    )


def render(problem: Problem, protocol: str, accept: bytes) -> tuple[bytes, bytes]:
    """(content type, body): the protocol's own error shape unless the caller asks for problem+json or it has none."""
    if protocol and b"application/problem+json" not in accept:
        member = members("sidecar.wire").get(protocol)
        shaped = member.render(problem) if member is not None else None
        if shaped is not None:
            content_type, body = shaped
            return content_type.encode(), body
    return PROBLEM_JSON.encode(), problem_json(problem)


def _error(problem: Problem, violation: Violation) -> dict[str, Any]:
    """One of `errors`; the pointer is a URI fragment (RFC 6901 section 6)."""
    header = "" if violation.pointer else problem.headers.get(violation.feature, "")
    error: dict[str, Any] = {"header": header} if header else {"pointer": f"#{quote(violation.pointer, _FRAGMENT)}"}
    # What did not refuse (a warning, a repair, a rule that observes) is told beside what did: mend what rejects.
    action = violation.applied.value if violation.enforced else "observe"
    error |= {"row": violation.row, "code": violation.code, "action": action}
    if problem.disclosure is Disclosure.FULL:
        error["detail"] = violation.message
    if problem.fault:
        error["fault"] = problem.fault
    contact = problem.contact_of(violation)
    if contact:
        error["contact"] = contact
    return error


def problem_json(problem: Problem) -> bytes:
    """RFC 9457. Values of the body are never in it."""
    document: dict[str, Any] = {
        "type": f"urn:sidecar:problem:{problem.kind}",
        "status": problem.status,
        "title": problem.title,
        "instance": f"urn:request:{problem.request_id}",
    }
    if problem.trace_id:
        document["trace_id"] = problem.trace_id
    if problem.disclosure is not Disclosure.MINIMAL:
        document["detail"] = problem.detail
        if problem.policy:
            document["policy"] = problem.policy
        if problem.contact:
            document["contact"] = problem.contact
        if problem.rows:
            document["rows"] = {"received": problem.rows, "refused": problem.rows_refused}
        if problem.violations:
            shown = problem.violations[:MAX_LISTED_VIOLATIONS]
            document["errors"] = [_error(problem, violation) for violation in shown]
            document["errors_total"] = problem.violations_total
            document["errors_shown"] = len(shown)
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()
