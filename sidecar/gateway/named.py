"""The call whose body says which policy judges it, for protocols whose paths do not name the model."""

from __future__ import annotations

from typing import Final

from ..contract import Mode
from ..errors import WireError
from ..guard import Guard, Guards, decode_body
from ..problem import Problem
from ..wire import Route, model_in_body
from .judged import JudgedCall

_LONGEST_NAME: Final = 200
_NAME_IN_FACTS: Final = 5  # where `record.line_facts` has it; the policy's digest follows


class NamedCall(JudgedCall):
    """Until its body is read, and where it cannot be, the strictest of all policies answers for it."""

    _chosen = False
    _guards: Guards  # those in force when it began

    def begin(self) -> None:
        self._guards = self.gateway.routing.guards
        self._take(self._guards.strictest(self.head.caller), "")
        super().begin()

    def _gate(self) -> Problem | None:
        return super()._gate() if self._chosen else None

    def _decide(self) -> None:
        if not self._chosen:
            self._chosen = True
            if not self._choose():
                return
        super()._decide()

    def _choose(self) -> bool:
        """False when the call goes another way than to be judged."""
        body = b"".join(self._pending)
        self._pending = [body]
        route = self.line.route
        assert route is not None
        if not self.head.unread:
            try:
                plain = decode_body(body, self.head.content_encoding, self.judge.max_decoded_bytes)
                name = model_in_body(route.protocol, plain)
            except WireError:  # the strictest one will say what is wrong
                pass
            else:
                self._take(self._guards.judge_named(route, name), name)
        if self.guard is None:
            self._unmatched()
            return False
        self.judge = self.guard
        self.mode = self.judge.mode(self.head.caller)
        if self.mode == Mode.OFF:
            self._let_go("")
            return False
        problem = self._gate() if self.gateway.standing.gated else None
        if problem is not None:
            self.refuse(problem)
        return problem is None

    def _take(self, guard: Guard | None, name: str) -> None:
        """From now on this is the call of that policy, if any, for the model of that name."""
        line, self.guard = self.line, guard
        route = line.route
        if route is None or (line.guard is guard and not name):
            return
        name = name[:_LONGEST_NAME]
        self.line = line._replace(
            route=Route(route.kind, route.protocol, route.template, name, route.model_version, route.verb, True),
            guard=guard,
            pool=self.gateway.routing.pool_of(guard),
            facts=(*line.facts[:_NAME_IN_FACTS], name, guard.identity.digest if guard is not None else ""),
        )

    def _unmatched(self) -> None:
        """The body names a model that no policy covers."""
        self.mode = ""
        problem = self.gateway.routing.unmatched(self.line.route, None)
        if problem is not None:
            self.refuse(problem)
            return
        self.gateway.counts.unguarded()
        self._let_go("")
