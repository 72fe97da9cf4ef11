"""One call: a request's body goes up, an answer comes down, byte for byte, and one record says what happened.

`Call` relays: nothing is held back longer than one read. `judged.Judged` holds bodies to judge them and falls back to
relaying where it must not or cannot hold. Every path ends in exactly one `_finish`.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from ..errors import UpstreamFault
from ..problem import Problem
from ..upstream import AnswerHead, Leg
from ..verdict import Verdict
from . import forward, record, respond
from .head import Head
from .trace import trace_context

if TYPE_CHECKING:
    from ..edits import Span
    from ..guard import Guard
    from .connection import Connection
    from .gateway import Gateway
    from .routing import Line

MAX_PENDING_UPLOAD_BYTES = 256 * 1024


class Call:
    """A relayed exchange, and the ground the judged one stands on. One instance per request."""

    guard: Guard | None
    # Defaults live on the class: an instance is made for every request and sets only what it has
    complete = False  # the request's last byte was received
    request_bytes = 0
    status = 0
    upstream_status = 0
    response_bytes = 0
    contract_ns = 0
    sent_ns = 0
    first_byte_ns = 0
    upstream_ns = 0
    mode = ""
    verdict: Verdict | None = None
    rows = 0
    model_version = ""
    version_source = "unstated"
    request_edits: tuple[Span, ...] = ()
    response_edits: tuple[Span, ...] = ()
    request_payload = b""
    response_payload = b""
    reply_coding = ""  # of the payload: who reads the record must undo it
    fallback_rows: tuple[int, ...] = ()
    dropped_rows: tuple[int, ...] = ()  # null stands in their places
    left_out_rows: tuple[int, ...] = ()  # not sent to the model
    error = ""
    streamed = False
    deadline = 0.0  # of the upstream leg, monotonic seconds; 0 = none
    finished = False
    _leg: Leg | None = None
    _pending_bytes = 0
    _chunked_out = False
    _head_sent = False
    _begun = False
    _recorded = False

    def __init__(
        self,
        connection: Connection,
        gateway: Gateway,
        method: bytes,
        line: Line,
        head: Head,
        http10: bool,
        keep_alive: bool,
    ) -> None:
        self.connection = connection
        self.gateway = gateway
        self.method = method
        self.line = line
        self.guard = line.guard
        self.head = head
        self.http10 = http10
        self.started_ns = perf_counter_ns()
        self.started_unix_ns = now = gateway.wall_ns()
        self.prediction_id, random_hex = gateway.ids.call_ids(now)
        self.request_id = head.request_id or self.prediction_id
        settings = gateway.settings
        self.trace = trace_context(
            head.traceparents, random_hex, trust=settings.trust_trace, sampled_below=settings.trace_sampled_below
        )
        self.deadline_fault = UpstreamFault.FIRST_BYTE_TIMEOUT
        self._close_after = not keep_alive
        self._pending: list[bytes] = []  # of the upload, until a leg is there
        self._out: list[bytes] = []  # of the answer, until the end of a read

    # -- the caller's side

    def begin(self) -> None:
        """It is this call's turn on its connection."""
        self._begun = True
        self.gateway.relaying(self)
        route = self.line.route
        if self.gateway.sheds and route is not None and route.kind == "inference" and self._shed():
            return
        if self.head.expects_continue and not self.complete:
            self.connection.write(respond.CONTINUE)
        self._acquire()

    def body(self, data: bytes) -> None:
        """A piece of the request's body."""
        self.request_bytes += len(data)
        if self.head.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._leg is not None and self.sent_ns:
            self._leg.write(data)
            return
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes > MAX_PENDING_UPLOAD_BYTES:
            self.connection.pause_upload()

    def body_end(self) -> None:
        """The request is complete."""
        self.complete = True
        if self._leg is not None and self.sent_ns:
            if self.head.chunked:
                self._leg.write(b"0\r\n\r\n")
            self._leg.end_upload()
            self._await_answer()

    def client_paused(self, paused: bool) -> None:
        """The caller reads slower than the model writes."""
        if self._leg is not None:
            if paused:
                self._leg.pause_reading()
            else:
                self._leg.resume_reading()

    def client_gone(self) -> None:
        """The caller has left: so does the upstream call, at once."""
        if self.finished:
            return
        self.error = "client_abort"
        self.gateway.counts.client_aborts()
        self._leave_upstream()
        if self.complete and self._begun:
            self._record()
        self._finish(keep=False)

    def drop(self) -> None:
        """It never had its turn, and gets none."""
        self.finished = True

    # -- the model's side (upstream.Consumer)

    def leg_ready(self, leg: Leg) -> None:
        self._leg = leg
        if self.head.chunked and self.complete:
            self._pending.append(b"0\r\n\r\n")
        head = forward.upstream_head(self, -1)
        self._pending_bytes = 0
        self.sent_ns = perf_counter_ns()
        leg.send(head + b"".join(self._pending), self, head_only=self.method == b"HEAD", complete=self.complete)
        self._pending.clear()
        if self.complete:
            self._await_answer()
        if not leg.full:  # a complete body may have paused it, too: then nobody would see the caller leave
            self.connection.resume_upload()

    def reply_head(self, head: AnswerHead) -> None:
        self.first_byte_ns = perf_counter_ns()
        self.upstream_status = head.status
        self._watch_idle()
        self._start_relay(head)

    def reply_body(self, data: bytes) -> None:
        self.response_bytes += len(data)
        self._out.append(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked_out else data)

    def reply_flush(self) -> None:
        if not self._out:
            return
        if not self.streamed:
            self.streamed = True
            self.gateway.opened(record.open_of(self))
        self._head_sent = True
        self._watch_idle()
        self.connection.write(b"".join(self._out))
        self._out.clear()

    def reply_end(self) -> None:
        self._leg = None
        self.upstream_ns = perf_counter_ns() - self.sent_ns
        if self._chunked_out:
            self._out.append(b"0\r\n\r\n")
        self._deliver(b"".join(self._out))

    def reply_failed(self, fault: UpstreamFault, message: str) -> None:
        self._leg = None
        if self.sent_ns:
            self.upstream_ns = perf_counter_ns() - self.sent_ns
        self.gateway.counts.upstream_error(fault)
        self.error = fault.value
        if self._head_sent or self._out:
            self._out.clear()
            self._cut()
            return
        self.refuse(respond.upstream_problem(fault))

    def upload_paused(self, paused: bool) -> None:
        if paused:
            self.connection.pause_upload()
        else:
            self.connection.resume_upload()

    # -- time

    def expire(self) -> None:
        """The deadline has passed: the leg is closed, and the caller is told."""
        self.deadline = 0.0
        self._leave_upstream()
        self.reply_failed(self.deadline_fault, "")

    def _await_answer(self) -> None:
        if self.gateway.timed and not self.first_byte_ns:
            self._set_deadline(self.gateway.settings.upstream.first_byte_seconds, UpstreamFault.FIRST_BYTE_TIMEOUT)

    def _watch_idle(self) -> None:
        if self.gateway.timed:
            self._set_deadline(self.gateway.settings.upstream.idle_seconds, UpstreamFault.IDLE_TIMEOUT)

    def _set_deadline(self, seconds: float | None, fault: UpstreamFault) -> None:
        self.deadline, self.deadline_fault = (perf_counter_ns() / 1e9 + seconds if seconds else 0.0), fault
        total = self.gateway.settings.upstream.total_seconds
        if total is not None:
            end = self.started_ns / 1e9 + total
            if not self.deadline or end < self.deadline:
                self.deadline, self.deadline_fault = end, UpstreamFault.TOTAL_TIMEOUT

    # -- steps shared with the judged call

    def _shed(self) -> bool:
        """True when this call is one too many, and said so."""
        problem = self.gateway.shed()
        if problem is None:
            return False
        self.error = UpstreamFault.SHED.value
        self.refuse(problem)
        return True

    def _acquire(self) -> None:
        self.line.pool.acquire(self)

    def _leave_upstream(self) -> None:
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.abandon()
        else:
            self.line.pool.withdraw(self)

    def _start_relay(self, head: AnswerHead) -> None:
        self.status = head.status
        out = self._out
        stamps = record.stamps(self, pending=True)
        out.append(respond.status_line(head.status, head.reason))
        out += forward.without(head.lines, stamps) if head.ours else head.lines
        if head.length >= 0:
            if head.status != 204:  # RFC 9110 section 8.6
                out.append(b"Content-Length: %d\r\n" % head.length)
        elif self.method != b"HEAD" and head.status not in (204, 304):
            if self.http10:
                self._close_after = True
            else:
                self._chunked_out = True
                out.append(b"Transfer-Encoding: chunked\r\n")
        out.append(stamps)
        out.append(self._connection_line())
        out.append(b"\r\n")

    def _connection_line(self) -> bytes:
        """Whether this connection goes on. An answer that overtook its request's body ends it."""
        if not self.complete or self.gateway.draining:
            self._close_after = True
        if self._close_after:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if self.http10 else b""

    def refuse(self, problem: Problem) -> None:
        """Answer in the model's place."""
        self.gateway.counts.problem(problem.kind)
        self.error = self.error or problem.kind
        content_type, body = respond.render(
            record.addressed(problem, self), self.line.route.protocol if self.line.route else "", self.head.accept
        )
        extra = b""
        if problem.retry_after_seconds is not None:
            extra = b"Retry-After: %d\r\n" % problem.retry_after_seconds
        if problem.allow:
            extra += b"Allow: %b\r\n" % problem.allow.encode()
        self.answer(problem.status, content_type, body, extra)

    def answer(self, status: int, content_type: bytes, body: bytes, extra: bytes = b"") -> None:
        """A whole answer of our own."""
        self.status = status
        self.response_bytes = len(body)
        head = b"%b%b%bContent-Length: %d\r\n%b%b\r\n" % (
            respond.status_line(status),
            b"Content-Type: %b\r\n" % content_type if content_type else b"",
            extra,
            len(body),
            record.stamps(self, pending=False),
            self._connection_line(),
        )
        self._deliver(head if self.method == b"HEAD" else head + body)

    def _deliver(self, data: bytes) -> None:
        """Record, then the last bytes (P8); in `durability: fsync` the bytes wait for the disk."""
        self._record()
        gateway = self.gateway
        if gateway.waits_for_disk:
            self.deadline = 0.0  # the model has nothing to do with how long this takes
            gateway.journal.when_durable(lambda _durable: self._release(data))
        elif not self.finished:
            self.connection.write(data)
            self._finish(keep=not self._close_after)

    def _release(self, data: bytes) -> None:
        if not self.finished:
            self.connection.write(data)
            self._finish(keep=not self._close_after)

    def _cut(self) -> None:
        """An answer that cannot be completed: no final chunk, no short body passed off as whole."""
        self._record()
        self.finished = True
        self.gateway.calls.discard(self)
        self.connection.abort()

    def _record(self) -> None:
        if not self._recorded:  # a caller may leave while the answer waits for the disk
            self._recorded = True
            self.gateway.record(self)

    def _finish(self, *, keep: bool) -> None:
        self.finished = True
        self.gateway.calls.discard(self)
        self.connection.call_ended(keep=keep)
