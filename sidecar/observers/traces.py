"""Records as OpenTelemetry spans, SERVER and CLIENT, sent to a collector over OTLP/HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import ClassVar, Final

from opentelemetry.sdk.trace import ReadableSpan

from ..errors import RuntimeSetupError
from ..exchange import Close, Exchange, Kind, Shadow
from ..journal import Cursor, Read
from ..telemetry import metrics
from ..telemetry.sampling import Sampling
from ..telemetry.spans import shadow_span, spans_of
from .base import Context, StateFile
from .otlp import Endpoint, Exporter

BATCH_SPANS: Final = 128  # some 9 ms of encoding: the loop is not held for longer
_EXPORTED: Final = metrics.SPANS_EXPORTED.at()


class Traces:
    """Spans of the exchanges that are sampled, and of all that were refused, failed or slow, to a collector."""

    kind: ClassVar[str] = "traces"
    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.EXCHANGE, Kind.CLOSE, Kind.SHADOW})
    commit_seconds = 2.0

    def __init__(self, context: Context, *, give_up_seconds: float = 45.0) -> None:
        """RuntimeSetupError where no collector is named. `context.section`: the platform's `trace:`."""
        section = context.section
        endpoint = Endpoint.from_environment(os.environ, getattr(section, "to", None) or "")
        if endpoint is None:
            raise RuntimeSetupError(
                "traces: no collector is named; say `trace: {to: URL}` or OTEL_EXPORTER_OTLP_ENDPOINT"
            )
        self._book = context.book
        self._log = context.log
        self._stats = context.stats
        self._scheme = context.scheme
        self._sampling = Sampling.of(section)
        self._file = StateFile(context.data / "observers" / "traces.state")
        self._exporter = Exporter(endpoint, count=self._count, give_up_seconds=give_up_seconds)
        self._pending: list[ReadableSpan] = []  # at most a batch and what one record adds

    async def open(self) -> Cursor:
        return await asyncio.to_thread(self._file.load_or_begin, self._log, "traces.state_damaged")

    async def take(self, batch: Sequence[Read]) -> None:
        for read in batch:
            record = read.record.exchange if isinstance(read.record, Close) else read.record
            try:
                if isinstance(record, Exchange) and self._sampling.keeps(record):
                    self._pending += self._spans(record, read)
                elif isinstance(record, Shadow) and self._sampling.keeps_copy(record):
                    span = shadow_span(record, replica=read.replica, environment=read.environment)
                    self._pending.append(span)
            except ValueError as error:  # ids that are none: not a record of ours, and not worth stopping for
                named = getattr(record, "prediction_id", "")
                self._log("traces.unreadable", {"prediction_id": named[:64], "reason": str(error)[:200]})
            if len(self._pending) >= BATCH_SPANS:
                await self._flush()

    async def commit(self, cursor: Cursor) -> None:
        """The cursor moves once the collector has all that lies before it: at least once, with the same ids."""
        await self._flush()
        await asyncio.to_thread(self._file.save, cursor, b"")

    async def close(self) -> None:
        await self._exporter.close()

    def _spans(self, record: Exchange, read: Read) -> tuple[ReadableSpan, ...]:
        guard = self._book.guard(record.policy_digest) if record.policy_digest else None
        policy = ("", "") if guard is None else (guard.identity.name, guard.identity.version)
        return spans_of(record, policy=policy, replica=read.replica, environment=read.environment, scheme=self._scheme)

    async def _flush(self) -> None:
        if not self._pending:
            return
        taken = await self._exporter.send(self._pending)
        self._pending = []
        counters = self._stats.counters
        counters[_EXPORTED] += taken.spans
        for reason in ("refused", "partly_refused", "too_large"):
            counters[metrics.SPANS_DROPPED.at(reason)] += getattr(taken, reason)
        if taken.reason:
            lost = taken.refused + taken.partly_refused + taken.too_large
            self._log("traces.refused", {"spans": lost, "reason": taken.reason})

    def _count(self, result: str) -> None:
        self._stats.counters[metrics.TRACE_EXPORTS.at(result)] += 1


MEMBER = Traces
