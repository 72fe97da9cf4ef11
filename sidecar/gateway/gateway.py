"""The gateway of one process: what its connections share. Decisions live in guards, bytes in calls."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from time import perf_counter_ns, time_ns
from typing import Final

from ..contract import Mode
from ..exchange import Kind, Open, PolicyPublished, encode
from ..guard import Guard, Guards
from ..journal import StatsPage, Writer
from ..problem import Problem
from ..upstream import AnswerReader, Pool
from ..wire import arrays
from . import record
from .call import Call
from .connection import Connection
from .counts import Counts
from .head import Head, HeadReader, Refusal, received_by
from .ids import Ids
from .routing import Routing
from .settings import STAMPS, GatewaySettings
from .standing import Standing
from .turns import Turns

_TICK_SECONDS: Final = 0.1
_RETRY_AFTER_SECONDS: Final = 5
_UNTROUBLED: Final = frozenset({"ok", "observed", "repaired", "passed"})  # words that are untrue of a failed call


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
        self.journal = journal
        self.counts = Counts(page)
        self.ids = Ids(bits or random.Random().getrandbits, settings.via)  # noqa: S311  ids, not secrets
        self.wall_ns = wall_ns
        self.heads = HeadReader(caller_header=settings.caller_header, recorded=settings.recorded_headers)
        self._via = settings.via.encode()
        self.via_line = b"Via: 1.1 %b\r\n" % self._via
        self._answers = AnswerReader(frozenset(name.encode() for name in settings.stamps))
        self.stamps_all = settings.stamps == STAMPS
        self.standing = Standing()
        self.timed = self.sheds = False
        self._limit(settings)
        self.waits_for_disk = settings.durability == "fsync"
        self.connections: set[Turns] = set()
        self.calls: set[Call] = set()
        self.buffered_bytes = 0
        self.draining = False
        self.routing = self._routing(guards, pools)
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
        if settings is not None:
            self._limit(settings)
        before = self.routing.pools
        self.routing = self._routing(guards, before if pools is None else pools)
        for url, pool in before.items():
            if self.routing.pools.get(url) is not pool:
                pool.retire()

    def _limit(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.timed = settings.upstream.on
        self.sheds = settings.max_in_flight is not None or settings.when_full == "refuse_traffic"

    def _routing(self, guards: Guards, pools: Mapping[str, Pool]) -> Routing:
        for pool in pools.values():
            pool.reader = self._answers
        return Routing(guards, pools)

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
        for pool in self.routing.pools.values():
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
        line = self.routing.line(method, raw_target)
        if line.guard is None and line.bodyless and (head.chunked or head.content_length > 0):
            line = self.routing.understand(method, raw_target, as_method="POST")
        if line.refusal is not None:
            return line.refusal
        if line.target.authority and line.target.authority.lower() != head.host.lower():
            return Refusal(421, "misdirected", "the request names another host than its Host header")
        if head.via and self._via in received_by(head.via):
            return Refusal(508, "loop", "this request has been here before: an upstream points back at this port")
        return line.make(connection, self, method, line, head, http10, keep_alive)

    # -- what a call asks

    def relaying(self, call: Call) -> None:
        """A relayed call has begun."""
        self.calls.add(call)
        line = call.line
        if line.guard is None and line.route is not None and line.route.kind == "inference":
            self.counts.unguarded()
        if line.target.ambiguous:
            self.counts.would_refuse("ambiguous-path")

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
        if not self.routing.guards.enforcing:
            self.counts.would_refuse("overloaded")
            return None
        return Problem(
            503, "overloaded", "Too busy", f"more than {limit} requests are in flight", retry_after_seconds=1
        )

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
            if call.mode != Mode.OBSERVE if call.line.guard is not None else self.routing.guards.enforcing:
                call.expire()
            else:
                call.deadline = 0.0
                self.counts.would_refuse("timeout")
        for connection in [connection for connection in self.connections if 0 < connection.deadline < now]:
            connection.expire()
        for pool in self.routing.pools.values():
            pool.expire(now)
        self.journal.tick()
        if arrays.wanted():
            loop.run_in_executor(None, arrays.load)
        self.counts.levels(len(self.connections), len(self.calls), self.buffered_bytes)
