"""Bodies of 10 MB: callers who send them at a fixed rate, and a model server that reads them to the end.

python -m bench.bodies answer PORT SHAPE
python -m bench.bodies offer PORT SHAPE --rate N --seconds S
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from . import payload

BODY_BYTES: Final = 10_000_000
CONNECTIONS: Final = 32
ANSWER_SECONDS: Final = 60.0
LATE_SECONDS: Final = 1.0  # a request that could not be begun by then is not offered any more
SHAPES: Final = ("rows", "bad", "text")
_READ_BYTES: Final = 1024 * 1024
_SMALL_BYTES: Final = 10_000  # a request that is none of ours has one row


@dataclass(slots=True)
class Offered:
    """What became of all requests. `lost`: no whole answer came; `late`: nobody was free to send them in time."""

    seconds: float = 0.0
    sent: int = 0
    late: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    p50_ms: float = 0.0
    longest_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Requests sent and answered a second."""
        return sum(self.statuses.values()) / self.seconds if self.seconds else 0.0


def rows_of(shape: str, size: int = BODY_BYTES) -> int:
    """How many rows a body has: as many as fit, or one beside a long text."""
    return 1 if shape == "text" else size // len(_row())


def body_of(shape: str, size: int = BODY_BYTES) -> bytes:
    """One request: `rows`: every byte is a number that is checked; `bad`: one is out of its range; `text`: one
    row, the rest is the caller's own."""
    rows = rows_of(shape, size)
    data = (b"-" if shape == "bad" else b"") + b",".join([_row()] * rows)
    head = b'{"inputs":[{"name":"input-0","shape":[%d,%d],"datatype":"FP64","data":[' % (rows, len(payload.VALUES))
    body = head + data + b"]}]"
    if shape == "text":
        body += b',"parameters":{"context":"' + b"A" * (size - len(body) - 30) + b'"}'
    return body + b"}"


def answer_of(rows: int) -> bytes:
    """A score a row."""
    scores = ",".join(["0.5"] * rows)
    output = f'{{"name":"score","shape":[{rows}],"datatype":"FP64","data":[{scores}]}}'
    return f'{{"model_name":"{payload.MODEL}","model_version":"1","outputs":[{output}]}}'.encode()


def _row() -> bytes:
    return json.dumps(list(payload.VALUES), separators=(",", ":"))[1:-1].encode()


class Callers:
    """Each with a connection and one request at a time; together they keep the rate as far as they can."""

    def __init__(self, port: int, body: bytes, *, rate: float, seconds: float, connections: int = CONNECTIONS) -> None:
        self._port = port
        head = (
            f"POST {payload.PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._rate = rate
        self._wanted = int(rate * seconds)
        self._connections = connections
        self._lock = threading.Lock()
        self._next = 0
        self._late = 0
        self._statuses: Counter[int] = Counter()
        self._lost: Counter[str] = Counter()
        self._seconds: list[float] = []

    def run(self) -> Offered:
        """Until every request was sent and answered, or given up."""
        self._begun = time.monotonic()
        threads = [threading.Thread(target=self._call) for _ in range(self._connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = sorted(self._seconds)
        return Offered(
            seconds=time.monotonic() - self._begun,
            sent=self._next - self._late,
            late=self._late,
            statuses=dict(sorted(self._statuses.items())),
            lost=dict(self._lost),
            p50_ms=took[len(took) // 2] * 1e3 if took else 0.0,
            longest_ms=took[-1] * 1e3 if took else 0.0,
        )

    def _turn(self) -> bool:
        """Wait for the next request's time; False when there is none left."""
        with self._lock:
            while True:
                number = self._next
                if number >= self._wanted:
                    return False
                self._next += 1
                due = self._begun + number / self._rate
                if time.monotonic() - due < LATE_SECONDS:
                    break
                self._late += 1
        time.sleep(max(0.0, due - time.monotonic()))
        return True

    def _call(self) -> None:
        connection: socket.socket | None = None
        while self._turn():
            started = time.monotonic()
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS)
                status, keep = self._ask(connection)
            except OSError as error:
                with self._lock:
                    self._lost[type(error).__name__] += 1
                keep = False
            else:
                with self._lock:
                    self._statuses[status] += 1
                    self._seconds.append(time.monotonic() - started)
            if not keep and connection is not None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _ask(self, connection: socket.socket) -> tuple[int, bool]:
        """(status, whether the connection goes on). An answer may come before all is sent: it is read in any case."""
        failed: OSError | None = None
        try:
            connection.sendall(self._request)
        except (BrokenPipeError, ConnectionResetError) as error:
            failed = error
        data = b""
        while b"\r\n\r\n" not in data:
            data += _some(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        left = int(fields[b"content-length"]) - len(body)
        while left > 0:
            left -= len(_some(connection))
        return int(head[9:12]), failed is None and fields.get(b"connection") != b"close"


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(_READ_BYTES)
    if not data:
        raise ConnectionResetError
    return data


def serve(port: int, shape: str, size: int, said: Callable[[int], object] = lambda port: None) -> None:
    """The model server: a thread a connection; a whole body, then the whole answer. Never returns."""
    body = answer_of(rows_of(shape, size))
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    short = answer_of(1)
    small = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(short), short)
    with socket.create_server(("127.0.0.1", port), backlog=256) as listener:
        said(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, whole, small), daemon=True).start()


def _serve(connection: socket.socket, whole: bytes, small: bytes) -> None:
    buffer = bytearray(_READ_BYTES)
    with connection:
        try:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += _some(connection)
                fields, _, begun = head.partition(b"\r\n\r\n")
                size = int((fields.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) or 0)
                left = size - len(begun)
                while left > 0:
                    got = connection.recv_into(buffer, min(left, _READ_BYTES))
                    if not got:
                        return
                    left -= got
                connection.sendall(whole if size > _SMALL_BYTES else small)
        except OSError:
            return


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.bodies")
    parser.add_argument("what", choices=("answer", "offer"))
    parser.add_argument("port", type=int)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", type=int, default=BODY_BYTES)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    options = parser.parse_args(words)
    if options.what == "answer":
        serve(options.port, options.shape, options.size)
        return 0
    body = body_of(options.shape, options.size)
    pace = {"rate": options.rate, "seconds": options.seconds}
    found = Callers(options.port, body, connections=options.connections, **pace).run()
    json.dump(asdict(found), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
