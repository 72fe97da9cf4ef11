"""A request's body held back, under the limits; and let go as a plain relay where it must not be held."""

from __future__ import annotations

from ..contract import Mode
from ..guard import Guard
from ..problem import Problem
from ..verdict import Outcome, Verdict
from . import respond
from .call import Call


class HeldBody(Call):
    """A call whose body is held until it is complete, for one policy to judge."""

    judge: Guard  # the policy; set when it is this call's turn
    _holding = True  # the request's body is held back
    _continued = False
    _budgeted = 0

    def begin(self) -> None:
        self._begun = True
        gateway = self.gateway
        gateway.calls.add(self)
        assert self.guard is not None
        self.judge = self.guard
        self.mode = self.judge.mode(self.head.caller)
        if self.mode == Mode.OFF:
            self._let_go("")
            return
        if gateway.standing.gated:
            problem = self._gate()
            if problem is not None:
                self.refuse(problem)
                return
        if max(self.head.content_length, self.request_bytes) > gateway.settings.max_body_bytes:
            self._too_large("too_large")
        elif self._budgeted and gateway.buffered_bytes > gateway.settings.buffered_bytes_budget:
            self._too_large("memory")
        elif self.complete:
            self._decide()
        elif self.head.expects_continue:
            self._continue()

    def body(self, data: bytes) -> None:
        if not self._holding:
            super().body(data)
            return
        if self._recorded:  # refused, and only the answer waits for the disk
            return
        size = len(data)
        self.request_bytes += size
        self._pending.append(data)
        if not self._hold(size) and self._begun:
            self._too_large("memory")
        elif self.request_bytes > self.gateway.settings.max_body_bytes and self._begun:
            self._too_large("too_large")

    def body_end(self) -> None:
        self.complete = True
        if not self._holding:
            super().body_end()
        elif self._begun and not self.finished and not self._recorded:
            self._decide()

    def _continue(self) -> None:
        """Once, and only to a caller who waits for it."""
        if not self._continued:
            self._continued = True
            self.connection.write(respond.CONTINUE)

    def _gate(self) -> Problem | None:
        """Identity and environment: refused only while enforcing (P9)."""
        problem = self.gateway.standing.gate(self.judge)
        if problem is None:
            return None
        if self.mode == Mode.ENFORCE:
            return problem
        self.gateway.counts.would_refuse(problem.kind)
        return None

    def _hold(self, size: int) -> bool:
        """Count bytes held against the process-wide budget; False = it is used up."""
        gateway = self.gateway
        self._budgeted += size
        gateway.buffered_bytes += size
        return gateway.buffered_bytes <= gateway.settings.buffered_bytes_budget

    def _too_large(self, reason: str) -> None:
        if self.mode == Mode.ENFORCE:
            self._pending.clear()
            if reason == "memory":
                self.refuse(respond.overloaded("no memory for another body; try again"))
            else:
                limit = self.gateway.settings.max_body_bytes
                self.refuse(
                    Problem(413, "too-large", "Body too large", f"a body may have {limit} bytes here; send fewer rows")
                )
            return
        self.gateway.counts.would_refuse("too-large" if reason == "too_large" else "overloaded")
        self._let_go(reason)

    def _let_go(self, reason: str) -> None:
        """Go on as a relay: what is held is sent, nothing more is judged."""
        self._holding = False
        if reason:
            self.verdict = Verdict(Outcome.UNCHECKED, Outcome.REJECTED, reason=reason)
        if self.head.expects_continue and not self.complete:
            self._continue()
        held, self._pending = self._pending, []
        self.request_bytes = 0
        for data in held:
            super().body(data)
        if not (self.gateway.sheds and self._shed()):
            self._acquire()

    def _decide(self) -> None:
        """The body is complete. Nobody judges it here: it is relayed."""
        self._let_go("")

    def upload_paused(self, paused: bool) -> None:
        if not paused and not self._holding:  # what was held is with the model
            self._give_back()
        super().upload_paused(paused)

    def _give_back(self) -> None:
        self.gateway.buffered_bytes -= self._budgeted
        self._budgeted = 0

    def drop(self) -> None:
        self._give_back()
        super().drop()

    def _finish(self, *, keep: bool) -> None:
        self._give_back()
        super()._finish(keep=keep)

    def _cut(self) -> None:
        self._give_back()
        super()._cut()
