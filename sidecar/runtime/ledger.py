"""The supervisor's bookkeeping: its own counters, the journal's retention, and when the disk will be full."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Final

from ..journal import JournalSettings, StatsPage, fold_dead, page_path, read_pages
from ..journal.retention import cap, run
from ..telemetry import metrics
from .messages import JournalFacts
from .readiness import JournalStanding, Readiness

PAGE_NAME: Final = "supervisor"
RETENTION_SECONDS: Final = 5.0
RATE_WINDOW: Final = 60  # rounds of a second


class Ledger:
    """One page of counters; `tick` once a second."""

    def __init__(self, data: Path, journal: Path, facts: JournalFacts, workers: int) -> None:
        """JournalError when another process counts in this folder."""
        self._data = data
        self._journal = journal
        self._settings = JournalSettings(
            durability="fsync" if facts.durability == "fsync" else "written",
            max_bytes=facts.max_bytes,
            max_payload=facts.max_payload,
            max_age=facts.max_age,
            when_full="refuse_traffic" if facts.when_full == "refuse_traffic" else "drop_oldest",
        )
        fold_dead(data, {PAGE_NAME, *(f"hot-{index}" for index in range(workers))})
        self._page = StatsPage(page_path(data, PAGE_NAME))
        self._next_retention = 0.0
        self._taken = 0
        self._restarts = 0
        self._written: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW)

    def reloaded(self, result: str) -> None:
        """A policy load ended: loaded, unchanged or refused."""
        self._page.counters[metrics.POLICY_RELOADS.at(result)] += 1
        if result == "loaded":
            self._page.gauges[metrics.POLICY_LOADED.slot] = time.time()

    def tick(self, readiness: Readiness) -> None:
        """Counters, and every few seconds retention. JournalError or OSError when retention fails."""
        self._page.gauges[metrics.READY.slot] = float(readiness.ready)
        self._page.gauges[metrics.WORKERS_READY.slot] = float(readiness.workers.ready)
        self._page.counters[metrics.WORKER_RESTARTS.slot] += readiness.workers.restarts - self._restarts
        self._restarts = readiness.workers.restarts
        now = time.monotonic()
        readings, _ = read_pages(self._data)
        written = sum(reading.values.counters[metrics.JOURNAL_BYTES.slot] for reading in readings)
        self._written.append((now, written))
        if now >= self._next_retention and self._journal.is_dir():
            self._next_retention = now + RETENTION_SECONDS
            self._taken = run(self._journal, self._settings, self._page, now_unix_ns=time.time_ns())

    def standing(self, *, refusing: bool) -> JournalStanding:
        """For /readyz and `status`."""
        limit = cap(self._journal, self._settings)
        rate = self._rate()
        full_in = max(0.0, limit - self._taken) / rate if rate > 0 else None
        return JournalStanding(
            refusing=refusing,
            bytes=self._taken,
            max_bytes=limit,
            when_full=self._settings.when_full,
            full_in_seconds=None if full_in is None else round(full_in, 1),
        )

    def close(self) -> None:
        """Its counters stay in the page."""
        self._page.close()

    def _rate(self) -> float:
        """Bytes a second over the window."""
        if len(self._written) < 2:
            return 0.0
        (began, first), (ended, last) = self._written[0], self._written[-1]
        return (last - first) / (ended - began) if ended > began else 0.0
