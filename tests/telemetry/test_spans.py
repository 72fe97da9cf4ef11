"""One record, two spans: the ids the headers carried, the times that were measured, names of the conventions."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from sidecar.exchange import Exchange, ListedViolation, Shadow
from sidecar.telemetry.events import CONTRACT_VIOLATION, SPAN_EVENTS
from sidecar.telemetry.sampling import Sampling
from sidecar.telemetry.spans import ATTRIBUTES, LINK_ROLE, resource, shadow_span, spans_of

from ..observers.calls import DIGEST, MILLISECOND, STARTED_UNIX_NS, exchange

FULL: dict[str, Any] = {
    "target": "/v2/models/credit/infer?sig=secret&a=1",
    "request_headers": (("user-agent", "curl/8"), ("content-type", "application/json"), ("x-team", "t")),
    "response_headers": (("content-encoding", "gzip"),),
    "caller": "mobile",
    "reason": "malformed",
    "error": "bad_answer",
    "streamed": True,
    "status": 502,
    "upstream_status": 500,
    "request_bytes": 10,
    "response_bytes": 20,
    "method": "BREW",
}


def both(record: Exchange) -> tuple[ReadableSpan, ReadableSpan]:
    server, client, *_ = spans_of(record, policy=("credit-risk", "2.3.0"), replica="pod-1", environment="test")
    return server, client


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_the_spans_are_the_ones_that_the_headers_spoke_of() -> None:
    record = exchange(parent_span_id="b" * 16, trace_flags=3)
    server, client = both(record)
    assert server.context and server.parent and client.context and client.parent
    assert {span.context.trace_id for span in (server, client) if span.context} == {int(record.trace_id, 16)}
    assert server.context.span_id == int(record.span_id, 16) == client.parent.span_id
    assert client.context.span_id == int(record.client_span_id, 16)
    assert (server.parent.span_id, server.parent.is_remote) == (int("b" * 16, 16), True)
    assert not client.parent.is_remote
    assert (server.kind, client.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert spans_of(exchange())[0].parent is None


def test_the_times_are_the_ones_that_were_measured() -> None:
    server, client = both(exchange())
    assert (server.start_time, server.end_time) == (STARTED_UNIX_NS, STARTED_UNIX_NS + 10 * MILLISECOND)
    assert (client.start_time, client.end_time) == (STARTED_UNIX_NS + MILLISECOND, STARTED_UNIX_NS + 9 * MILLISECOND)
    assert told(server)["sidecar.overhead.duration"] == 0.002
    assert told(server)["sidecar.first_byte.duration"] == 0.009


def test_names_are_methods_and_templates_and_never_paths() -> None:
    server, client = both(exchange())
    assert (server.name, client.name) == ("POST /v2/models/{model}/infer", "POST")
    server, client = both(exchange(method="BREW", route=""))
    assert (server.name, client.name) == ("HTTP", "HTTP")
    for span in (server, client):
        assert told(span)["http.request.method"] == "_OTHER"
        assert told(span)["http.request.method_original"] == "BREW"


@pytest.mark.parametrize(
    ("changes", "server_type", "client_type"),
    [
        ({}, None, None),
        ({"status": 302, "upstream_status": 302}, None, None),
        ({"status": 404, "upstream_status": 404}, None, "404"),
        ({"status": 500, "upstream_status": 500}, "500", "500"),
        ({"status": 504, "upstream_status": 0, "error": "idle_timeout"}, "idle_timeout", "idle_timeout"),
        ({"status": 502, "error": "output-violation"}, "output-violation", None),
        ({"status": 200, "upstream_status": 503, "verdict": "fallback"}, None, "503"),
        ({"status": 0, "upstream_status": 0, "error": "client_abort"}, None, None),
    ],
)  # fmt: skip
def test_an_error_is_one_on_the_side_where_it_is(
    changes: dict[str, Any], server_type: str | None, client_type: str | None
) -> None:
    for span, error in zip(both(exchange(**changes)), (server_type, client_type), strict=True):
        assert told(span).get("error.type") == error
        assert span.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
        assert span.status.description is None


def test_what_never_went_upstream_has_no_client_span() -> None:
    refused = {"status": 422, "upstream_status": 0, "upstream_ns": 0, "sent_ns": 0, "verdict": "rejected"}
    assert SpanKind.CLIENT not in [span.kind for span in spans_of(exchange(**refused))]
    shed = refused | {"status": 503, "error": "shed", "verdict": ""}
    assert [span.kind for span in spans_of(exchange(**shed))] == [SpanKind.SERVER]


def test_a_leg_that_found_no_connection_has_a_client_span_as_long_as_the_call() -> None:
    never = {"status": 502, "upstream_status": 0, "upstream_ns": 0, "sent_ns": 0, "error": "connect_error"}
    server, client = both(exchange(**never))
    assert (client.start_time, client.end_time) == (server.start_time, server.end_time)
    assert told(client)["error.type"] == "connect_error"


def test_attributes_say_who_what_and_where_and_every_one_of_them_is_declared() -> None:
    server, client = both(exchange(**FULL))
    attributes = told(server)
    assert attributes["url.path"] == "/v2/models/credit/infer"
    assert attributes["url.query"] == "sig=REDACTED&a=1"
    assert attributes["http.route"] == "/v2/models/{model}/infer"
    assert attributes["user_agent.original"] == "curl/8"
    assert attributes["http.request.header.content-type"] == ["application/json"]
    assert attributes["sidecar.policy.name"] == "credit-risk"
    assert attributes["sidecar.policy.digest"] == DIGEST
    assert attributes["sidecar.verdict"] == "ok"
    assert attributes["client.address"] == "10.0.0.7"
    assert told(client)["url.full"] == "http://10.1.2.3:8080/v2/models/credit/infer?sig=REDACTED&a=1"
    assert (told(client)["server.address"], told(client)["server.port"]) == ("10.1.2.3", 8080)
    declared = {
        span: {n for n, (on, _) in ATTRIBUTES.items() if span in on or on in ("both", "all")}
        for span in ("SERVER", "CLIENT")
    }
    assert attributes.keys() <= declared["SERVER"]
    assert told(client).keys() <= declared["CLIENT"]
    for name, (on, _) in ATTRIBUTES.items():
        assert (
            on == "shadow"
            or name in attributes
            or name in told(client)
            or name == "http.request.header.content-encoding"
        )


def test_headers_that_no_list_names_and_signatures_are_nowhere() -> None:
    shown = repr([(span.name, told(span)) for span in both(exchange(**FULL))])
    assert "x-team" not in shown
    assert "secret" not in shown


def test_a_socket_has_no_port() -> None:
    _, client = both(exchange(upstream="unix:/run/model.sock"))
    assert told(client)["server.address"] == "/run/model.sock"
    assert "server.port" not in told(client)


def test_broken_checks_are_events_of_the_server_span() -> None:
    listed = (
        ListedViolation("age.min", "age", 0, "reject", "input"),
        ListedViolation("prediction.score.max", "score", 0, "fallback", "output"),
    )
    server, _ = both(exchange(violations=listed, violations_total=7))
    assert [(event.name, event.timestamp) for event in server.events] == [
        (CONTRACT_VIOLATION, STARTED_UNIX_NS + MILLISECOND),
        (CONTRACT_VIOLATION, STARTED_UNIX_NS + 10 * MILLISECOND),
    ]
    assert {event.name for event in server.events} <= SPAN_EVENTS.keys()
    assert dict(server.events[0].attributes or {}) == {
        "sidecar.violation.code": "age.min",
        "sidecar.violation.feature": "age",
        "sidecar.violation.row": 0,
        "sidecar.violation.applied": "reject",
        "sidecar.violation.side": "input",
    }
    assert told(server)["sidecar.violations"] == 7


def test_the_resource_says_which_replica() -> None:
    about = resource("pod-1", "production").attributes
    assert about["service.name"] == "sidecar"
    assert about["service.instance.id"] == "pod-1"
    assert about["deployment.environment.name"] == "production"


def test_the_same_record_gives_the_same_spans_again() -> None:
    one, two = both(exchange(**FULL)), both(exchange(**FULL))
    assert [span.to_json() for span in one] == [span.to_json() for span in two]


def copy(**changes: Any) -> Shadow:
    facts: dict[str, Any] = {
        "prediction_id": "p", "request_id": "r", "policy": "credit-risk", "policy_digest": DIGEST, "candidate": "v15",
        "run": "1", "outcome": "compared", "at_unix_ns": STARTED_UNIX_NS + 5, "sent_unix_ns": STARTED_UNIX_NS,
        "status": 200, "latency_ns": MILLISECOND, "trace_id": "c" * 32, "span_id": "d" * 16,
        "link_trace_id": exchange().trace_id, "link_span_id": exchange().span_id, "rows": 2, "differences_total": 3,
        "method": "POST", "upstream": "http://candidate:8081", "target": "/v2/models/m/infer?sig=s3cret",
    }  # fmt: skip
    return Shadow(**(facts | changes))


def test_a_copy_is_the_root_of_a_trace_of_its_own_linked_to_the_exchange() -> None:
    span = shadow_span(copy(), replica="pod-1", environment="test")
    assert span.context is not None
    assert (span.context.trace_id, span.parent, span.kind) == (int("c" * 32, 16), None, SpanKind.CLIENT)
    (link,) = span.links
    assert (link.context.trace_id, link.context.span_id) == (int(exchange().trace_id, 16), int(exchange().span_id, 16))
    assert dict(link.attributes or {}) == {LINK_ROLE: "primary"}
    assert (span.start_time, span.end_time) == (STARTED_UNIX_NS, STARTED_UNIX_NS + MILLISECOND)
    assert told(span)["sidecar.shadow.candidate"] == "v15"
    assert told(span)["sidecar.shadow.differences"] == 3
    assert told(span).keys() <= {n for n, (on, _) in ATTRIBUTES.items() if "shadow" in on or on == "all"}


def test_a_copy_says_what_was_asked_of_whom_as_http_clients_do() -> None:
    said = told(shadow_span(copy()))
    assert said["http.request.method"] == "POST"
    assert said["url.full"] == "http://candidate:8081/v2/models/m/infer?sig=REDACTED"
    assert (said["server.address"], said["server.port"]) == ("candidate", 8081)
    older = told(shadow_span(copy(method="", upstream="", target="")))
    assert not older.keys() & {"http.request.method", "url.full", "server.address", "server.port"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, None),
        ({"status": 500}, "500"),
        ({"status": 0, "error": "reset"}, "reset"),
        ({"error": "no room"}, "_OTHER"),
    ],
)
def test_a_copy_that_failed_says_so(changes: dict[str, Any], error: str | None) -> None:
    span = shadow_span(copy(**changes))
    assert told(span).get("error.type") == error
    assert span.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)


@pytest.mark.parametrize(
    ("changes", "told_of"),
    [
        ({}, False),
        ({"contract_ns": MILLISECOND}, False),
        ({"contract_ns": MILLISECOND + 1}, True),
        ({"verdict": "observed"}, False),
        ({"verdict": "repaired"}, True),
        ({"verdict": "fallback"}, True),
        ({"verdict": "rejected", "status": 422, "upstream_status": 0, "sent_ns": 0, "upstream_ns": 0}, True),
        ({"verdict": "rejected", "contract_ns": 0}, False),
    ],
)
def test_the_guard_has_a_span_where_it_took_long_or_acted(changes: dict[str, Any], told_of: bool) -> None:
    record = exchange(**changes)
    server, *others = spans_of(record, policy=("credit", "1.2.0"))
    guards = [span for span in others if span.kind is SpanKind.INTERNAL]
    assert len(guards) == told_of
    for span in guards:
        assert span.name == "contract"
        assert span.parent is not None
        assert span.context is not None
        assert (span.parent.span_id, span.context.trace_id) == (int(record.span_id, 16), int(record.trace_id, 16))
        assert span.context.span_id not in {int(record.span_id, 16), int(record.client_span_id, 16), 0}
        assert (span.start_time or 0) + record.contract_ns == span.end_time
        assert (span.end_time or 0) <= (server.end_time or 0)
        assert told(span)["sidecar.verdict"] == record.verdict
        assert told(span).keys() <= {n for n, (on, _) in ATTRIBUTES.items() if "INTERNAL" in on or on == "all"}
        (again,) = [each for each in spans_of(record) if each.kind is SpanKind.INTERNAL]
        assert again.context is not None
        assert again.context.span_id == span.context.span_id


def test_copies_are_exported_with_their_exchange_or_when_they_failed() -> None:
    assert Sampling(1.0).keeps_copy(copy())
    assert not Sampling(0.0).keeps_copy(copy())
    assert Sampling(0.0).keeps_copy(copy(error="reset"))
    assert not Sampling(0.0, always=()).keeps_copy(copy(error="reset"))
    assert not Sampling(1.0).keeps_copy(copy(sent_unix_ns=0)), "never sent"
    assert not Sampling(1.0).keeps_copy(copy(trace_flags=2)), "the caller did not sample the call"
    assert Sampling(0.0).keeps_copy(copy(trace_flags=3))
