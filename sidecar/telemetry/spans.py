"""Every span and attribute name, and the spans that a record becomes: two, and one of the guard where it took long or
acted. Names are declared here and nowhere else.

In: one record, with the policy of its day. Out: `opentelemetry.sdk.trace.ReadableSpan`, with the ids that the headers
carried and the times that were measured: made off the hot path, and the same however often it is made. HTTP semantic
conventions 1.44. Never: a value from a body, a header that no list names, a signature in a URL.
Both spans end with the answer's last byte, streams too; the time to the first one is `sidecar.first_byte.duration`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from .. import __version__
from ..exchange import Exchange, Shadow
from . import http
from .events import CONTRACT_VIOLATION

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
# Recorded headers that are told under their own name; the record has allow-listed ones alone.
HEADERS: Final = frozenset({"content-type", "content-encoding"})

SHADOW_SPAN: Final = "shadow"
GUARD_SPAN: Final = "contract"
LINK_ROLE: Final = "sidecar.link.role"

# name → (on which span, what it says); the README's table
ATTRIBUTES: Final[Mapping[str, tuple[str, str]]] = {
    "http.request.method": ("all", "the method; `_OTHER` for one that is not known"),
    "http.request.method_original": ("all", "that method as sent"),
    "http.route": ("SERVER", "the route's template, never the path"),
    "url.path": ("SERVER", "the path as sent"),
    "url.query": ("SERVER", "the query; values that sign a request are `REDACTED`"),
    "url.scheme": ("SERVER", "`http` or `https`"),
    "url.full": ("CLIENT, shadow", "what was asked of the model server or the candidate, redacted in the same way"),
    "server.address": ("CLIENT, shadow", "its host, or the path of its socket"),
    "server.port": ("CLIENT, shadow", "its port"),
    "client.address": ("SERVER", "the caller's address"),
    "user_agent.original": ("SERVER", "the caller's User-Agent"),
    "http.request.header.content-type": ("SERVER", "as sent"),
    "http.request.header.content-encoding": ("SERVER", "as sent"),
    "http.response.header.content-encoding": ("CLIENT", "as the model server sent it"),
    "http.response.status_code": ("all", "sent to the caller; received from the model server"),
    "http.request.body.size": ("SERVER", "bytes"),
    "http.response.body.size": ("SERVER", "bytes"),
    "error.type": ("all", "only on errors: what went wrong, or the status"),
    "sidecar.prediction.id": ("all", "as in `x-prediction-id`: `sidecar explain` takes it"),
    "sidecar.request.id": ("SERVER", "as in `x-request-id`"),
    "sidecar.caller": ("SERVER", "who the caller says it is"),
    "sidecar.policy.name": ("SERVER, INTERNAL, shadow", "the policy that judged"),
    "sidecar.policy.version": ("SERVER, INTERNAL", "its version"),
    "sidecar.policy.digest": ("SERVER, INTERNAL, shadow", "of the resolved policy"),
    "sidecar.mode": ("SERVER, INTERNAL", "`off`, `observe` or `enforce`"),
    "sidecar.verdict": ("SERVER, INTERNAL", "what the contract did"),
    "sidecar.would": ("SERVER, INTERNAL", "what enforcing would have done"),
    "sidecar.reason": ("SERVER", "why a body could not be checked"),
    "sidecar.error": ("SERVER", "what kept the model's answer from the caller"),
    "sidecar.rows": ("SERVER, INTERNAL, shadow", "rows in the request"),
    "sidecar.violations": ("SERVER, INTERNAL", "broken checks; the first are events of the SERVER span"),
    "sidecar.protocol": ("SERVER", "of the model server"),
    "sidecar.model.name": ("both", "the model asked for"),
    "sidecar.model.version": ("all", "as the model stated it"),
    "sidecar.model.identity": ("SERVER", "`match`, `mismatch` or `unstated`"),
    "sidecar.arm": ("CLIENT", "which version of the model was asked"),
    "sidecar.shadow.candidate": ("shadow", "the candidate that was sent a copy"),
    "sidecar.shadow.outcome": ("shadow", "what became of it"),
    "sidecar.shadow.differences": ("shadow", "places where the answers differ beyond tolerance"),
    "sidecar.streamed": ("SERVER", "the answer was a stream"),
    "sidecar.contract.duration": ("SERVER", "decoding and checking, in seconds"),
    "sidecar.overhead.duration": ("SERVER", "what the sidecar added, in seconds"),
    "sidecar.first_byte.duration": ("SERVER", "until the answer's first byte, in seconds"),
}

_SCOPE: Final = InstrumentationScope("sidecar", __version__, SCHEMA_URL)
_ERROR: Final = Status(StatusCode.ERROR)  # no description: `error.type` says it
_UNSET: Final = Status(StatusCode.UNSET)
_LONG_NS: Final = 1_000_000
_ACTED: Final = frozenset({"rejected", "repaired", "fallback"})


@lru_cache(maxsize=64)
def resource(replica: str, environment: str) -> Resource:
    """Who says it. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win."""
    stated = {
        "service.name": "sidecar",
        "service.version": __version__,
        "service.instance.id": replica,
        "deployment.environment.name": environment,
    }
    told = Resource({name: value for name, value in stated.items() if value})
    return told.merge(OTELResourceDetector().detect())


def spans_of(
    record: Exchange,
    *,
    policy: tuple[str, str] = ("", ""),
    replica: str = "",
    environment: str = "",
    scheme: str = "http",
) -> tuple[ReadableSpan, ...]:
    """The SERVER span; its CLIENT child, where there was a call upstream; and an INTERNAL child for the contract, where
    it took more than a millisecond or changed or refused something. `policy`: name and version.

    ValueError for ids that are not hexadecimal.
    """
    about = resource(replica, environment)
    spans = [_server(record, policy, about, scheme)]
    if http.was_sent(record):
        spans.append(_client(record, about))
    if record.contract_ns > _LONG_NS or (record.contract_ns and record.verdict in _ACTED):
        spans.append(_guard(record, policy, about))
    return tuple(spans)


def shadow_span(record: Shadow, *, replica: str = "", environment: str = "") -> ReadableSpan:
    """A copy that was sent to a candidate: the root of a trace of its own, linked to the exchange it was made of.

    Never its child: the caller's request had its answer before the copy left. ValueError for ids that are not
    hexadecimal.
    """
    error = http.shadow_error(record)
    address, port = http.server_of(record.upstream)
    attributes = {
        **(_method(record.method) if record.method else {}),  # older records do not say what was asked, and of whom
        "url.full": http.full_url(record.upstream, record.target) if record.upstream else "",
        "server.address": address,
        "server.port": port if record.upstream else 0,
        "http.response.status_code": record.status,
        "error.type": error,
        "sidecar.prediction.id": record.prediction_id,
        "sidecar.policy.name": record.policy,
        "sidecar.policy.digest": record.policy_digest,
        "sidecar.rows": record.rows,
        "sidecar.model.version": record.model_version,
        "sidecar.shadow.candidate": record.candidate,
        "sidecar.shadow.outcome": record.outcome,
        "sidecar.shadow.differences": record.differences_total,
    }
    linked = SpanContext(int(record.link_trace_id, 16), int(record.link_span_id, 16), False)
    return ReadableSpan(
        SHADOW_SPAN,
        _context(record.trace_id, record.span_id, 0, remote=False),
        None,
        resource(replica, environment),
        _stated(attributes),
        links=(Link(linked, {LINK_ROLE: "primary"}),),
        kind=SpanKind.CLIENT,
        status=_ERROR if error else _UNSET,
        start_time=record.sent_unix_ns,
        end_time=record.sent_unix_ns + max(record.latency_ns, 0),
        instrumentation_scope=_SCOPE,
    )


def _server(record: Exchange, policy: tuple[str, str], about: Resource, scheme: str) -> ReadableSpan:
    path, query = http.path_and_query(record.target)
    start, end = record.started_unix_ns, record.started_unix_ns + max(record.total_ns, 0)
    error = http.server_error(record)
    attributes: dict[str, Any] = {
        **_method(record.method),
        **_judgement(record, policy),
        "http.route": record.route,
        "url.path": path,
        "url.query": query,
        "url.scheme": scheme,
        "client.address": record.client_address,
        "http.response.status_code": record.status,
        "http.request.body.size": record.request_bytes,
        "http.response.body.size": record.response_bytes,
        "error.type": error,
        "sidecar.request.id": record.request_id,
        "sidecar.caller": record.caller,
        "sidecar.reason": record.reason,
        "sidecar.error": record.error,
        "sidecar.protocol": record.protocol,
        "sidecar.model.name": record.model_name,
        "sidecar.model.version": record.model_version,
        "sidecar.model.identity": record.identity,
        "sidecar.streamed": record.streamed,
        "sidecar.contract.duration": record.contract_ns / 1e9,
        "sidecar.overhead.duration": max(record.total_ns - record.upstream_ns, 0) / 1e9,
        "sidecar.first_byte.duration": record.first_byte_ns / 1e9,
    }
    for name, value in record.request_headers:
        if name == "user-agent":
            attributes["user_agent.original"] = value
        elif name in HEADERS:
            attributes[f"http.request.header.{name}"] = [value]
    return ReadableSpan(
        _name(record, record.route),
        _context(record.trace_id, record.span_id, record.trace_flags, remote=False),
        _parent(record),
        about,
        _stated(attributes),
        _violations(record, start, end),
        kind=SpanKind.SERVER,
        status=_ERROR if error else _UNSET,
        start_time=start,
        end_time=end,
        instrumentation_scope=_SCOPE,
    )


def _client(record: Exchange, about: Resource) -> ReadableSpan:
    address, port = http.server_of(record.upstream)
    error = http.client_error(record)
    attributes: dict[str, Any] = {
        **_method(record.method),
        "url.full": http.full_url(record.upstream, record.target),
        "server.address": address,
        "server.port": port,
        "http.response.status_code": record.upstream_status,
        "error.type": error,
        "sidecar.prediction.id": record.prediction_id,
        "sidecar.model.name": record.model_name,
        "sidecar.model.version": record.model_version,
        "sidecar.arm": record.arm,
    }
    for name, value in record.response_headers:
        if name in HEADERS:
            attributes[f"http.response.header.{name}"] = [value]
    start = record.started_unix_ns + max(record.sent_ns, 0)
    # A leg that never got a connection has no times of its own: it lasted as long as the call.
    lasted = record.upstream_ns if record.sent_ns else record.total_ns
    return ReadableSpan(
        _name(record, ""),
        _context(record.trace_id, record.client_span_id, record.trace_flags, remote=False),
        _context(record.trace_id, record.span_id, record.trace_flags, remote=False),
        about,
        _stated(attributes),
        kind=SpanKind.CLIENT,
        status=_ERROR if error else _UNSET,
        start_time=start,
        end_time=start + max(lasted, 0),
        instrumentation_scope=_SCOPE,
    )


def _guard(record: Exchange, policy: tuple[str, str], about: Resource) -> ReadableSpan:
    """Decoding and checking. The record has one time for both sides: it is told as if it were all before the call."""
    # Always the same id for the same call: a span that is sent again is no second one
    span_id = blake2b(bytes.fromhex(record.span_id), digest_size=8, person=b"guard").hexdigest()
    start = record.started_unix_ns
    return ReadableSpan(
        GUARD_SPAN,
        _context(record.trace_id, span_id, record.trace_flags, remote=False),
        _context(record.trace_id, record.span_id, record.trace_flags, remote=False),
        about,
        _stated(_judgement(record, policy)),
        kind=SpanKind.INTERNAL,
        start_time=start,
        end_time=start + record.contract_ns,
        instrumentation_scope=_SCOPE,
    )


def _judgement(record: Exchange, policy: tuple[str, str]) -> dict[str, Any]:
    return {
        "sidecar.prediction.id": record.prediction_id,
        "sidecar.policy.name": policy[0],
        "sidecar.policy.version": policy[1],
        "sidecar.policy.digest": record.policy_digest,
        "sidecar.mode": record.mode,
        "sidecar.verdict": record.verdict,
        "sidecar.would": record.would,
        "sidecar.rows": record.rows,
        "sidecar.violations": record.violations_total,
    }


def _name(record: Exchange, route: str) -> str:
    """`{method} {route}`, or the method alone: never the path."""
    method = http.known_method(record.method)
    word = "HTTP" if method == http.OTHER_METHOD else method
    return f"{word} {route}" if route else word


def _method(sent: str) -> dict[str, str]:
    method = http.known_method(sent)
    if method == sent:
        return {"http.request.method": method}
    return {"http.request.method": method, "http.request.method_original": sent}


def _context(trace_id: str, span_id: str, flags: int, *, remote: bool) -> SpanContext:
    """What is exported was sampled, whoever decided it."""
    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, TraceFlags(flags | TraceFlags.SAMPLED))


def _parent(record: Exchange) -> SpanContext | None:
    if not record.parent_span_id:
        return None
    return _context(record.trace_id, record.parent_span_id, record.trace_flags, remote=True)


def _violations(record: Exchange, start: int, end: int) -> tuple[Event, ...]:
    """Each with the moment its side was read: the request before it was sent, the answer at the end."""
    read = start + record.sent_ns if record.sent_ns else end
    return tuple(
        Event(
            CONTRACT_VIOLATION,
            _stated(
                {
                    "sidecar.violation.code": violation.code,
                    "sidecar.violation.feature": violation.feature,
                    "sidecar.violation.row": violation.row,
                    "sidecar.violation.applied": violation.applied,
                    "sidecar.violation.side": violation.side,
                }
            ),
            timestamp=end if violation.side == "output" else read,
        )
        for violation in record.violations
    )


_ZERO_IS_NOTHING: Final = frozenset(
    {"http.response.status_code", "server.port", "sidecar.first_byte.duration", "sidecar.rows"}
)


def _stated(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Without what nobody stated."""
    return {
        name: value
        for name, value in attributes.items()
        if value != "" and value is not False and not (value == 0 and name in _ZERO_IS_NOTHING)
    }
