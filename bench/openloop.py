"""A fixed rate, whatever the server does: request i is due at start + i / rate and its latency counts from then.

A process of its own, on the generator's core: `python -m bench.openloop --port P --rate R --seconds S` prints one JSON
object.

An event loop with millisecond timers could not keep such a schedule, so this is `select` (microseconds) over `epoll`.
It says how well the rate was kept: `slip` is how late a request left although a connection was free for it, that is,
the generator's own fault; waiting for a connection is the server's fault and part of the latency.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import select
import socket
import sys
import time
from array import array
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from . import payload
from .statistics import corrected_latencies, percentile

GRACE_SECONDS: Final = 2.0
RECEIVE_BYTES: Final = 65536
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Paced:
    """One run. Rates per second, times in milliseconds; `errors` counts by kind."""

    asked_rate: float
    kept_rate: float
    requests: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    slip_p99_ms: float
    errors: dict[str, int]


class Connection:
    """One keep-alive connection with at most one request on it."""

    __slots__ = ("buffer", "index", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5.0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = b""
        self.index = -1  # of the request on it

    def receive(self) -> str | None:
        """None: not complete yet. "": the right answer. Else the kind of error."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return "reset"
        if not data:
            return "closed"
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        length = _LENGTH.search(self.buffer, 0, head_end + 2)
        if length is None:
            return "no_content_length"
        missing = head_end + 4 + int(length[1]) - len(self.buffer)
        if missing > 0:
            return None
        answer, self.buffer = self.buffer, b""
        if missing < 0:
            return "excess_bytes"
        if answer[9:12] != b"200":
            return "status_" + answer[9:12].decode("latin-1")
        return "" if answer.endswith(payload.ANSWER) else "wrong_body"


def request_bytes(port: int) -> bytes:
    head = (
        f"POST {payload.PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload.REQUEST)}\r\n\r\n"
    )
    return head.encode() + payload.REQUEST


class Generator:
    """One run of the schedule; `run` is called once."""

    def __init__(self, port: int, rate: float, seconds: float, connections: int) -> None:
        self._port = port
        self._rate = rate
        self._total = max(1, int(rate * seconds))
        self._request = request_bytes(port)
        self._poll = select.epoll()
        self._by_fd: dict[int, Connection] = {}
        self._idle: deque[tuple[Connection, float]] = deque()  # with the time since when it is free
        for _ in range(connections):
            self._open()
        self._due, self._sent, self._done = array("d"), array("d"), array("d")
        self._slips = array("d")
        self.errors: Counter[str] = Counter()

    def _open(self) -> None:
        connection = Connection(self._port)
        self._by_fd[connection.socket.fileno()] = connection
        self._poll.register(connection.socket.fileno(), select.EPOLLIN)
        self._idle.append((connection, 0.0))

    def _replace(self, connection: Connection) -> None:
        fd = connection.socket.fileno()
        self._poll.unregister(fd)
        del self._by_fd[fd]
        connection.socket.close()
        self._open()

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._by_fd.values():
            connection.socket.close()
        self._poll.close()

    def run(self) -> Paced:
        clock = time.perf_counter
        interval = 1 / self._rate
        start = clock() + 0.05
        deadline = start + self._total * interval + GRACE_SECONDS
        next_index = 0
        while True:
            now = clock()
            while next_index < self._total and self._idle and start + next_index * interval <= now:
                self._send(next_index, start + next_index * interval)
                next_index += 1
                now = clock()
            all_sent = next_index >= self._total
            if now >= deadline or (all_sent and len(self._idle) == len(self._by_fd)):
                break
            events = self._poll.poll(0)
            if not events:
                can_send = not all_sent and bool(self._idle)
                wake = start + next_index * interval if can_send else deadline
                select.select([self._poll], (), (), max(0.0, wake - clock()))
                events = self._poll.poll(0)
            for fd, _ in events:
                self._receive(self._by_fd[fd], clock())
        unanswered = len(self._by_fd) - len(self._idle)
        self.errors["unanswered"] += unanswered
        self.errors["unsent"] += self._total - next_index
        return self._result(clock() - start, start)

    def _send(self, index: int, due: float) -> None:
        connection, free_since = self._idle.popleft()
        left = time.perf_counter()
        self._slips.append(left - max(due, free_since))
        connection.index = len(self._due)
        self._due.append(due)
        self._sent.append(left)
        self._done.append(0.0)
        try:
            whole = connection.socket.send(self._request) == len(self._request)
        except OSError:
            whole = False
        if not whole:
            self.errors["send_failed"] += 1
            connection.index = -1
            self._replace(connection)

    def _receive(self, connection: Connection, now: float) -> None:
        outcome = connection.receive()
        if outcome is None:
            return
        if connection.index >= 0:
            if outcome:
                self.errors[outcome] += 1
            else:
                self._done[connection.index] = now
            connection.index = -1
            if outcome:
                self._replace(connection)
            else:
                self._idle.append((connection, now))
            return
        # An idle connection that was closed is no failed request; it must only not be used again.
        self._idle = deque(entry for entry in self._idle if entry[0] is not connection)
        self._replace(connection)

    def _result(self, elapsed: float, start: float) -> Paced:
        answered = [i for i, at in enumerate(self._done) if at]
        if not answered:
            raise SystemExit(f"no answer from port {self._port}: {dict(self.errors)}")
        done = [self._done[i] for i in answered]
        latencies = corrected_latencies([self._due[i] for i in answered], [self._sent[i] for i in answered], done)
        # The last request is due one interval before the end: the span of the schedule is what the rate refers to.
        span = max(self._total / self._rate, max(done) - start)
        return Paced(
            asked_rate=self._rate,
            kept_rate=len(answered) / span,
            requests=len(answered),
            p50_ms=percentile(latencies, 0.5) * 1e3,
            p90_ms=percentile(latencies, 0.9) * 1e3,
            p99_ms=percentile(latencies, 0.99) * 1e3,
            slip_p99_ms=percentile(sorted(self._slips), 0.99) * 1e3,
            errors={kind: count for kind, count in sorted(self.errors.items()) if count},
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.openloop", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    # The kernel may round our microsecond sleeps up by 50 µs (prctl(2), PR_SET_TIMERSLACK); ask for 1 µs.
    Path("/proc/self/timerslack_ns").write_text("1000")
    gc.disable()
    with Generator(options.port, options.rate, options.seconds, options.connections) as generator:
        json.dump(asdict(generator.run()), sys.stdout)


if __name__ == "__main__":
    main()
