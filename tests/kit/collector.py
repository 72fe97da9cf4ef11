"""A collector that is told what to answer, and keeps what it was sent: OTLP over HTTP, on loopback."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from .pages import listening


@dataclass(frozen=True)
class Say:
    """One scripted answer; `hang`: none at all until the collector closes."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    rejected: int = 0
    hang: bool = False


class Collector:
    """`script` is answered in order, then 200; `spans` are those of batches that were answered 200."""

    def __init__(self) -> None:
        self.script: list[Say] = []
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.requests: list[tuple[str, dict[str, str], int]] = []  # path, headers, spans
        self.closing = threading.Event()
        self.most_spans = 10_000  # more in one request are too large
        self.slow_seconds = 0.0  # before each answer
        self.url = ""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[Say, bytes]:
        """Decide about one request."""
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        batch = ExportTraceServiceRequest.FromString(body)
        spans = [span for about in batch.resource_spans for scope in about.scope_spans for span in scope.spans]
        self.requests.append((path, headers, len(spans)))
        say = self.script.pop(0) if self.script else Say()
        if len(spans) > self.most_spans:
            say = Say(413)
        response = ExportTraceServiceResponse()
        if say.status == 200 and not say.hang:
            self.spans += spans
            for about in batch.resource_spans:
                self.resources.append({pair.key: pair.value.string_value for pair in about.resource.attributes})
            if say.rejected:
                response.partial_success.rejected_spans = say.rejected
                response.partial_success.error_message = "too old"
        return say, response.SerializeToString()


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """One that listens; 0 = on any port."""
    state = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            say, answer = state.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            if state.slow_seconds:
                state.closing.wait(state.slow_seconds)
            if say.hang:
                state.closing.wait(30)
                self.close_connection = True
                return
            self.send_response(say.status)
            for name, value in {**say.headers, "content-length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Silent."""

    with listening(Handler, port) as state.url:
        try:
            yield state
        finally:
            state.closing.set()


def attributes(span: Any) -> dict[str, Any]:
    """A span's (or an event's) attributes as plain values."""
    return {pair.key: plain(pair.value) for pair in span.attributes}


def plain(value: Any) -> Any:
    """An AnyValue as the value it holds."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind)
