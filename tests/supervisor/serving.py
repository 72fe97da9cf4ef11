"""A running `serve` to talk to: real processes, real sockets, deadlines instead of sleeps."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEADLINE_SECONDS = 60.0
STAND_INS = (sys.executable, str(HERE / "serve_with_stand_ins.py"))
REAL = (sys.executable, "-m", "sidecar", "serve")

T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, seconds: float = DEADLINE_SECONDS) -> T:
    """The first true answer of `look`; AssertionError with the last answer when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = look()
        except (httpx.TransportError, OSError):
            answer = None
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.01)  # the pace of the poll


class Serving:
    """One instance. Used as a context: it is gone afterwards, and so are its workers."""

    def __init__(
        self, folder: Path, *flags: str, command: tuple[str, ...] = STAND_INS, environ: dict[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.log = folder / "stderr"
        defaults = {"--listen": "127.0.0.1:0", "--health": "127.0.0.1:0", "--data": str(self.data), "--pre-stop": "0s"}
        defaults |= {"--observers": "off"}
        if "--observers" in flags and flags[flags.index("--observers") + 1] == "on":
            defaults["--admin"] = "127.0.0.1:0"  # never the one port that others would want, too
        for name, value in defaults.items():
            if name not in flags:
                flags = (*flags, name, value)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SIDECAR_", "POD_"))}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**own, "PYTHONPATH": str(ROOT), **(environ or {})},
            )

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    # -- what it says

    def running(self) -> dict[str, Any]:
        """DATA/running.json, once it serves."""

        def look() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.said()
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                facts: dict[str, Any] = json.loads((self.data / "running.json").read_text())
                return facts if facts["pid"] == self.process.pid else None
            return None

        return eventually(look)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of one event."""
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line.get("event") == name]

    def pids(self, number: int) -> set[int]:
        """The processes of so many (stand-in) workers."""
        found: set[int] = set()

        def look() -> bool:
            found.add(self.get()["pid"])
            return len(found) == number

        eventually(look)
        return found

    @property
    def url(self) -> str:
        return f"http://{self.running()['listen']}"

    @property
    def health(self) -> str:
        return f"http://{self.running()['health']}"

    def get(self, path: str = "/", *, timeout: float = DEADLINE_SECONDS) -> dict[str, Any]:
        """From the data port (of the stand-in)."""
        facts: dict[str, Any] = httpx.get(self.url + path, timeout=timeout, trust_env=False).json()
        return facts

    def readyz(self, query: str = "") -> tuple[int, dict[str, Any]]:
        answer = httpx.get(f"{self.health}/readyz{query}", timeout=DEADLINE_SECONDS, trust_env=False)
        return answer.status_code, answer.json()

    def until_ready(self) -> None:
        eventually(lambda: self.readyz()[0] == 200)

    def metric(self, series: str) -> float:
        text = httpx.get(f"{self.health}/metrics", timeout=DEADLINE_SECONDS, trust_env=False).text
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return float(lines.get(series, "nan"))

    # -- what is done to it

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, *, seconds: float = DEADLINE_SECONDS) -> int:
        """Its exit code."""
        return self.process.wait(seconds)


def refuses(port: int) -> bool:
    """Whether nobody listens on a loopback port (any more)."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Model:
    """A scripted Open Inference Protocol server: `name`, `versions`, and whether it is `ready`, may change any time."""

    def __init__(self, name: str = "credit", versions: tuple[str, ...] = ("14",), port: int = 0) -> None:
        self.name = name
        self.versions = versions
        self.ready = True
        self.asked: list[str] = []
        self.connections: list[socket.socket] = []
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                model.connections.append(self.connection)

            def do_GET(self) -> None:
                model.asked.append(self.path)
                status, body = model.answer(self.path)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Gone, with every connection, as a process that has ended."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def answer(self, path: str) -> tuple[int, bytes]:
        """(status, body) of a GET."""
        known = f"/v2/models/{self.name}"
        if path in ("/v2/health/ready", "/v2/health/live", f"{known}/ready"):
            return (200 if self.ready or path.endswith("live") else 400), b""
        if path == known:
            return 200, json.dumps({"name": self.name, "versions": list(self.versions), "platform": "x"}).encode()
        if path == f"{known}/infer":
            output = {"name": "score", "shape": [1], "datatype": "FP64", "data": [0.5]}
            return 200, json.dumps({"model_name": self.name, "outputs": [output]}).encode()
        return 404, b'{"error": "not found"}'


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port nobody listens on, kept from others while it is not used."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
