"""A trace collector of the demo's own: takes spans over OTLP/HTTP on loopback and keeps them to be shown."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from .ports import HOST


@dataclass(frozen=True)
class Span:
    """One span, as far as the demo shows it. Ids are hexadecimal; `linked` are trace ids."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    milliseconds: float
    attributes: dict[str, str] = field(default_factory=dict)
    linked: tuple[str, ...] = ()


def spans_in(body: bytes) -> list[Span]:
    """The spans of one export request. DecodeError when it is none."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _span(span) for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
    ]


def _span(span: Any) -> Span:
    kind = type(span).SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
    took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    attributes = {pair.key: pair.value.string_value for pair in span.attributes if pair.value.HasField("string_value")}
    return Span(span.name, kind, *ids, took, attributes, tuple(link.trace_id.hex() for link in span.links))


class Receiver:
    """What came so far; `url` is the collector's address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._spans: list[Span] = []
        self._lock = threading.Lock()

    def keep(self, spans: list[Span]) -> None:
        """Add to what came."""
        with self._lock:
            self._spans += spans

    def of(self, prediction_id: str) -> list[Span]:
        """The spans of one prediction; one that came twice is told once."""
        with self._lock:
            found = {span.span_id: span for span in self._spans}
        return [span for span in found.values() if span.attributes.get("sidecar.prediction.id") == prediction_id]


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """A receiver that listens, for the length of a block."""
    receiver = Receiver(f"http://{HOST}:{port}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 64 * 1024

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            status, answer = 200, ExportTraceServiceResponse().SerializeToString()
            try:
                if self.headers.get("content-encoding", "") == "gzip":
                    body = gzip.decompress(body)
                receiver.keep(spans_in(body))
            except (DecodeError, OSError, EOFError):
                status, answer = 400, b""
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            """Silent."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
