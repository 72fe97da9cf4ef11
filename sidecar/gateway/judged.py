"""The judged call: hold the request, decide, ask the model, hold the answer, decide, record, answer.

    body → accept | judge → (refuse | fallback | send) → answer → accept | judge → record → deliver

Where a body must not be held (a stream, more than the limits allow) the call goes on as a plain relay, and the record
says `unchecked`; while a policy enforces it is refused instead.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from time import perf_counter_ns
from typing import Final

from ..contract import Mode
from ..errors import UpstreamFault, WireFault
from ..guard import GUARD_ERROR, Judged
from ..upstream import AnswerHead, Leg
from ..verdict import ACCEPTED, Outcome, Verdict, both, fallen_back, in_request
from . import forward, record, respond
from .body import HeldBody
from .head import header_lookup

_ONE_PIECE_BYTES: Final = 64 * 1024
_INFLATION: Final = 128  # what a coded body is taken to be, beside its size (deflate can do 1032)


class JudgedCall(HeldBody):
    """A call that one policy judges."""

    _reply: AnswerHead | None = None  # of the answer that is held back
    _send_rows = 0
    _send_body = b""

    # -- request

    def _decide(self) -> None:
        body = b"".join(self._pending) if len(self._pending) != 1 else self._pending[0]
        self._pending.clear()
        self.request_payload = body
        guard, head = self.judge, self.head
        started = perf_counter_ns()
        route = self.line.route
        if route is not None and route.protocol != guard.identity.protocol:
            self._judged(started, Judged(_other_protocol(self.mode), body))
            return
        if head.unread and guard.reads_bodies:
            self._judged(started, guard.unread_request(body, head.unread, head.caller))
            return
        if not head.content_encoding:
            rows = guard.accept_request(body)
            if rows:
                self.contract_ns = perf_counter_ns() - started
                self.verdict = ACCEPTED
                self.rows = self._send_rows = rows
                self._send(body)
                return
        arguments = (body, head.content_encoding, header_lookup(head), head.caller, self._now())
        size = len(body) * _INFLATION if head.content_encoding else len(body)
        if size > self.gateway.settings.judge_in_thread_bytes:
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(None, partial(guard.judge_request, *arguments))
            future.add_done_callback(lambda done: self._judged(started, done.result()))
        else:
            self._judged(started, guard.judge_request(*arguments))

    def _judged(self, started: int, judged: Judged) -> None:
        if self.finished:
            return
        self.contract_ns = perf_counter_ns() - started
        self.verdict = verdict = judged.verdict
        self.rows = judged.rows
        self.request_edits = judged.edits
        if judged.guard_error:
            self.gateway.guard_failed(self.judge, judged.guard_error)
        if verdict.refused:
            self.refuse(respond.input_problem(self.judge, judged))
            return
        self.fallback_rows, self.dropped_rows = verdict.fallback_rows, verdict.dropped_rows
        if self.fallback_rows or self.dropped_rows:
            self.left_out_rows = tuple(sorted(self.fallback_rows + self.dropped_rows))
            if len(self.left_out_rows) >= judged.rows:
                if not self._fall_back(judged.rows):
                    self._no_fallback()
                return
        unread = verdict.outcome is Outcome.UNCHECKED  # how many rows the answer must have is then not known
        self._send_rows = -1 if unread else judged.rows - len(self.left_out_rows)
        self._send(judged.body)

    def _send(self, body: bytes) -> None:
        if self.gateway.sheds and self._shed():
            return
        self._send_body = body
        self.line.pool.acquire(self)

    def leg_ready(self, leg: Leg) -> None:
        if not self._holding:
            super().leg_ready(leg)
            if not leg.full:  # what was held is with the model
                self._give_back()
            return
        self._leg = leg
        body = self._send_body
        length = len(body) if body or self.head.content_length >= 0 or self.head.chunked else -1
        sent = forward.upstream_head(self, length)
        self.sent_ns = perf_counter_ns()
        if len(body) <= _ONE_PIECE_BYTES:
            leg.send(sent + body, self, head_only=self.method == b"HEAD", complete=True)
        else:  # not copied once more
            self._send_body = b""
            leg.send(sent, self, head_only=self.method == b"HEAD", complete=False)
            leg.write(body)
            leg.end_upload()
        self._await_answer()

    # -- answer

    def reply_head(self, head: AnswerHead) -> None:
        if (
            self._holding
            and (self.left_out_rows or not head.streams)
            and head.length <= self.gateway.settings.max_answer_bytes
        ):
            self.first_byte_ns = perf_counter_ns()
            self.upstream_status = head.status
            self._watch_idle()
            self._reply = head
            return
        if self._holding and (self.left_out_rows or not head.streams) and self._answer_too_large():
            return
        super().reply_head(head)
        if head.streams and self._holding and self.judge.checks_reply and 200 <= head.status < 300:
            # after the stamps, which speak of the input: nobody looks into what is streamed
            self.verdict = both(self.verdict or ACCEPTED, Verdict(Outcome.UNCHECKED, reason="stream"))

    def reply_body(self, data: bytes) -> None:
        head = self._reply
        if head is None:
            super().reply_body(data)
            return
        self._out.append(data)
        self.response_bytes += len(data)
        if not self._hold(len(data)) or self.response_bytes > self.gateway.settings.max_answer_bytes:
            if self._answer_too_large():
                return
            held, self._out = self._out, []
            self._reply = None
            self.response_bytes = 0
            self._start_relay(head)
            for piece in held:
                super().reply_body(piece)

    def _answer_too_large(self) -> bool:
        """True when it had to be refused: rows that were left out cannot be put into an answer that is not held."""
        if self.left_out_rows:
            self._reply = None
            self._out.clear()
            self._leave_upstream()
            self.refuse(respond.overloaded("the model's answer is too large to be completed; send fewer rows"))
            return True
        if self.judge.checks_reply and self.verdict is not None:
            self.verdict = Verdict(Outcome.UNCHECKED, Outcome.REJECTED, reason="answer_too_large")
        return False

    def reply_flush(self) -> None:
        if self._reply is not None:
            self._watch_idle()
        else:
            super().reply_flush()

    def reply_end(self) -> None:
        head = self._reply
        if head is None:
            super().reply_end()
            return
        self._leg = None
        now = perf_counter_ns()
        self.upstream_ns = now - self.sent_ns
        out = self._out
        self.reply_coding = head.coding
        self.response_payload = body = out[0] if len(out) == 1 else b"".join(out)
        status = head.status
        if not 200 <= status < 300:
            if status < 500 or not self._may_fall_back("upstream_error"):
                self._forward(head, body)
            return
        guard = self.judge
        if not head.coding and not self.left_out_rows:
            version = guard.accept_reply(body, self._send_rows)
            if version is not None:
                self.contract_ns += perf_counter_ns() - now
                self._answered(head, version, body)
                return
        judging = partial(
            guard.judge_reply,
            body,
            head.coding,
            self.head.caller,
            self._now(),
            sent_rows=self._send_rows,
            fallback_rows=self.fallback_rows,
            dropped_rows=self.dropped_rows,
        )
        size = len(body) * _INFLATION if head.coding else len(body)
        if size > self.gateway.settings.judge_in_thread_bytes and (guard.checks_reply or self.left_out_rows):
            self.deadline = 0.0  # the model has answered
            future = asyncio.get_running_loop().run_in_executor(None, judging)
            future.add_done_callback(lambda done: self._judged_reply(now, head, done.result()))
        else:
            self._judged_reply(now, head, judging())

    def _judged_reply(self, started: int, head: AnswerHead, judged: Judged) -> None:
        if self.finished:
            return
        self.contract_ns += perf_counter_ns() - started
        if judged.guard_error:
            self.gateway.guard_failed(self.judge, judged.guard_error)
        reply = in_request(judged.verdict, self.rows, self.left_out_rows)
        self.verdict = both(self.verdict or ACCEPTED, reply)
        if reply.refused:
            self.model_version = judged.model_version
            if not self._may_fall_back("contract"):
                self.dropped_rows = ()  # all are refused
                self.refuse(respond.output_problem(self.judge, judged, self.rows, self.left_out_rows))
            return
        self.fallback_rows = tuple(sorted({*self.fallback_rows, *reply.fallback_rows}))
        self.dropped_rows = tuple(sorted({*self.dropped_rows, *reply.dropped_rows}))
        self.response_edits = judged.edits
        self._answered(head, judged.model_version, judged.body)

    def _answered(self, head: AnswerHead, version: str, body: bytes) -> None:
        source = "body"
        if not version and head.ours:
            version, source = forward.stated_version(head.lines), "header"
        if version:
            self.model_version, self.version_source = version, source
            pinned = self.judge.identity.model_versions
            problem = (
                self.gateway.standing.wrong_version(self.judge, version) if pinned and version not in pinned else None
            )
            if problem is not None:
                if self.mode == Mode.ENFORCE:
                    self.refuse(problem)
                    return
                self.gateway.counts.would_refuse(problem.kind)
        self._forward(head, body)

    def _forward(self, head: AnswerHead, body: bytes) -> None:
        self.status = status = head.status
        length = len(body)
        self.response_bytes = length
        if self.method == b"HEAD" or status == 204 or status == 304:
            length = head.length if status != 204 else -1
        stamps = record.stamps(self, pending=False)
        lines = forward.without(head.lines, stamps) if head.ours else head.lines
        if self.response_edits:
            lines = forward.without_digests(lines)
        self._deliver(
            b"%b%b%b%b%b\r\n%b"
            % (
                respond.status_line(status, head.reason),
                b"".join(lines),
                b"Content-Length: %d\r\n" % length if length >= 0 else b"",
                stamps,
                self._connection_line(),
                body,
            )
        )

    # -- fallback

    def reply_failed(self, fault: UpstreamFault, message: str) -> None:
        reason = "timeout" if fault in respond.TIMEOUTS else "upstream_error"
        if not self._head_sent and (self._reply is not None or not self._out):
            self._reply = None
            self._out.clear()
            self.error = fault.value
            if self._may_fall_back(reason):
                self.gateway.counts.upstream_error(fault)
                self._leg = None
                return
        self._not_looked_at(fault.value)
        super().reply_failed(fault, message)

    def _not_looked_at(self, why: str) -> None:
        """There was no whole answer to judge: never `ok`."""
        if self.verdict is ACCEPTED:
            self.verdict = Verdict(Outcome.UNCHECKED, reason=why)

    def _may_fall_back(self, reason: str) -> bool:
        if self.mode != Mode.ENFORCE or reason not in self.judge.contract.fallback_on or not self._holding:
            return False
        return self._fall_back(max(self.rows, 1))

    def _fall_back(self, rows: int) -> bool:
        route = self.line.route
        name = route.model_name if route is not None else ""
        dropped = self.dropped_rows
        body = self.judge.fallback_reply(
            self.request_payload, self.head.content_encoding, rows, model_name=name, dropped_rows=dropped
        )
        if body is None:
            return False
        self.verdict = verdict = fallen_back(self.verdict or ACCEPTED, rows, dropped)
        self.fallback_rows = verdict.fallback_rows
        events = body.startswith(b"data:")  # JSON never does
        self.answer(200, b"text/event-stream" if events else b"application/json", body)
        return True

    def _no_fallback(self) -> None:
        """Rows that must not be sent, and no answer can be made for them: a fault of our own, and closed (P4)."""
        self.gateway.guard_failed(self.judge, "fallback")
        verdict = replace(self.verdict or ACCEPTED, outcome=Outcome.REJECTED, reason=GUARD_ERROR, dropped_rows=())
        self.verdict, self.fallback_rows, self.dropped_rows = verdict, (), ()
        self.refuse(respond.input_problem(self.judge, Judged(verdict, b"")))

    def _now(self) -> float:
        return self.started_unix_ns / 1e9


def _other_protocol(mode: str) -> Verdict:
    """A second spelling of a guarded route: the policy cannot read it, so it is never a way around the contract."""
    outcome = Outcome.REJECTED if mode == Mode.ENFORCE else Outcome.UNCHECKED
    return Verdict(outcome, Outcome.REJECTED, reason=WireFault.UNSUPPORTED.value)
