"""The gateway of one process: what its connections share. Decisions live in guards, bytes in calls."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from time import perf_counter_ns, time_ns
from typing import Final, NamedTuple, TypeAlias

from ..contract import Mode
from ..errors import WireFault
from ..exchange import Kind, Open, PolicyPublished, encode
from ..guard import Guard, Guards
from ..journal import StatsPage, Writer
from ..problem import Problem
from ..upstream import AnswerReader, Pool
from ..verdict import Outcome, Verdict
from ..wire import HeaderLookup, Route
from . import record
from .call import Call
from .connection import Connection
from .counts import Counts
from .head import Head, HeadReader, Refusal, folded, received_by
from .held import RefusedCall
from .ids import Ids
from .internal import PREFIX, internal_call
from .judged import JudgedCall
from .named import NamedCall
from .settings import STAMPS, GatewaySettings
from .target import Target, read_target
from .turns import Turns

_TICK_SECONDS: Final = 0.1
_MAX_CACHED_TARGETS: Final = 4096
_LONGEST_CACHED_TARGET: Final = 512
_RETRY_AFTER_SECONDS: Final = 5
_UNTROUBLED: Final = frozenset({"ok", "observed", "repaired", "passed"})  # words that are untrue of a failed call


class Line(NamedTuple):
    """A request line understood once and cached: target, route, policy and upstream, or why it is refused."""

    target: Target
    route: Route | None
    guard: Guard | None
    pool: Pool
    make: CallMaker
    facts: tuple[str, ...]  # what each of its records says
    refusal: Refusal | None = None  # no server can be meant by it
    problem: Problem | None = None  # what a `RefusedCall` answers
    bodyless: bool = False  # harmless as long as no body comes with it: a reading method on a model's own path


CallMaker: TypeAlias = Callable[[Connection, "Gateway", bytes, Line, Head, bool, bool], Call]


class ModelState(NamedTuple):
    """What the supervisor knows of the model behind a policy."""

    identity: str = "unstated"  # match | mismatch | unstated
    model_version: str = ""
    ready: bool = True


class Gateway:
    """One data port's state. `pools` maps an upstream's address to its pool; "" is the default upstream."""

    def __init__(
        self,
        settings: GatewaySettings,
        guards: Guards,
        pools: Mapping[str, Pool],
        journal: Writer,
        page: StatsPage,
        *,
        wall_ns: Callable[[], int] = time_ns,
        bits: Callable[[int], int] | None = None,
        log: Callable[[str, Mapping[str, str]], None] = lambda _event, _fields: None,
    ) -> None:
        self.settings = settings
        self.guards = guards
        self.journal = journal
        self.counts = Counts(page)
        self.ids = Ids(bits or random.Random().getrandbits)  # noqa: S311  ids, not secrets
        self.wall_ns = wall_ns
        self.heads = HeadReader(caller_header=settings.caller_header, recorded=settings.recorded_headers)
        self._via = settings.via.encode()
        self.via_line = b"Via: 1.1 %b\r\n" % self._via
        self._answers = AnswerReader(frozenset(name.encode() for name in settings.stamps))
        self.stamps_all = settings.stamps == STAMPS
        self.gated = False  # some call may have to be refused for its model or environment
        self.timed = self.sheds = False
        self._limit(settings)
        self.waits_for_disk = settings.durability == "fsync"
        self.connections: set[Turns] = set()
        self.calls: set[Call] = set()
        self.buffered_bytes = 0
        self.draining = False
        self.not_ready = ""
        self._pools: dict[str, Pool] = {}
        self._use(pools)
        self._lines: dict[bytes, Line] = {}
        self._models: dict[str, ModelState] = {}
        self._wrong_environment = ""
        self._published: set[str] = set()
        self._log = log
        self._timer: asyncio.TimerHandle | None = None
        self._tick_due = 0.0

    # -- what the runtime does

    def protocol(self) -> Connection:
        """The factory for `loop.create_server`."""
        return Connection(self)

    def start(self) -> None:
        """Begin the tick that enforces every timeout."""
        self._schedule(asyncio.get_running_loop())

    def swap(
        self, guards: Guards, pools: Mapping[str, Pool] | None = None, settings: GatewaySettings | None = None
    ) -> None:
        """Put other policies in force: requests already begun keep theirs (P6).

        Of `settings` only the limits may differ: a policy's `upstream:` section says them.
        """
        self.guards = guards
        if settings is not None:
            self._limit(settings)
        self._lines.clear()
        if pools is not None:
            dropped = [pool for url, pool in self._pools.items() if pools.get(url) is not pool]
            self._use(pools)
            for pool in dropped:
                pool.retire()

    def _limit(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.timed = settings.upstream.on
        self.sheds = settings.max_in_flight is not None or settings.when_full == "refuse_traffic"

    def _use(self, pools: Mapping[str, Pool]) -> None:
        self._pools = dict(pools)
        for pool in pools.values():
            pool.reader = self._answers

    def publish(self, guard: Guard, canonical: bytes) -> None:
        """Write the resolved policy before the first record under its digest."""
        digest = guard.identity.digest
        if digest not in self._published:
            self._published.add(digest)
            published = PolicyPublished(
                digest=digest,
                name=guard.identity.name,
                version=guard.identity.version,
                published_unix_ns=self.wall_ns(),
            )
            self.journal.append(Kind.POLICY, encode(published), (canonical,))

    def set_models(self, models: Mapping[str, ModelState]) -> None:
        """By policy name."""
        self._models = dict(models)
        self._regate()

    def set_environment(self, wrong: str) -> None:
        """ "" = this is the environment the policies are for; otherwise the sentence that says why not."""
        self._wrong_environment = wrong
        self._regate()

    def _regate(self) -> None:
        mismatched = any(state.identity == "mismatch" for state in self._models.values())
        self.gated = bool(self._wrong_environment) or mismatched

    def drain(self) -> None:
        """From now every answer ends its connection; idle connections end now."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def close(self) -> None:
        """Drop everything."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.connections):
            connection.abort()
            connection.connection_lost(None)  # now, while the journal and the counters are still there
        for pool in self._pools.values():
            pool.close()

    @property
    def in_flight(self) -> int:
        """Calls that have begun and are not answered."""
        return len(self.calls)

    # -- what a connection asks

    def call(
        self, connection: Connection, method: bytes, raw_target: bytes, head: Head, http10: bool, keep_alive: bool
    ) -> Call | Refusal:
        """The call for a request head, or why there is none."""
        key = method + b" " + raw_target
        line = self._lines.get(key)
        if line is None:
            line = self._understand(method, raw_target)
            if len(key) <= _LONGEST_CACHED_TARGET:
                if len(self._lines) >= _MAX_CACHED_TARGETS:
                    self._lines.clear()
                self._lines[key] = line
        if line.guard is None and line.bodyless and (head.chunked or head.content_length > 0):
            line = self._understand(method, raw_target, as_method="POST")
        if line.refusal is not None:
            return line.refusal
        if line.target.authority and line.target.authority.lower() != head.host.lower():
            return Refusal(421, "misdirected", "the request names another host than its Host header")
        if head.via and self._via in received_by(head.via):
            return Refusal(508, "loop", "this request has been here before: an upstream points back at this port")
        return line.make(connection, self, method, line, head, http10, keep_alive)

    def _understand(self, method: bytes, raw: bytes, as_method: str = "") -> Line:
        """`as_method` is the method to decide by: a GET with a body may be a POST to whoever reads it."""
        target = read_target(raw)
        pool = self._pools[""]
        verb, text = method.decode("latin-1"), target.send.decode("latin-1")
        facts = record.line_facts(verb, text, None, None)
        if target.refused:
            return Line(target, None, None, pool, Call, facts, Refusal(400, "malformed", target.refused))
        if target.path.startswith(PREFIX):
            return Line(target, None, None, pool, internal_call(target.path), facts)
        guards = self.guards
        resolved = guards.resolve(as_method or verb, target.path)
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
        default = self._pools[""]
        return default if guard is None else self._pools.get(guard.upstream, default)

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

    # -- what a call asks

    def relaying(self, call: Call) -> None:
        """A relayed call has begun."""
        self.calls.add(call)
        line = call.line
        if line.guard is None and line.route is not None and line.route.kind == "inference":
            self.counts.unguarded()
        if line.target.ambiguous:
            self.counts.would_refuse("ambiguous-path")

    def upstream_host(self, pool: Pool) -> bytes:
        """The Host for callers who sent none (HTTP/1.0)."""
        address = pool.address
        return f"{address.host}:{address.port}".encode() if address.host else b"localhost"

    def shed(self) -> Problem | None:
        """A problem when one more call upstream is too many, or when the journal must have room and has none."""
        if not self.journal.accepting:
            return Problem(
                503, "journal-full", "Not recording", "the journal is full, and what cannot be recorded is refused",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )  # fmt: skip
        limit = self.settings.max_in_flight
        if limit is None or len(self.calls) <= limit:
            return None
        if not self.guards.enforcing:
            self.counts.would_refuse("overloaded")
            return None
        return Problem(
            503, "overloaded", "Too busy", f"more than {limit} requests are in flight", retry_after_seconds=1
        )

    def gate(self, guard: Guard) -> Problem | None:
        """Why this policy's model must not be asked: the wrong environment, or another model than the pinned one."""
        if self._wrong_environment:
            return Problem(
                503, "wrong-environment", "Wrong environment", self._wrong_environment,
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )  # fmt: skip
        state = self._models.get(guard.identity.name)
        if state is not None and state.identity == "mismatch" and guard.identity.stop_on_mismatch:
            return self._mismatch(guard)
        return None

    def wrong_version(self, guard: Guard, version: str) -> Problem | None:
        """An answer states a version that the policy does not pin: from now the model is another one."""
        self._models[guard.identity.name] = ModelState("mismatch", version)
        self._regate()
        return self._mismatch(guard) if guard.identity.stop_on_mismatch else None

    def _mismatch(self, guard: Guard) -> Problem:
        expected = " or ".join(guard.identity.model_versions) or guard.identity.model_name
        return Problem(
            503, "model-identity-mismatch", "Another model answers", f"the policy is for {expected}",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )  # fmt: skip

    def identity_word(self, guard: Guard, stated_version: str) -> str:
        """match | mismatch | unstated: the answer's own version speaks where the server's metadata say nothing."""
        state = self._models.get(guard.identity.name)
        word = state.identity if state is not None else "unstated"
        if word == "unstated" and stated_version and stated_version in guard.identity.model_versions:
            return "match"
        return word

    def other_protocol(self, mode: str) -> Verdict:
        """A second spelling of a guarded route: the policy cannot read it, so it is never a way around the contract."""
        outcome = Outcome.REJECTED if mode == Mode.ENFORCE else Outcome.UNCHECKED
        return Verdict(outcome, Outcome.REJECTED, reason=WireFault.UNSUPPORTED.value)

    def header_lookup(self, head: Head) -> HeaderLookup:
        """Request headers by name, for features that live in headers; None where sent twice.

        `x_region` is `x-region`: servers of the CGI kind read both as one (RFC 3875 section 4.1.18).
        """
        found: dict[str, str | None] = {}
        for line in head.lines:
            name, _, value = line.partition(b":")
            key = folded(name).decode("latin-1")
            found[key] = None if key in found else value.strip().decode("latin-1")
        return lambda name: found.get(name.lower().replace("_", "-"))

    def guard_failed(self, guard: Guard, error: str) -> None:
        """A check of our own failed: counted and said, never silent (P4)."""
        self.counts.guard_errors()
        self._log("guard.failed", {"policy": guard.identity.name, "error": error})

    # -- the record

    def opened(self, opening: Open) -> None:
        """A streamed answer has begun."""
        self.journal.append(Kind.OPEN, encode(opening))

    def record(self, call: Call) -> None:
        """The exchange, written before its last byte leaves (P8), and counted.

        A failing disk is counted by the writer and never reaches a call (P2).
        """
        total_ns = perf_counter_ns() - call.started_ns
        fields, payloads = record.pack_exchange(call, total_ns)
        if call.streamed:
            self.journal.append(Kind.CLOSE, encode((fields,)), payloads)
        else:
            self.journal.append(Kind.EXCHANGE, encode(fields), payloads)
        verdict = call.verdict
        outcome = verdict.outcome if verdict is not None else "passed"
        if call.error and outcome in _UNTROUBLED:
            outcome = "error"
        self.counts.answered(outcome, call.status, total_ns, call.upstream_ns, call.contract_ns)

    # -- time

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tick_due = loop.time() + _TICK_SECONDS
        self._timer = loop.call_later(_TICK_SECONDS, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer for all timeouts: cheaper than a timer per request, exact to a tenth of a second."""
        self.counts.loop_lag(int((loop.time() - self._tick_due) * 1e9))
        self._schedule(loop)
        now = perf_counter_ns() / 1e9
        for call in [call for call in self.calls if call.deadline and call.deadline < now]:
            if call.mode != Mode.OBSERVE if call.line.guard is not None else self.guards.enforcing:
                call.expire()
            else:
                call.deadline = 0.0
                self.counts.would_refuse("timeout")
        for connection in [connection for connection in self.connections if 0 < connection.deadline < now]:
            connection.expire()
        for pool in self._pools.values():
            pool.expire(now)
        self.journal.tick()
        self.counts.levels(len(self.connections), len(self.calls), self.buffered_bytes)
