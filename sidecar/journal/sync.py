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
from pathlib import Path
from threading import Condition, Thread
from typing import Final, TypeAlias

from ..telemetry import metrics
from .stats import StatsPage

Callback: TypeAlias = Callable[[bool], object]
CallSoon: TypeAlias = Callable[[Callable[[], None]], object]

_CLOSE_SECONDS: Final = 10.0


class OpenSegment:
    """A segment this process created. `lost`: a sync of it failed; what is in it is not durable and nothing follows."""

    __slots__ = ("directory", "directory_synced", "file_descriptor", "lost", "name")

    def __init__(self, file_descriptor: int, directory: Path, name: str) -> None:
        self.file_descriptor = file_descriptor
        self.directory = directory
        self.name = name
        self.directory_synced = False
        self.lost = False


class SyncThread:
    """Syncs segments and closes them when their time is over. Callbacks run through `call_soon`, with True or False."""

    def __init__(self, stats: StatsPage, call_soon: CallSoon, name: str) -> None:
        self._stats = stats
        self._call_soon = call_soon
        self._changed = Condition()
        self._waiting: list[tuple[tuple[OpenSegment, ...], Callback | None]] = []
        self._closing = False
        self._thread = Thread(target=self._run, name=f"sync-{name}", daemon=True)
        self._thread.start()

    def sync(self, segments: tuple[OpenSegment, ...], callback: Callback) -> None:
        """Call back once all that is in the segments now is on the disk (True) or is known not to be (False)."""
        with self._changed:
            self._waiting.append((segments, callback))
            self._changed.notify()

    def close_segment(self, segment: OpenSegment) -> None:
        """Close the file after every sync asked for so far."""
        with self._changed:
            self._waiting.append(((segment,), None))
            self._changed.notify()

    def close(self) -> None:
        """Finish what is waiting, then end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)

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
                    close_file(segments[0])
            if answers:
                self._answer(answers)

    def _kept(self, segment: OpenSegment) -> bool:
        started = time.monotonic_ns()
        try:
            os.fdatasync(segment.file_descriptor)
            if not segment.directory_synced:
                for folder in (segment.directory, segment.directory.parent):
                    sync_directory(folder)
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


def sync_directory(folder: Path) -> None:
    """Make the names in a folder durable (fsync(2): syncing a file does not sync its directory entry)."""
    file_descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file_descriptor)
    finally:
        os.close(file_descriptor)


def close_file(segment: OpenSegment) -> None:
    """Give the descriptor back."""
    try:
        os.close(segment.file_descriptor)
    except OSError:
        pass  # close(2) may report an earlier write's EIO; the descriptor is gone all the same
