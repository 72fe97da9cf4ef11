"""The observer itself: exchanges to copies, answers to records, records to sums."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from ...errors import JournalError, SidecarError, WireError
from ...exchange import Close, Exchange, Kind, Shadow, encode
from ...journal import Cursor, Read, Reader
from ...shadow import Outcome, State, decode_state, derive_key, encode_state, snapshot
from ...shadow.budget import Budget
from ...shadow.state import Open
from ...telemetry import metrics
from ...upstream import Address
from ..base import Context, StateFile
from . import copies
from .call import Answered
from .mirror import Copy, Mirror
from .plans import Planned, planned
from .records import Judgement, judge, record_of
from .sent import SentFiles

_INTERRUPTED: Final = Judgement(Outcome.DROPPED_QUEUE, "interrupted")
MOST_HELD_BYTES: Final = 64 * 1024 * 1024
_CLOSE_SECONDS: Final = 2.0
_TURN: Final = 16  # exchanges taken before calls in flight get a turn
_OUTCOME_SLOTS: Final = {outcome: metrics.SHADOW_OUTCOMES.at(outcome) for outcome in Outcome}

_Key = tuple[str, str, str]  # prediction id, policy, candidate


class ShadowObserver:
    """One instance a life: `open` restores the last commit, `close` ends what is in flight."""

    kind: ClassVar[str] = "shadow"
    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.EXCHANGE, Kind.CLOSE, Kind.SHADOW})
    commit_seconds: float = 2.0

    def __init__(
        self,
        context: Context,
        *,
        replicas: int = 1,
        wall: Callable[[], int] = time.time_ns,
        random_hex: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        """`context.secret` keys the sample; `per_day` is shared evenly by `replicas`. `wall` gives Unix nanoseconds."""
        self.state = State()
        self._context = context
        self._key = derive_key(context.secret)
        self._replicas = max(1, replicas)
        self._wall = wall
        self._random_hex = random_hex
        folder = context.data / "observers" / "shadow"
        self._file = StateFile(folder / "state")
        self._sent = SentFiles(folder)
        self._open: dict[_Key, Open] = {}
        self._handled: set[_Key] = set()  # recorded before a crash, after the commit we start from
        self._plans: dict[str, tuple[Planned, ...]] = {}
        self._mirrors: dict[tuple[Any, ...], Mirror] = {}
        self._idle = asyncio.Event()  # nothing is in flight

    def snapshot(self) -> dict[str, Any]:
        """JSON-ready, for readers of `/api/shadow`."""
        return {**snapshot(self.state), "open": len(self._open)}

    # -- observers.Observer

    async def open(self) -> Cursor:
        cursor, self.state = self._load()
        interrupted = {_key(one): one for one in self.state.open}
        interrupted |= {_key(one): one for one in self._sent.read(self.state.sequence)}
        self._handled = await asyncio.to_thread(self._recorded_since, cursor)
        for key, one in interrupted.items():
            if key not in self._handled:
                self._record(one, _INTERRUPTED)
                self._handled.add(key)
        self.state.open = ()
        self._sent.clear()
        self._sent.turn(self.state.sequence)
        for one in interrupted.values():
            self._sent.write(one)  # should the journal not have taken its frame, the next life will know
        return cursor

    async def take(self, batch: Sequence[Read]) -> None:
        for number, read in enumerate(batch):
            record = read.record
            if isinstance(record, Shadow):
                if read.stream == self._context.cold.stream:
                    self.state.of_record(record).fold(record)
            elif isinstance(record, Close):
                self._consider(record.exchange, read.payloads)
            elif isinstance(record, Exchange):
                self._consider(record, read.payloads)
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        self._show()

    async def commit(self, cursor: Cursor) -> None:
        self.state.sequence += 1
        self.state.open = tuple(self._open.values())
        data = encode_state(self.state)
        self._sent.turn(self.state.sequence)
        await asyncio.to_thread(self._file.save, cursor, data)
        self._sent.forget(self.state.sequence)
        for key, mirror in list(self._mirrors.items()):
            if mirror.expire():
                self._mirrors.pop(key).close()
        self._show()

    async def close(self) -> None:
        """Let what is in flight end for a moment; what does not is recorded as interrupted."""
        for mirror in self._mirrors.values():
            for copy in mirror.end_waiting():
                self._record(copy.open, _INTERRUPTED)
        if any(mirror.in_flight for mirror in self._mirrors.values()):
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._idle.wait()
        for mirror in self._mirrors.values():
            mirror.close()
        for left in list(self._open.values()):
            self._record(left, _INTERRUPTED)
        self._mirrors.clear()
        self._show()
        self._sent.close()

    def _load(self) -> tuple[Cursor, State]:
        """The last commit. One that cannot be read is set aside: what was compared has its frames in the journal; as
        far back as that goes the sums are made anew, and nothing is sent again but for what was in flight."""
        try:
            cursor, data = self._file.load()
            return cursor, decode_state(data)
        except JournalError as error:
            self._file.set_aside(error, self._context.log, "shadow.state_damaged")
            return Cursor(), State()

    # -- an exchange

    def _consider(self, exchange: Exchange, payloads: tuple[bytes, ...]) -> None:
        if not exchange.policy_digest or exchange.route_kind != "inference":
            return
        candidates = self._planned(exchange.policy_digest)
        if not candidates:
            return
        refused = copies.refusal(exchange, payloads)
        sent: tuple[bytes, bytes] | None = None
        if refused is None:
            try:
                sent = copies.sent_body(exchange, payloads[0])
            except (WireError, ValueError) as error:
                refused = Outcome.UNCOMPARABLE, f"request_{type(error).__name__}"
        for candidate in candidates:
            try:
                self._offer(candidate, exchange, payloads, sent, refused)
            except Exception as error:  # one strange record must not stop all that come after it
                self._fault(_open_of(candidate, exchange), error, exchange)

    def _offer(
        self,
        candidate: Planned,
        exchange: Exchange,
        payloads: tuple[bytes, ...],
        sent: tuple[bytes, bytes] | None,
        refused: tuple[Outcome, str] | None,
    ) -> None:
        policy, plan = candidate.sampler.policy, candidate.plan
        key = (exchange.prediction_id, policy, plan.candidate)
        if key in self._handled:
            self._handled.discard(key)
            return
        headers = copies.lookup(exchange)
        units = candidate.units_of(exchange, None if sent is None else sent[1], headers)
        if units is None or copies.is_copy(exchange):
            run = self.state.runs.get(candidate.run_key) or self.state.begin(policy, plan, self._wall())
            run.sums.count(Outcome.NOT_SAMPLED)
            self._context.stats.counters[_OUTCOME_SLOTS[Outcome.NOT_SAMPLED]] += 1
            return
        one = _open_of(candidate, exchange, units.names)
        if refused is not None or sent is None:
            outcome, why = refused or (Outcome.UNCOMPARABLE, "not_kept")
            self._record(one, Judgement(outcome, why), exchange=exchange)
            return
        if not self._may_spend(policy, candidate):
            self._record(one, Judgement(Outcome.BUDGET_SPENT, "per_day"), exchange=exchange)
            return
        try:
            address = candidate.address_of(exchange)
        except SidecarError:
            self._record(one, Judgement(Outcome.UNCOMPARABLE, "no_upstream"), exchange=exchange)
            return
        trace = self._random_hex(24)
        trace_id, span_id = trace[:32], trace[32:]
        guard = self._context.book.guard(exchange.policy_digest)
        stripped = guard.stripped_headers if guard is not None else ()
        drop = (*plan.headers.drop, *(name.decode("latin-1") for name in stripped))
        copy = Copy(
            open=one,
            exchange=exchange,
            upstream=address.url,
            head=copies.head_of(
                exchange,
                address,
                sent[0],
                trace_id=trace_id,
                span_id=span_id,
                drop=drop,
                fresh=candidate.again is not None,
            ),
            body=sent[0],
            trace_id=trace_id,
            span_id=span_id,
            reply=payloads[1],
            reply_coding=copies.coding_of(exchange.response_headers),
            by_row=units.by_row,
            codec=candidate.codec,
            outputs=candidate.outputs,
        )
        self._open[key] = one
        mirror = self._mirror(policy, candidate, address)
        dropped = Outcome.DROPPED_BYTES if self._full(mirror, copy) else mirror.offer(copy)
        if dropped is not None:
            self._record(one, Judgement(dropped, "no_room"), exchange=exchange)

    def _planned(self, digest: str) -> tuple[Planned, ...]:
        found = self._plans.get(digest)
        if found is not None:
            return found
        guard, document = self._context.book.guard(digest), self._context.book.document(digest)
        if guard is None or document is None:
            self.state.unknown_policy += 1
            return ()
        try:
            found = planned(guard, document, self._key)
        except (ValueError, SidecarError) as error:
            self._context.log("shadow.unusable", {"policy": guard.identity.name, "reason": str(error)})
            found = ()
        for candidate in found:
            self.state.begin(guard.identity.name, candidate.plan, self._wall())
        if len(self._plans) > 256:
            self._plans.clear()
        self._plans[digest] = found
        return found

    def _may_spend(self, policy: str, candidate: Planned) -> bool:
        per_day = candidate.plan.limits.per_day
        if per_day is None:
            return True
        budget = self.state.budgets.setdefault(f"{policy}/{candidate.plan.candidate}", Budget())
        return budget.take(per_day / self._replicas, self._wall() / 1e9)

    def _mirror(self, policy: str, candidate: Planned, address: Address) -> Mirror:
        plan = candidate.plan
        key = (policy, plan.candidate, address.url, plan.limits)
        found = self._mirrors.get(key)
        if found is None:
            found = self._mirrors[key] = Mirror(
                address, plan.limits, announce=self._announce, done=self._done, wall=self._wall
            )
        return found

    def _full(self, mirror: Mirror, copy: Copy) -> bool:
        """Whether all candidates together hold as much as they may: each has its own limit, the process has one."""
        most = max(MOST_HELD_BYTES, mirror.limits.queue_bytes)
        return sum(each.held_bytes for each in self._mirrors.values()) + copy.size > most

    def _announce(self, copy: Copy) -> bool:
        return self._sent.write(copy.open)

    # -- an answer

    def _done(self, copy: Copy, answered: Answered | None) -> None:
        if answered is None:
            self._record(copy.open, Judgement(Outcome.DROPPED_QUEUE, "disk"), exchange=copy.exchange)
        else:
            if answered.failed is None:
                metrics.SHADOW_SECONDS.observe(self._context.stats.counters, answered.latency_ns)
            try:
                judgement = judge(copy, answered)
            except Exception as error:
                self._fault(copy.open, error, copy.exchange)
            else:
                self._record(copy.open, judgement, exchange=copy.exchange, copy=copy, answered=answered)
        if not any(mirror.in_flight for mirror in self._mirrors.values()):
            self._idle.set()

    # -- a record

    def _fault(self, one: Open, error: Exception, exchange: Exchange) -> None:
        """A fault of our own: said, and counted where it happened."""
        name = type(error).__name__
        self._context.log("shadow.failed", {"prediction_id": one.prediction_id, "error": name, "exc_info": error})
        self._record(one, Judgement(Outcome.UNCOMPARABLE, f"fault_{name}"), exchange=exchange)

    def _record(
        self,
        one: Open,
        judgement: Judgement,
        *,
        exchange: Exchange | None = None,
        copy: Copy | None = None,
        answered: Answered | None = None,
    ) -> None:
        """One frame; what the journal cannot take is counted."""
        record, payloads = record_of(one, judgement, self._wall(), exchange=exchange, copy=copy, answered=answered)
        self._open.pop(_key(one), None)
        self._context.stats.counters[_OUTCOME_SLOTS[judgement.outcome]] += 1
        if not self._context.cold.append(Kind.SHADOW, encode(record), payloads):
            self.state.unrecorded += 1

    def _recorded_since(self, cursor: Cursor) -> set[_Key]:
        """What has a frame that the committed sums do not hold yet; it will be folded when it is read."""
        stream = self._context.cold.stream
        position = cursor.positions.get(stream)
        reader = Reader(self._context.journal, Cursor({stream: position} if position else {}), only={stream})
        records = (read.record for read in reader.read())
        return {_key(record) for record in records if isinstance(record, Shadow)}

    def _show(self) -> None:
        gauges = self._context.stats.gauges
        gauges[metrics.SHADOW_IN_FLIGHT.slot] = float(sum(mirror.in_flight for mirror in self._mirrors.values()))
        gauges[metrics.SHADOW_HELD_BYTES.slot] = float(sum(mirror.held_bytes for mirror in self._mirrors.values()))


def _open_of(candidate: Planned, exchange: Exchange, units: tuple[str, ...] = ()) -> Open:
    plan = candidate.plan
    return Open(
        prediction_id=exchange.prediction_id,
        request_id=exchange.request_id,
        policy=candidate.sampler.policy,
        policy_digest=exchange.policy_digest,
        candidate=plan.candidate,
        run=candidate.run,
        units=units,
    )


def _key(one: Open | Shadow) -> _Key:
    return one.prediction_id, one.policy, one.candidate
