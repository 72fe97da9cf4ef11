"""An HTTP server in a thread of its own, for code that asks without a loop: one function says what it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Asked:
    """One request; header names in lower case, `caller` the address its connection came from."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    caller: tuple[str, int]


@dataclass(frozen=True)
class Page:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Answer: TypeAlias = Callable[[Asked], Page]
NOT_FOUND = Page(404, b"nothing here")


def shown(document: Any, status: int = 200) -> Page:
    """A JSON document."""
    return Page(status, json.dumps(document).encode(), {"content-type": "application/json"})


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Its URL. Connections are kept open; `answer` runs in a thread of the connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            page = answer(Asked(self.command, self.path, headers, body, self.client_address))
            self.send_response(page.status)
            for name, value in {**page.headers, "content-length": str(len(page.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.body)

        do_POST = do_GET  # noqa: N815  the name http.server looks for

        def log_message(self, *_: object) -> None: ...

    with listening(Handler) as url:
        yield url


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    """The URL of a server with this handler; 0 = on any port. It is gone afterwards."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True  # a kept connection must not hold the end up
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
