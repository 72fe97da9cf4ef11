"""From a request line to what answers it: route, policy, upstream and kind of call, understood once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from ..guard import Guard, Guards
from ..problem import Problem
from ..upstream import Pool
from ..wire import Route
from . import record
from .call import Call
from .head import Head, Refusal
from .held import RefusedCall
from .internal import PREFIX, internal_call
from .judged import JudgedCall
from .named import NamedCall
from .target import Target, read_target

if TYPE_CHECKING:
    from .connection import Connection
    from .gateway import Gateway

_MAX_CACHED: Final = 4096
_LONGEST_CACHED: Final = 512


class Line(NamedTuple):
    """A request line understood: target, route, policy and upstream, or why it is refused."""

    target: Target
    route: Route | None
    guard: Guard | None
    pool: Pool
    make: CallMaker
    facts: tuple[str, ...]  # what each of its records says
    refusal: Refusal | None = None  # no server can be meant by it
    problem: Problem | None = None  # what a `RefusedCall` answers
    bodyless: bool = False  # harmless as long as no body comes with it: a reading method on a model's own path


CallMaker: TypeAlias = Callable[["Connection", "Gateway", bytes, Line, Head, bool, bool], Call]


class Routing:
    """The policies in force and their upstreams; another set of either is another `Routing`.

    `pools` maps an upstream's address to its pool; "" is the default upstream.
    """

    def __init__(self, guards: Guards, pools: Mapping[str, Pool]) -> None:
        self.guards = guards
        self.pools = dict(pools)
        self._lines: dict[bytes, Line] = {}

    def line(self, method: bytes, raw_target: bytes) -> Line:
        """What a request line means here."""
        key = method + b" " + raw_target
        line = self._lines.get(key)
        if line is None:
            line = self.understand(method, raw_target)
            if len(key) <= _LONGEST_CACHED:
                if len(self._lines) >= _MAX_CACHED:
                    self._lines.clear()
                self._lines[key] = line
        return line

    def understand(self, method: bytes, raw: bytes, as_method: str = "") -> Line:
        """`as_method` is the method to decide by: a GET with a body may be a POST to whoever reads it."""
        target = read_target(raw)
        pool = self.pools[""]
        verb, text = method.decode("latin-1"), target.send.decode("latin-1")
        facts = record.line_facts(verb, text, None, None)
        if target.refused:
            return Line(target, None, None, pool, Call, facts, Refusal(400, "malformed", target.refused))
        if target.path.startswith(PREFIX):
            return Line(target, None, None, pool, internal_call(target.path), facts)
        resolved = self.guards.resolve(as_method or verb, target.path)
        route: Route | None = resolved.route
        guard: Guard | None = resolved.guard
        facts = record.line_facts(verb, text, route, guard)
        problem = self._refused(target, route, guard)
        if problem is not None:
            return Line(target, route, guard, pool, RefusedCall, facts, problem=problem)
        if guard is None:
            bodyless = route is not None and route.kind == "other" and bool(route.verb)
            return Line(target, route, None, pool, Call, facts, bodyless=bodyless)
        make: CallMaker = NamedCall if resolved.by_body else JudgedCall
        return Line(target, route, guard, self.pool_of(guard), make, facts)

    def pool_of(self, guard: Guard | None) -> Pool:
        """The upstream of a policy's model."""
        default = self.pools[""]
        return default if guard is None else self.pools.get(guard.upstream, default)

    def _refused(self, target: Target, route: Route | None, guard: Guard | None) -> Problem | None:
        if target.ambiguous and self.guards.enforcing:
            return Problem(400, "ambiguous-path", "Refused", target.ambiguous)
        return self.unmatched(route, guard)

    def unmatched(self, route: Route | None, guard: Guard | None) -> Problem | None:
        """Why a request that no policy judges is refused."""
        kind = route.kind if route is not None else ""
        if guard is None and kind in ("inference", "management") and self.guards.block_unmatched:
            detail = "no policy covers this request; add one, or run with --unmatched pass"
            return Problem(403, "no-policy", "Refused", detail)
        return None
