"""A collector that takes every batch of spans (OTLP over HTTP) and counts: what an export costs, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class Taken:
    """What came so far; `bytes` as sent, that is compressed."""

    url: str
    requests: int = 0
    bytes: int = 0


@contextmanager
def collecting() -> Iterator[Taken]:
    """Listens on a free port of loopback for the length of a block."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = len(self.rfile.read(int(self.headers.get("content-length", "0"))))
            with lock:
                taken.requests += 1
                taken.bytes += size
            # An empty body is an ExportTraceServiceResponse that rejects nothing.
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taken = Taken(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
