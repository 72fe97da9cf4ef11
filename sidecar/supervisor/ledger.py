"""The supervisor's bookkeeping: its own counters, the journal's retention, and when the disk will be full."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from pathlib import Path
from typing import Final

from ..health.readiness import ColdStanding, JournalStanding, ObserverStanding, Readiness
from ..journal import JournalSettings, StatsPage, fold_dead, page_path, read_pages
from ..journal.progress import Lag, Standing, holds_of, lags, read_standing
from ..journal.retention import cap, run, show
from ..runtime.messages import JournalFacts
from ..telemetry import metrics

PAGE_NAME: Final = "supervisor"
COLD_PAGE_NAME: Final = "cold"
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
        fold_dead(data, {PAGE_NAME, COLD_PAGE_NAME, *(f"hot-{index}" for index in range(workers))})
        self._page = StatsPage(page_path(data, PAGE_NAME))
        self._next_retention = 0.0
        self._taken = 0
        self._restarts = 0
        self._cold = ColdStanding()
        self._cold_restarts = 0
        self._written: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW)
        self._dropped: deque[dict[str, int]] = deque(maxlen=RATE_WINDOW)

    def reloaded(self, result: str) -> None:
        """A policy load ended: loaded, unchanged or refused."""
        self._page.counters[metrics.POLICY_RELOADS.at(result)] += 1
        if result == "loaded":
            self._page.gauges[metrics.POLICY_LOADED.slot] = time.time()

    def tick(self, readiness: Readiness) -> None:
        """Counters, what is on disk, and every few seconds retention. JournalError or OSError when retention fails."""
        self._page.gauges[metrics.READY.slot] = float(readiness.ready)
        self._page.gauges[metrics.WORKERS_READY.slot] = float(readiness.workers.ready)
        self._page.counters[metrics.WORKER_RESTARTS.slot] += readiness.workers.restarts - self._restarts
        self._restarts = readiness.workers.restarts
        self._page.counters[metrics.COLD_RESTARTS.slot] += max(0, readiness.cold.restarts - self._cold_restarts)
        self._cold_restarts = readiness.cold.restarts
        standing = read_standing(self._data)
        self.look_at_observers(standing)
        now = time.monotonic()
        readings, _ = read_pages(self._data)
        written = sum(reading.values.counters[metrics.JOURNAL_BYTES.slot] for reading in readings)
        self._written.append((now, written))
        self._dropped.append(
            {
                labels[0]: sum(reading.values.counters[slot] for reading in readings)
                for labels, slot in metrics.JOURNAL_DROPPED.slots.items()
            }
        )
        if not self._journal.is_dir():
            return
        if now >= self._next_retention:
            self._next_retention = now + RETENTION_SECONDS
            run(self._journal, self._settings, self._page, now_unix_ns=time.time_ns(), holds=holds_of(standing))
        self._taken = show(self._journal, self._settings, self._page, now_unix_ns=time.time_ns())

    def standing(self, *, refusing: bool) -> JournalStanding:
        """For /readyz and `status`."""
        limit = cap(self._journal, self._settings)
        full_in = seconds_until_full(limit, self._taken, self._free(), self._rate())
        before, last = (self._dropped[0], self._dropped[-1]) if self._dropped else ({}, {})
        return JournalStanding(
            refusing=refusing,
            bytes=self._taken,
            max_bytes=limit,
            when_full=self._settings.when_full,
            full_in_seconds=None if full_in is None else round(full_in, 1),
            dropped={reason: count - before[reason] for reason, count in last.items() if count > before[reason]},
        )

    def cold(self, *, configured: bool, alive: bool, restarts: int) -> ColdStanding:
        """The observers as last looked at. `configured`: they are ours to run."""
        state = self._cold.state
        if configured and not alive:
            state = "restarting"
        elif configured and state == "off":
            state = "running"  # too young to have said anything
        elif not configured and state == "running":
            state = "elsewhere"
        elif not configured and state == "stalled":
            state = "off"
        return ColdStanding(state=state, restarts=restarts, observers=self._cold.observers)

    def look_at_observers(self, standing: Standing | None = None) -> None:
        """How far they are. Their own page says it while they live; while they are silent, we say it for them."""
        standing = standing or read_standing(self._data)
        gauges = self._page.gauges
        for metric in (metrics.OBSERVER_LAG_SECONDS, metrics.OBSERVER_LAG_BYTES):
            for slot in metric.slots.values():
                gauges[slot] = 0.0
        if standing is None or not self._journal.is_dir():
            self._cold = ColdStanding()
            return
        now = time.time()
        silent = standing.silent(now)
        found: dict[str, Lag] = lags(self._journal, standing.observers, now)
        if silent:
            for name, lag in found.items():
                gauges[metrics.OBSERVER_LAG_SECONDS.nearest(name)] = lag.seconds
                gauges[metrics.OBSERVER_LAG_BYTES.nearest(name)] = float(lag.size)
        self._cold = ColdStanding(
            state="stalled" if silent else "running",
            observers=tuple(
                ObserverStanding(
                    name=each.observer,
                    running=each.running and not silent,
                    lag_seconds=round(found[each.observer].seconds, 3),
                    lag_bytes=found[each.observer].size,
                    errors=each.errors,
                    because=each.because,
                )
                for each in standing.observers
            ),
        )

    def close(self) -> None:
        """Its counters stay in the page."""
        self._page.close()

    def _free(self) -> float:
        try:
            volume = os.statvfs(self._journal)
        except OSError:
            return math.inf
        return float(volume.f_bavail * volume.f_frsize)

    def _rate(self) -> float:
        """Bytes a second over the window."""
        if len(self._written) < 2:
            return 0.0
        (began, first), (ended, last) = self._written[0], self._written[-1]
        return (last - first) / (ended - began) if ended > began else 0.0


def seconds_until_full(limit: int, taken: int, free: float, rate: float) -> float | None:
    """Until the journal has all it may have, or until the disk has nothing free: others may fill it before. `rate`, in
    bytes a second, 0 = it does not grow: None."""
    return max(0.0, min(limit - taken, free)) / rate if rate > 0 else None
