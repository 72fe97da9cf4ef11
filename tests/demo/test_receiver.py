"""The demo's collector keeps what the real exporter sends, and refuses what is no export."""

from __future__ import annotations

import gzip

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidecar.demo.ports import pick
from sidecar.demo.receiver import receiving, spans_in

ID = "01a20a92-ae61-7c5f-849b-40cc35abc8d5"


def export() -> bytes:
    """One SERVER span with an attribute and a link."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.name, span.kind = "POST", 2
    span.trace_id, span.span_id, span.parent_span_id = b"\x01" * 16, b"\x02" * 8, b""
    span.start_time_unix_nano, span.end_time_unix_nano = 1_000_000, 3_500_000
    for key, text in (("sidecar.prediction.id", ID), ("sidecar.verdict", "ok")):
        pair = span.attributes.add()
        pair.key, pair.value.string_value = key, text
    span.links.add().trace_id = b"\x03" * 16
    return bytes(request.SerializeToString())


def test_a_span_is_read_as_it_was_sent() -> None:
    (span,) = spans_in(export())
    assert (span.name, span.kind, span.milliseconds) == ("POST", "SERVER", 2.5)
    assert (span.trace_id, span.span_id, span.parent_id) == ("01" * 16, "02" * 8, "")
    assert span.attributes["sidecar.verdict"] == "ok"
    assert span.linked == ("03" * 16,)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_what_comes_twice_is_told_once(coding: str) -> None:
    body = gzip.compress(export()) if coding == "gzip" else export()
    with receiving(pick(0)) as receiver:
        for _ in range(2):
            answer = httpx.post(
                f"{receiver.url}/v1/traces",
                content=body,
                headers={"content-encoding": coding},
                trust_env=False,
                timeout=60,
            )
            assert answer.status_code == 200
        assert [span.name for span in receiver.of(ID)] == ["POST"]
        assert receiver.of("another") == []


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_what_is_no_export_is_refused(coding: str) -> None:
    with receiving(pick(0)) as receiver:
        answer = httpx.post(
            f"{receiver.url}/v1/traces",
            content=b"\xff\xff",
            headers={"content-encoding": coding},
            trust_env=False,
            timeout=60,
        )
    assert answer.status_code == 400
