"""One copy on its way: sent once, read up to a cap, given up at its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from ...errors import UpstreamFault
from ...shadow import Outcome
from ...upstream import AnswerHead, Leg, Pool

ANSWER_TOO_LARGE = "answer_too_large"
_ONE_PIECE_BYTES = 64 * 1024
_TIMEOUTS = frozenset({UpstreamFault.CONNECT_TIMEOUT})


class Answered(NamedTuple):
    """How a call ended. `failed` None = a whole 2xx answer, to be compared."""

    failed: Outcome | None
    error: str
    status: int
    body: bytes
    coding: str
    size: int  # bytes read
    sent_unix_ns: int
    latency_ns: int


class Call:
    """An `upstream.Consumer` that keeps what comes and tells `done` once."""

    __slots__ = (
        "_body",
        "_cap",
        "_clock",
        "_done",
        "_finished",
        "_head",
        "_head_only",
        "_leg",
        "_parts",
        "_pool",
        "_request",
        "_sent_ns",
        "_sent_unix_ns",
        "_size",
        "_timer",
        "_wall",
    )

    def __init__(
        self,
        pool: Pool,
        request: bytes,
        body: bytes,
        *,
        head_only: bool,
        cap_bytes: int,
        done: Callable[[Answered], None],
        clock: Callable[[], int],
        wall: Callable[[], int],
    ) -> None:
        """`clock` and `wall` give nanoseconds; `cap_bytes` bounds what is kept of the answer."""
        self._pool = pool
        self._request = request  # line and headers
        self._body = body
        self._head_only = head_only
        self._cap = cap_bytes
        self._done = done
        self._clock = clock
        self._wall = wall
        self._leg: Leg | None = None
        self._head: AnswerHead | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._sent_ns = clock()
        self._sent_unix_ns = 0
        self._finished = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self, timeout_seconds: float) -> None:
        """Begin; the deadline covers connecting, sending and the whole answer."""
        self._timer = asyncio.get_running_loop().call_later(timeout_seconds, self._too_late)
        self._pool.acquire(self)

    def cut(self) -> None:
        """Give up without telling anybody."""
        self._done = _nobody
        self._leave()

    # -- upstream.Consumer

    def leg_ready(self, leg: Leg) -> None:
        if self._finished:
            leg.close_when_idle()
            return
        self._leg = leg
        self._sent_ns, self._sent_unix_ns = self._clock(), self._wall()
        body, self._body = self._body, b""
        if len(body) <= _ONE_PIECE_BYTES:
            leg.send(self._request + body, self, head_only=self._head_only, complete=True)
        else:  # not copied once more
            leg.send(self._request, self, head_only=self._head_only, complete=False)
            leg.write(body)
            leg.end_upload()

    def reply_head(self, head: AnswerHead) -> None:
        self._head = head
        if head.length > self._cap and not self._head_only:
            self._end(Outcome.SHADOW_ERROR, ANSWER_TOO_LARGE)

    def reply_body(self, data: bytes) -> None:
        if self._finished:
            return
        self._size += len(data)
        if self._size > self._cap:
            self._end(Outcome.SHADOW_ERROR, ANSWER_TOO_LARGE)
        else:
            self._parts.append(data)

    def reply_flush(self) -> None:
        """Nothing waits for pieces."""

    def reply_end(self) -> None:
        self._leg = None
        head = self._head
        if head is not None and 200 <= head.status < 300:
            self._end(None, "")
        else:
            self._end(Outcome.SHADOW_ERROR, f"status_{head.status}" if head is not None else UpstreamFault.BAD_ANSWER)

    def reply_failed(self, fault: UpstreamFault, message: str) -> None:
        self._leg = None
        self._end(Outcome.SHADOW_TIMEOUT if fault in _TIMEOUTS else Outcome.SHADOW_ERROR, fault.value)

    def upload_paused(self, paused: bool) -> None:
        """The whole request is in the transport's buffer already."""

    # -- ends

    def _too_late(self) -> None:
        self._end(Outcome.SHADOW_TIMEOUT, UpstreamFault.TOTAL_TIMEOUT)

    def _end(self, failed: Outcome | None, error: str) -> None:
        if self._finished:
            return
        latency = self._clock() - self._sent_ns
        self._leave()
        head, body = self._head, b"".join(self._parts)
        self._parts.clear()
        done, self._done = self._done, _nobody  # it holds the copy and us: a circle would keep both until it is found
        done(
            Answered(
                failed,
                error,
                head.status if head is not None else 0,
                body if failed is None else b"",
                head.coding if head is not None else "",
                self._size,
                self._sent_unix_ns,
                latency,
            )
        )

    def _leave(self) -> None:
        self._finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._pool.withdraw(self)
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.abandon()


def _nobody(answered: Answered) -> None:
    """Who is told when all has been told."""
