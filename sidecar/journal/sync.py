"""Group commit: one thread asks the disk to keep what was written, and tells everyone who waited for it at once.

The first who waits starts a sync; whoever comes while it runs shares the next one. Nobody waits for company: a group
is what gathers in the time of one fdatasync (4 ms on a plain disk).

A failed fdatasync is final for its segment: the kernel reports a lost page once and then forgets it (Rebello et al.,
"Can Applications Recover from fsync Failures?", ATC 2020), so a second try that succeeds proves nothing.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from threading import Condition, Thread
from typing import Final, TypeAlias

from ..durable import sync_folder
from ..telemetry import metrics
from .opensegment import OpenSegment
from .stats import StatsPage

Callback: TypeAlias = Callable[[bool], object]
CallSoon: TypeAlias = Callable[[Callable[[], None]], object]

_CLOSE_SECONDS: Final = 10.0
_MOST_TRAILING: Final = 4


class SyncThread:
    """Syncs the segments of one stream and closes them when their time is over; there is a thread from the first sync
    on. Callbacks run through `call_soon`, with True or False. All methods belong to the writer's thread."""

    def __init__(self, stats: StatsPage, call_soon: CallSoon, name: str) -> None:
        self._stats = stats
        self._call_soon = call_soon
        self._changed = Condition()
        self._waiting: list[tuple[tuple[OpenSegment, ...], Callback | None]] = []
        self._trailing: list[OpenSegment] = []  # closed to records, still open to a sync
        self._closing = False
        self._name = name
        self._thread: Thread | None = None

    def sync(self, segment: OpenSegment, callback: Callback) -> None:
        """Call back once all that is in the segment now, and in those that were retired and not let go, is on the disk
        (True) or is known not to be (False)."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name=f"sync-{self._name}", daemon=True)
            self._thread.start()
        self._ask((*self._trailing, segment), callback)
        self.let_go()

    def retire(self, segment: OpenSegment, *, unsynced: bool) -> None:
        """No record follows in it. With `unsynced` ones in it, it stays open to the next sync."""
        if unsynced:
            self._trailing.append(segment)
            self.let_go(_MOST_TRAILING)
        else:
            self._close(segment)

    def let_go(self, keep: int = 0) -> None:
        """Close retired segments but the last few: records just written there may yet be asked to be synced."""
        while len(self._trailing) > keep:
            self._close(self._trailing.pop(0))

    def close(self) -> None:
        """Finish what is waiting, then end."""
        self.let_go()
        if self._thread is not None:
            with self._changed:
                self._closing = True
                self._changed.notify()
            self._thread.join(_CLOSE_SECONDS)

    def _close(self, segment: OpenSegment) -> None:
        """After every sync asked for so far."""
        if self._thread is None:
            segment.close()
        else:
            self._ask((segment,), None)

    def _ask(self, segments: tuple[OpenSegment, ...], callback: Callback | None) -> None:
        with self._changed:
            self._waiting.append((segments, callback))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                group, self._waiting = self._waiting, []
                if not group:
                    return
            wanted = dict.fromkeys(
                segment for segments, callback in group if callback is not None for segment in segments
            )
            for segment in wanted:
                if not segment.lost and not self._kept(segment):
                    segment.lost = True
                    self._stats.counters[metrics.JOURNAL_FSYNC_FAILURES.slot] += 1
            answers: list[tuple[Callback, bool]] = []
            for segments, callback in group:
                if callback is not None:
                    answers.append((callback, not any(segment.lost for segment in segments)))
                else:
                    segments[0].close()
            if answers:
                self._answer(answers)

    def _kept(self, segment: OpenSegment) -> bool:
        started = time.monotonic_ns()
        try:
            os.fdatasync(segment.file_descriptor)
            if not segment.directory_synced:
                for folder in (segment.directory, segment.directory.parent):
                    sync_folder(folder)
                segment.directory_synced = True
        except OSError:
            return False
        metrics.JOURNAL_SYNC_SECONDS.observe(self._stats.counters, time.monotonic_ns() - started)
        return True

    def _answer(self, answers: list[tuple[Callback, bool]]) -> None:
        def release() -> None:
            for callback, kept in answers:
                try:
                    callback(kept)
                except Exception:  # one waiter's fault must not keep the others waiting
                    traceback.print_exc()

        try:
            self._call_soon(release)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return
