"""Records as Prometheus series: what only a record knows, by policy, model, route, verdict and code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

import msgspec

from ..errors import JournalError
from ..exchange import Close, Exchange, Feedback, Gap, Kind
from ..journal import Cursor, Read
from ..predictions import opinions
from ..telemetry import http, series
from ..telemetry.exposition import Family
from ..telemetry.sampling import Sampling
from ..telemetry.series import OTHER
from ..telemetry.store import Counter, Histogram, Store
from .base import Context, StateFile

_MOST_LINES: Final = 4096
_UNKNOWN: Final = "unknown"
_UNJUDGED: Final = "unjudged"


class _Line(NamedTuple):
    """The series that records alike in their labels are counted in."""

    policy: str
    counters: tuple[Counter, ...]  # one request each
    rows: Counter | None
    contract: Histogram | None
    server: Histogram
    client: Histogram | None


class Metrics:
    """Request, violation, row and label counts and HTTP durations with exemplars, for Prometheus."""

    kind: ClassVar[str] = "metrics"
    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.EXCHANGE, Kind.CLOSE, Kind.FEEDBACK, Kind.GAP})
    commit_seconds = 5.0

    def __init__(self, context: Context) -> None:
        """`context.section`: the platform's `trace:` where spans are exported; exemplars then lead to those alone."""
        self._book = context.book
        self._log = context.log
        self._scheme = context.scheme
        self._sampling = Sampling.of(context.section) if context.section is not None else None
        self._file = StateFile(context.data / "observers" / "metrics.state")
        self._store = Store()
        self._shown = b""
        self._lines: dict[tuple[str | int, ...], _Line] = {}
        self._models: set[str] = set()
        self._routes: set[str] = set()

    async def open(self) -> Cursor:
        try:
            cursor, state = self._file.load()
            self._store = Store.load(state)
        except (JournalError, msgspec.MsgspecError, TypeError, ValueError) as error:
            aside = self._file.path.with_suffix(".damaged")
            self._file.path.replace(aside)
            self._log("metrics.state_damaged", {"reason": str(error), "kept_as": str(aside)})
            cursor, state, self._store = Cursor(), b"", Store()
        self._shown = state
        self._lines.clear()
        self._models = self._store.values("model")
        self._routes = self._store.values("http_route")
        return cursor

    async def take(self, batch: Sequence[Read]) -> None:
        for read in batch:
            record = read.record
            if isinstance(record, Close):
                record = record.exchange
            if isinstance(record, Exchange):
                self._exchange(record)
                if record.policy_digest:
                    self._beside(record, read.payloads)
            elif isinstance(record, Feedback):
                self._feedback(record)
            elif isinstance(record, Gap):
                self._store.counter(series.GAPS, record.reason).value += record.records

    async def commit(self, cursor: Cursor) -> None:
        state = self._store.dump()
        await asyncio.to_thread(self._file.save, cursor, state)
        self._shown = state

    async def close(self) -> None:
        """Nothing is held open."""

    def families(self) -> list[Family]:
        """The series as last committed: what a scrape has seen is there after a crash, and nothing is counted twice."""
        return Store.load(self._shown).families()

    # -- one record

    def _exchange(self, record: Exchange) -> None:
        line = self._line(record)
        for counter in line.counters:
            counter.value += 1
        ended = (record.started_unix_ns + record.total_ns) / 1e9
        trace_id = record.trace_id if self._sampling is None or self._exported(record) else ""
        line.server.observe(record.total_ns, trace_id, record.span_id, ended)
        if line.client is not None:
            line.client.observe(record.upstream_ns, trace_id, record.client_span_id, ended)
        if line.contract is not None:
            line.contract.observe(record.contract_ns, trace_id, record.span_id, ended)
        if line.rows is not None and record.rows:
            line.rows.value += record.rows
        if record.violations_total:
            self._violations(line.policy, record)
        if record.repaired_rows:
            self._store.counter(series.REPAIRED_ROWS, line.policy).value += record.repaired_rows
        if record.fallback_rows:
            self._store.counter(series.FALLBACK_ROWS, line.policy).value += len(record.fallback_rows)
        if record.dropped_rows:
            self._store.counter(series.DROPPED_ROWS, line.policy).value += len(record.dropped_rows)

    def _beside(self, record: Exchange, payloads: Sequence[bytes]) -> None:
        """The two verdicts on each row, where the policy has a candidate contract: the only payloads read here."""
        guard = self._book.guard(record.policy_digest)
        if guard is None or guard.candidate is None:
            return
        try:
            found = opinions(record, payloads, guard)
        except Exception as error:  # a fault of our own must not stop the count of everything else
            self._log("candidate.failed", {"policy": guard.identity.name, "error": type(error).__name__})
            return
        policy = str(guard.identity.name)
        for active, candidate in found:
            self._store.counter(series.CANDIDATE_ROWS, policy, active.outcome, candidate.outcome).value += 1
            for broken in candidate.broken:
                code, feature = broken.code, broken.feature
                if code.startswith("unknown."):
                    code, feature = _UNKNOWN, ""
                labels = (policy, code, feature, broken.action.value)
                self._store.counter(series.CANDIDATE_VIOLATIONS, *labels).value += 1

    def _exported(self, record: Exchange) -> bool:
        try:
            return self._sampling is not None and self._sampling.keeps(record)
        except ValueError:  # an id that is none leads nowhere
            return False

    def _violations(self, policy: str, record: Exchange) -> None:
        for violation in record.violations:
            code, feature = violation.code, violation.feature
            if code.startswith("unknown."):  # the rest is a name that the caller made up
                code, feature = _UNKNOWN, ""
            applied = "true" if record.mode == "enforce" and violation.enforced else "false"
            self._store.counter(
                series.VIOLATIONS, policy, record.mode, code, feature, violation.applied, applied
            ).value += 1
        unlisted = record.violations_total - len(record.violations)
        if unlisted > 0:
            self._store.counter(series.UNLISTED, policy).value += unlisted

    def _feedback(self, record: Feedback) -> None:
        named = ("prediction_id", "request_id", "response_id", "key")
        subject = next((name for name in named if getattr(record, name)), "nothing")
        self._store.counter(series.LABELS, subject).value += 1
        predicted = _minted_unix_ns(record.prediction_id)
        if predicted:
            self._store.histogram(series.LABEL_DELAY_SECONDS).observe(record.received_unix_ns - predicted)

    # -- labels

    def _line(self, record: Exchange) -> _Line:
        self._admit(record)
        key = (
            record.policy_digest, record.model_name, record.route, record.method, record.verdict, record.would,
            record.mode, record.identity, record.status, record.upstream_status, record.error, record.upstream,
            http.was_sent(record),
        )  # fmt: skip
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= _MOST_LINES:
                self._lines.clear()
            policy = self._policy(record.policy_digest)
            line = self._new_line(record, policy)
            if policy != _UNKNOWN:  # the book may know it a moment later
                self._lines[key] = line
        return line

    def _new_line(self, record: Exchange, policy: str) -> _Line:
        store, model = self._store, self._model(record, policy)
        route = record.route if record.route in self._routes or not record.route else OTHER
        method, judged = http.known_method(record.method), bool(record.verdict)
        counters = [store.counter(series.RECORDED, policy, model, route, record.verdict or _UNJUDGED)]
        if judged:
            counters.append(store.counter(series.WOULD, policy, record.mode, record.would))
            counters.append(store.counter(series.IDENTITY, policy, record.identity))
        status, server_error = http.status_text(record.status), http.server_error(record)
        server = store.histogram(series.HTTP_SERVER, method, self._scheme, route, status, server_error, model)
        client = None
        if http.was_sent(record):
            address, port = http.server_of(record.upstream)
            status, client_error = http.status_text(record.upstream_status), http.client_error(record)
            client = store.histogram(series.HTTP_CLIENT, method, address, str(port or ""), status, client_error, model)
        return _Line(
            policy,
            tuple(counters),
            store.counter(series.ROWS, policy, model) if judged else None,
            store.histogram(series.POLICY_CONTRACT_SECONDS, policy) if judged else None,
            server,
            client,
        )

    def _admit(self, record: Exchange) -> None:
        """A name costs a label once the model server has answered under it: callers alone cannot make series."""
        answered = 200 <= record.upstream_status < 300
        if answered and record.model_name and record.model_name not in self._models:
            self._learn("model", record.model_name, self._models)
        if record.route and record.route not in self._routes and (answered or record.route_kind == "inference"):
            self._learn("http_route", record.route, self._routes)

    def _learn(self, label: str, value: str, known: set[str]) -> None:
        if self._store.word(label, value) == value:
            known.add(value)
            self._lines.clear()  # what was `other` has its own name from now on

    def _model(self, record: Exchange, policy: str) -> str:
        name = record.model_name
        if not name or name in self._models:
            return name
        guard = self._book.guard(record.policy_digest) if policy != _UNKNOWN and record.policy_digest else None
        return name if guard is not None and guard.identity.model_name == name else OTHER

    def _policy(self, digest: str) -> str:
        if not digest:
            return ""
        guard = self._book.guard(digest)
        return _UNKNOWN if guard is None else str(guard.identity.name)


def _minted_unix_ns(prediction_id: str) -> int:
    """When an id of our own (UUIDv7, RFC 9562 section 5.7) was made; 0 for any other text."""
    try:
        identifier = UUID(prediction_id)
    except ValueError:
        return 0
    return (identifier.int >> 80) * 1_000_000 if identifier.version == 7 else 0


MEMBER = Metrics
