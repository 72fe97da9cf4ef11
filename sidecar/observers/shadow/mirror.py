"""One candidate: its own pool, so many copies in flight, so many bytes waiting; what does not fit is dropped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ...exchange import Exchange
from ...shadow import Limits, Outcome, Output
from ...shadow.state import Open
from ...upstream import Address, Pool, PoolLimits
from ...wire import Codec
from .call import Answered, Call

_WAITING_PER_FLIGHT: Final = 32
_SMALLEST_CAP_BYTES: Final = 64 * 1024
_LARGEST_CAP_BYTES: Final = 1024 * 1024
_CAP_PER_PRIMARY: Final = 4  # a candidate's answer has no business to be much larger than the primary's
_MAX_IDLE: Final = 8
_IDLE_SECONDS: Final = 30.0
_UNUSED_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Copy:
    """One request for one candidate, and what its answer is compared with. Bodies are shared, never changed."""

    open: Open
    exchange: Exchange
    upstream: str  # the candidate's address
    head: bytes
    body: bytes
    trace_id: str
    span_id: str
    reply: bytes  # the primary's
    reply_coding: str
    by_row: tuple[str, ...] | None
    codec: Codec
    outputs: dict[str, Output]

    @property
    def size(self) -> int:
        """Bytes it holds."""
        return len(self.head) + len(self.body) + len(self.reply)


class Mirror:
    """`announce` writes down that a copy goes out, and says no when it cannot; `done` is told once per copy taken."""

    def __init__(
        self,
        address: Address,
        limits: Limits,
        *,
        announce: Callable[[Copy], bool],
        done: Callable[[Copy, Answered | None], None],
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self.limits = limits
        self._pool = Pool(
            address,
            PoolLimits(connect_timeout_seconds=limits.timeout, max_idle=_MAX_IDLE, idle_seconds=_IDLE_SECONDS),
            clock=time.monotonic,
        )
        self._announce = announce
        self._done = done
        self._wall = wall
        self._waiting: deque[Copy] = deque()
        self._calls: dict[Call, Copy] = {}
        self._used = time.monotonic()
        self._closed = False
        self.held_bytes = 0

    @property
    def in_flight(self) -> int:
        """Copies sent and not answered."""
        return len(self._calls)

    @property
    def waiting(self) -> int:
        """Copies not sent yet."""
        return len(self._waiting)

    @property
    def open_connections(self) -> int:
        """To the candidate, now."""
        return self._pool.open_connections

    def offer(self, copy: Copy) -> Outcome | None:
        """None = taken; otherwise why it is dropped. Never waits."""
        self._used = time.monotonic()
        if self.held_bytes + copy.size > self.limits.queue_bytes:
            return Outcome.DROPPED_BYTES
        if len(self._waiting) >= self.limits.in_flight * _WAITING_PER_FLIGHT or self._closed:
            return Outcome.DROPPED_QUEUE
        self.held_bytes += copy.size
        self._waiting.append(copy)
        self._start()
        return None

    def expire(self) -> bool:
        """Close idle connections; True when nobody has used this candidate for a while and it can go."""
        now = time.monotonic()
        self._pool.expire(now)
        return not self._calls and not self._waiting and now - self._used > _UNUSED_SECONDS

    def end_waiting(self) -> list[Copy]:
        """Start nothing more; what was not sent."""
        self._closed = True
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def close(self) -> None:
        """Cut what is in flight, without a word, and drop every connection."""
        self._closed = True
        self._waiting.clear()
        for call in list(self._calls):
            call.cut()
        self._calls.clear()
        self._pool.close()

    def _start(self) -> None:
        while self._waiting and len(self._calls) < self.limits.in_flight and not self._closed:
            copy = self._waiting.popleft()
            if not self._announce(copy):
                self.held_bytes -= copy.size
                self._done(copy, None)
                continue
            self._send(copy)

    def _send(self, copy: Copy) -> None:
        def ended(answered: Answered) -> None:
            del self._calls[call]
            self.held_bytes -= copy.size
            self._done(copy, answered)
            self._start()

        cap = min(_LARGEST_CAP_BYTES, max(_SMALLEST_CAP_BYTES, _CAP_PER_PRIMARY * len(copy.reply)))
        call = Call(
            self._pool,
            copy.head,
            copy.body,
            head_only=copy.exchange.method == "HEAD",
            cap_bytes=cap,
            done=ended,
            clock=time.perf_counter_ns,
            wall=self._wall,
        )
        self._calls[call] = copy
        call.start(self.limits.timeout)
