"""Every metric: name, type, help, labels, and its slots in the stats page. Declared here and nowhere else.

In: the declarations below. Out: `TABLE`, the size of a page, a digest of the layout. A slot is a place in one of two
arrays: counters and histograms live in `counters` (unsigned 64 bit), gauges in `gauges` (double). Labels are closed
sets, so the page has a fixed size and no request can make it grow.

On the hot path a slot is looked up once, at import, and then `page.counters[SLOT] += 1`. One slot belongs to one
thread.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal, TypeAlias

from ..errors import UpstreamFault

MetricType: TypeAlias = Literal["counter", "gauge", "histogram"]
Merge: TypeAlias = Literal["sum", "max"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. `slot` is its first place; label values follow in the order of their product."""

    name: str
    type: MetricType
    help: str
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    slot: int
    bounds_ns: tuple[int, ...] = ()  # upper bounds of a histogram's buckets; `+Inf` follows
    merge: Merge = "sum"  # how gauges of several processes become one
    slots: Mapping[tuple[str, ...], int] = field(default_factory=dict, repr=False, compare=False)

    def at(self, *values: str) -> int:
        """The slot of these label values, in the order declared. KeyError for a value outside the closed set."""
        return self.slots[values]

    def nearest(self, value: str) -> int:
        """The slot of a single label's value, or that of `other`."""
        slot = self.slots.get((value,))
        return self.slots[("other",)] if slot is None else slot

    @property
    def width(self) -> int:
        """Slots per label combination: a histogram has its buckets, `+Inf` and its sum in nanoseconds."""
        return len(self.bounds_ns) + 2 if self.type == "histogram" else 1

    def observe(self, counters: memoryview, nanoseconds: int) -> None:
        """Count one duration in an unlabelled histogram; what a clock made negative counts as nothing."""
        counters[self.slot + bisect_left(self.bounds_ns, nanoseconds)] += 1
        if nanoseconds > 0:
            counters[self.slot + len(self.bounds_ns) + 1] += nanoseconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The values of one page, or of several added up."""

    counters: Sequence[int]
    gauges: Sequence[float]


_table: list[Metric] = []
_next_slot = {"counters": 0, "gauges": 0}


def _declare(
    kind: MetricType,
    name: str,
    text: str,
    labels: Mapping[str, Sequence[str]],
    bounds_seconds: Sequence[float] = (),
    merge: Merge = "sum",
) -> Metric:
    area = "gauges" if kind == "gauge" else "counters"
    closed = tuple((label, tuple(values)) for label, values in labels.items())
    bounds = tuple(round(bound * 1e9) for bound in bounds_seconds)
    first = _next_slot[area]
    width = len(bounds) + 2 if kind == "histogram" else 1
    combinations = itertools.product(*(values for _, values in closed))
    slots = {values: first + width * index for index, values in enumerate(combinations)}
    _next_slot[area] = first + width * len(slots)
    metric = Metric(name, kind, text, closed, first, bounds, merge, slots)
    _table.append(metric)
    return metric


def _counter(name: str, text: str, **labels: Sequence[str]) -> Metric:
    return _declare("counter", name, text, labels)


def _gauge(name: str, text: str, *, merge: Merge = "sum", **labels: Sequence[str]) -> Metric:
    return _declare("gauge", name, text, labels, merge=merge)


def _histogram(name: str, text: str, bounds_seconds: Sequence[float]) -> Metric:
    return _declare("histogram", name, text, {}, bounds_seconds)


# OpenTelemetry's HTTP boundaries with finer steps below: a local model answers in less than their first bucket.
_CALL_SECONDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60,
)  # fmt: skip
WORK_SECONDS: Final = (
    25e-6, 50e-6, 75e-6, 100e-6, 150e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 1,
)  # fmt: skip
_WRITE_SECONDS: Final = (5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 5e-3, 10e-3, 50e-3, 100e-3, 1, 10)
_SYNC_SECONDS: Final = (0.5e-3, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 0.5, 1, 10)

OUTCOMES: Final = ("ok", "observed", "repaired", "fallback", "rejected", "unchecked", "passed", "error")
CODE_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
PROBLEM_KINDS: Final = (
    "malformed", "malformed-body", "headers-too-large", "too-large", "unsupported-body", "ambiguous-path", "upgrade",
    "misdirected", "loop", "not-found", "method-not-allowed", "unauthorized", "contract-violation",
    "contract-unavailable", "output-violation", "unchecked", "no-policy", "model-identity-mismatch",
    "wrong-environment", "not-ready", "overloaded", "journal-full", "upstream-unavailable", "bad-upstream-answer",
    "timeout", "internal", "other",
)  # fmt: skip
WOULD_REFUSE_REASONS: Final = (
    "contract", "unchecked", "no-policy", "too-large", "ambiguous-path", "overloaded", "timeout",
    "model-identity-mismatch", "other",
)  # fmt: skip
JOURNAL_DROP_REASONS: Final = ("disk_full", "file_limit", "io_error", "too_large", "closed", "other")
REMOVAL_REASONS: Final = ("aged", "over_cap")
SHADOW_OUTCOME_WORDS: Final = (
    "compared", "primary_failed", "shadow_error", "shadow_timeout", "dropped_queue", "dropped_bytes", "too_large",
    "streaming_skipped", "not_sampled", "unsafe_method", "budget_spent", "uncomparable",
)  # fmt: skip
OBSERVERS: Final = (
    "traces", "metrics", "access", "shadow", "archive", "forward", "profiles", "loops", "alerts", "other",
)  # fmt: skip
SPAN_DROP_REASONS: Final = ("refused", "partly_refused", "too_large")
EXPORT_RESULTS: Final = ("taken", "refused", "busy", "unreachable")

REQUESTS = _counter("sidecar_requests_total", "Requests answered, by what the contract did.", outcome=OUTCOMES)
RESPONSES = _counter("sidecar_responses_total", "Answers sent to callers, by class of status.", code_class=CODE_CLASSES)
UPSTREAM_ERRORS = _counter(
    "sidecar_upstream_errors_total",
    "Calls to the model server without a usable answer, by what went wrong.",
    error=tuple(fault.value for fault in UpstreamFault),
)
PROBLEMS = _counter(
    "sidecar_problems_total", "Answers of the sidecar's own in place of the model's, by kind.", kind=PROBLEM_KINDS
)
UNGUARDED = _counter("sidecar_unguarded_requests_total", "Inference requests that no policy judged.")
WOULD_REFUSE = _counter(
    "sidecar_would_refuse_total",
    "Requests passed while observing that would have been refused, by reason.",
    reason=WOULD_REFUSE_REASONS,
)
GUARD_ERRORS = _counter("sidecar_guard_errors_total", "Checks that failed themselves and were passed or refused.")
CLIENT_ABORTS = _counter("sidecar_client_aborts_total", "Callers who went away before their answer was sent.")
PARSER_ERRORS = _counter("sidecar_parser_errors_total", "Connections closed because what came was not valid HTTP.")
REFUSED_CONNECTIONS = _counter("sidecar_refused_connections_total", "Connections refused at the limit.")
CONNECTIONS = _gauge("sidecar_connections", "Open connections of callers.")
IN_FLIGHT = _gauge("sidecar_in_flight_requests", "Requests that have begun and are not answered yet.")
BUFFERED_BYTES = _gauge("sidecar_buffered_bytes", "Bytes of request and answer bodies held in memory.")

REQUEST_SECONDS = _histogram(
    "sidecar_request_duration_seconds", "From a request's first byte to its answer's last.", _CALL_SECONDS
)
UPSTREAM_SECONDS = _histogram(
    "sidecar_upstream_duration_seconds", "From sending to the model server to its answer's last byte.", _CALL_SECONDS
)
OVERHEAD_SECONDS = _histogram(
    "sidecar_overhead_seconds", "What the sidecar itself added to a request, upstream time taken off.", WORK_SECONDS
)
CONTRACT_SECONDS = _histogram(
    "sidecar_contract_seconds", "Decoding and checking of one request and its answer.", WORK_SECONDS
)
LOOP_LAG_SECONDS = _histogram(
    "sidecar_loop_lag_seconds",
    "How late the event loop ran a timer: waiting that no request timer sees.",
    WORK_SECONDS,
)

JOURNAL_RECORDS = _counter("sidecar_journal_records_total", "Records written to the journal.")
JOURNAL_BYTES = _counter("sidecar_journal_written_bytes_total", "Bytes written to the journal.")
JOURNAL_DROPPED = _counter(
    "sidecar_journal_dropped_records_total",
    "Records that could not be written, by reason.",
    reason=JOURNAL_DROP_REASONS,
)
JOURNAL_WRITE_SECONDS = _histogram(
    "sidecar_journal_write_seconds", "Duration of one write of one record.", _WRITE_SECONDS
)
JOURNAL_WRITE_MAX = _gauge("sidecar_journal_write_max_seconds", "The slowest write since the start.", merge="max")
JOURNAL_STALLS = _counter("sidecar_journal_stalls_total", "Writes that took longer than 100 ms.")
JOURNAL_SYNC_SECONDS = _histogram("sidecar_journal_sync_seconds", "Duration of one fdatasync.", _SYNC_SECONDS)
JOURNAL_FSYNC_FAILURES = _counter(
    "sidecar_journal_fsync_failures_total", "Syncs that failed: the segment no longer counts as durable."
)
JOURNAL_FAILED = _gauge("sidecar_journal_failed", "Streams that cannot be written at the moment.")
JOURNAL_SEGMENTS_OPENED = _counter("sidecar_journal_segments_opened_total", "Segments created.")
JOURNAL_SEGMENTS = _gauge("sidecar_journal_segments", "Segments on disk, all streams.", merge="max")
JOURNAL_DISK_BYTES = _gauge("sidecar_journal_disk_bytes", "Bytes on disk, all streams.", merge="max")
JOURNAL_LIMIT_BYTES = _gauge("sidecar_journal_limit_bytes", "The most the journal may take on disk.", merge="max")
JOURNAL_OLDEST_SECONDS = _gauge("sidecar_journal_oldest_age_seconds", "Age of the oldest segment.", merge="max")
JOURNAL_REMOVED = _counter(
    "sidecar_journal_removed_records_total", "Records removed with their segment, by reason.", reason=REMOVAL_REASONS
)
JOURNAL_UNREAD = _counter(
    "sidecar_journal_unread_removed_records_total",
    "Records removed before an observer had read them.",
    observer=OBSERVERS,
)

SHADOW_OUTCOMES = _counter(
    "sidecar_shadow_outcomes_total",
    "Judged requests of policies with candidates, once per candidate, by what became of the copy.",
    outcome=SHADOW_OUTCOME_WORDS,
)
SHADOW_SECONDS = _histogram(
    "sidecar_shadow_duration_seconds", "From sending a copy to the end of the candidate's answer.", _CALL_SECONDS
)
SHADOW_IN_FLIGHT = _gauge("sidecar_shadow_in_flight", "Copies sent to candidates and not answered.")
SHADOW_HELD_BYTES = _gauge("sidecar_shadow_held_bytes", "Bytes of copies waiting for candidates or for their answers.")

POLICY_RELOADS = _counter(
    "sidecar_policy_reloads_total", "Attempts to load a policy, by result.", result=("loaded", "unchanged", "refused")
)
POLICY_LOADED = _gauge(
    "sidecar_policy_loaded_timestamp_seconds", "When the policies in force were loaded (Unix time).", merge="max"
)
FEEDBACK = _counter(
    "sidecar_feedback_items_total",
    "Labels and outcomes received, by what became of them.",
    result=("accepted", "rejected"),
)

SPANS_EXPORTED = _counter("sidecar_spans_exported_total", "Spans that the collector took.")
SPANS_DROPPED = _counter(
    "sidecar_spans_dropped_total", "Spans that were to be exported and were not, by reason.", reason=SPAN_DROP_REASONS
)
TRACE_EXPORTS = _counter(
    "sidecar_trace_exports_total", "Requests to the collector, by what became of them.", result=EXPORT_RESULTS
)
ACCESS_LINES_LOST = _counter("sidecar_access_lines_lost_total", "Access lines that could not be written.")

READY = _gauge("sidecar_ready", "1 while serving is possible, as /readyz says.", merge="max")
WORKERS_READY = _gauge("sidecar_workers_ready", "Serving processes that accept connections.", merge="max")
WORKER_RESTARTS = _counter("sidecar_worker_restarts_total", "Serving processes that died and were started again.")
COLD_RESTARTS = _counter("sidecar_cold_restarts_total", "Times the observers' process died and was started again.")
OBSERVER_RUNNING = _gauge("sidecar_observer_running", "1 while the observer reads.", merge="max", observer=OBSERVERS)
OBSERVER_LAG_SECONDS = _gauge(
    "sidecar_observer_lag_seconds",
    "How long ago the observer had read all there was; 0 while it has.",
    merge="max",
    observer=OBSERVERS,
)
OBSERVER_LAG_BYTES = _gauge(
    "sidecar_observer_lag_bytes", "Bytes of the journal not read yet.", merge="max", observer=OBSERVERS
)
OBSERVER_RECORDS = _counter("sidecar_observer_records_total", "Records handed to the observer.", observer=OBSERVERS)
OBSERVER_ERRORS = _counter(
    "sidecar_observer_errors_total",
    "Times the observer failed and was started again from its last commit.",
    observer=OBSERVERS,
)
OBSERVER_LAGGED_OUT = _counter(
    "sidecar_observer_lagged_out_total",
    "Records that were removed before the observer came to them.",
    observer=OBSERVERS,
)
OBSERVER_UNREADABLE = _counter(
    "sidecar_observer_unreadable_total",
    "Stretches of the journal that the observer had to step over.",
    observer=OBSERVERS,
)

ARCHIVE_LABELS = _counter(
    "sidecar_archive_labels_total",
    "Labels where rows are sampled: of rows that were there, that were brought back, whose record has gone.",
    rows=("kept", "brought_back", "gone"),
)

TABLE: Final[tuple[Metric, ...]] = tuple(_table)
COUNTER_SLOTS: Final = _next_slot["counters"]
GAUGE_SLOTS: Final = _next_slot["gauges"]
LAYOUT_DIGEST: Final = blake2b(
    repr([(m.name, m.type, m.labels, m.bounds_ns, m.slot) for m in TABLE]).encode(), digest_size=16
).digest()


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Several processes as one: counters and histograms added, gauges as each of them says."""
    counters = [sum(column) for column in zip(*(s.counters for s in snapshots), strict=True)] or [0] * COUNTER_SLOTS
    gauges = [0.0] * GAUGE_SLOTS
    for metric in TABLE:
        if metric.type == "gauge":
            for slot in metric.slots.values():
                values = [snapshot.gauges[slot] for snapshot in snapshots] or [0.0]
                gauges[slot] = max(values) if metric.merge == "max" else sum(values)
    return Snapshot(counters, gauges)
