"""The one writer of a stream: a checked frame in the page cache before `append` returns, and never an exception.

Everything here runs in one thread (the loop's), except the syncs. A write that fails is taken back to the last whole
frame, its segment closed for good, the record counted as dropped; the journal itself says so in a gap frame as soon as
it can be written again.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from .. import __version__
from ..errors import JournalError
from ..exchange import Kind, encode
from ..telemetry import metrics
from . import retention
from .clock import Clock
from .frame import Buffer, pack, seed
from .gaps import Gaps
from .lock import StreamLock, last_state
from .opensegment import OpenSegment, create
from .retention import Hold
from .segment import PREAMBLE_BYTES, Preamble, check_stream, list_streams
from .settings import JournalSettings, segment_bytes
from .stats import StatsPage
from .sync import Callback, CallSoon, SyncThread

_STALL_NS: Final = 100_000_000
_RETRY_NS: Final = 1_000_000_000
_REASONS: Final = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "file_limit",
    errno.EIO: "io_error",
}
_SETUP_ERRORS: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)

_RECORDS: Final = metrics.JOURNAL_RECORDS.slot
_BYTES: Final = metrics.JOURNAL_BYTES.slot
_STALLS: Final = metrics.JOURNAL_STALLS.slot
_OPENED: Final = metrics.JOURNAL_SEGMENTS_OPENED.slot
_WRITE_MAX: Final = metrics.JOURNAL_WRITE_MAX.slot
_FAILED: Final = metrics.JOURNAL_FAILED.slot
_observe_write: Final = metrics.JOURNAL_WRITE_SECONDS.observe


class Writer:
    """Appends to `<directory>/<stream>/`. `identity` names the `replica` and the `environment`.

    `call_soon` brings a sync's answer back to the caller's thread (`loop.call_soon_threadsafe`); without it callbacks
    run in the sync thread. Call `tick` about once a second. `holds` says which segments readers still need.
    """

    def __init__(
        self,
        directory: Path,
        stream: str,
        settings: JournalSettings,
        stats: StatsPage,
        *,
        identity: Mapping[str, str],
        clock: Clock = time,
        call_soon: CallSoon | None = None,
        holds: Callable[[], Sequence[Hold]] = tuple,
    ) -> None:
        """JournalError when another process writes the stream or the folder cannot be used at all; a full disk is not
        an error: the writer then waits for space."""
        self.stream = check_stream(stream)
        self._directory = directory
        self._folder = directory / stream
        self._settings = settings
        self._stats = stats
        self._identity = dict(identity)
        self._clock = clock
        self._holds = holds
        self._refuses = settings.when_full == "refuse_traffic"
        self._segment: OpenSegment | None = None
        self._syncs = SyncThread(stats, call_soon or _run_here, stream)
        self._salt = 0
        self._offset = 0
        self._asked_offset = 0  # up to here the segment's sync was asked for
        self._roll_at_ns = 0
        self._age_ns = int(min(settings.segment_seconds, 1e9) * 1e9)
        self._next_attempt_ns = 0
        self._why = "disk_full"
        self._gaps = Gaps()
        self._over_cap = False
        self._closed = False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = StreamLock(self._folder)
            self._max_bytes = retention.cap(directory, settings)
            self._sequence, self._records = last_state(directory, stream, self._lock)
        except OSError as error:
            raise JournalError(f"{self._folder}: the journal cannot be opened: {error.strerror}") from error
        self._segment_bytes = segment_bytes(self._max_bytes)
        try:
            self._open()
        except OSError as error:
            if error.errno in _SETUP_ERRORS:
                self._lock.close()
                raise JournalError(f"{self._folder}: the journal cannot be written: {error.strerror}") from error
            self._give_up(error)

    @property
    def accepting(self) -> bool:
        """False when `when_full: refuse_traffic` asks the gateway to answer 503."""
        if not self._refuses or not self._blocked:
            return True
        self.tick()
        return not self._blocked

    @property
    def failing(self) -> bool:
        """Records cannot be written at the moment."""
        return self._segment is None

    @property
    def why(self) -> str:
        """The last reason for which records were dropped: what a writer that is failing suffers from."""
        return self._why

    @property
    def _blocked(self) -> bool:
        return self._over_cap or self._segment is None

    def append(self, kind: int, meta: bytes, payloads: Sequence[Buffer] = ()) -> bool:
        """Write one frame; True once the kernel has all of it, False when it was dropped (and counted)."""
        started = self._clock.monotonic_ns()
        segment = self._segment
        if segment is None or segment.lost or started >= self._roll_at_ns:
            segment = self._ready(started)
            if segment is None:
                return self._drop(self._why)
        try:
            parts = pack(kind, meta, payloads, start=seed(self._salt, self._offset))
        except ValueError:
            return self._drop("too_large")
        size = sum(map(len, parts))
        if self._offset + size > self._segment_bytes and self._offset > PREAMBLE_BYTES:
            segment = self._roll(started)
            if segment is None:
                return self._drop(self._why)
            parts = pack(kind, meta, payloads, start=seed(self._salt, self._offset))
        error = self._write(segment, parts, size, started)
        if error is None:
            return True
        # The file may be the trouble, not the disk (RLIMIT_FSIZE, a bad block): one try in a fresh segment.
        self._give_up(error)
        segment = self._reopen(started)
        if segment is None:
            return self._drop(self._why)
        parts = pack(kind, meta, payloads, start=seed(self._salt, self._offset))
        error = self._write(segment, parts, size, self._clock.monotonic_ns())
        if error is None:
            return True
        self._give_up(error)
        return self._drop(self._why)

    def when_durable(self, callback: Callback) -> None:
        """Call back when what was appended is as durable as the settings ask: at once for `written`."""
        if self._settings.durability == "written":
            callback(True)
        else:
            self.sync_now(callback)

    def sync_now(self, callback: Callback) -> None:
        """Bring what was appended since the last tick, or the last call of this, to the disk, in either mode; then call
        back: True, or False if that failed."""
        segment = self._segment
        if segment is None:
            callback(False)
            return
        self._syncs.sync(segment, callback)
        self._asked_offset = self._offset

    def tick(self) -> None:
        """Close an old segment, try to recover, look for room: what must happen also when nothing is appended."""
        if self._closed:
            return
        now = self._clock.monotonic_ns()
        self._syncs.let_go()
        segment = self._segment
        if segment is None:
            self._reopen(now)
        elif segment.lost or (now >= self._roll_at_ns and self._offset > PREAMBLE_BYTES):
            self._roll(now)
        elif self._gaps:
            self._tell_gaps(segment)
        if self._over_cap and now >= self._next_attempt_ns:
            self._next_attempt_ns = now + _RETRY_NS
            try:
                self._make_room()
            except OSError:
                pass  # looked for again in a second

    def close(self) -> None:
        """Finish the syncs that are waited for, close the segment, give the stream up."""
        if self._closed:
            return
        if self._segment is not None and self._gaps:
            self._tell_gaps(self._segment)
        self._closed = True
        self._why = "closed"
        self._seal()
        self._syncs.close()
        self._lock.close()

    def _write(
        self, segment: OpenSegment, parts: list[bytes | bytearray | memoryview], size: int, started: int
    ) -> OSError | None:
        counters = self._stats.counters
        try:
            written = os.writev(segment.file_descriptor, parts)
        except OSError as error:
            return error
        elapsed = self._clock.monotonic_ns() - started
        if written != size:  # a full disk writes what fits and raises nothing
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._offset += size
        self._records += 1
        counters[_RECORDS] += 1
        counters[_BYTES] += size
        _observe_write(counters, elapsed)
        if elapsed > _STALL_NS:
            counters[_STALLS] += 1
        if elapsed > self._stats.gauges[_WRITE_MAX] * 1e9:
            self._stats.gauges[_WRITE_MAX] = elapsed / 1e9
        return None

    def _ready(self, now: int) -> OpenSegment | None:
        """A segment that may be appended to now."""
        segment = self._segment
        if segment is None:
            return self._reopen(now)
        if self._offset == PREAMBLE_BYTES and not segment.lost:
            self._roll_at_ns = now + self._age_ns  # age counts from the first record
            return segment
        return self._roll(now)

    def _roll(self, now: int) -> OpenSegment | None:
        self._seal()
        try:
            return self._open()
        except OSError as error:
            self._next_attempt_ns = now + _RETRY_NS
            self._give_up(error)
            return None

    def _reopen(self, now: int) -> OpenSegment | None:
        """A new segment after a failure; tried at most once a second."""
        if self._closed or now < self._next_attempt_ns:
            return None
        self._next_attempt_ns = now + _RETRY_NS
        try:
            return self._open()
        except OSError as error:
            self._give_up(error)
            return None

    def _open(self) -> OpenSegment:
        """Create the next segment and tell the gaps. OSError when the disk will not have it."""
        self._make_room()
        salt = secrets.randbits(32)
        preamble = Preamble(
            stream=self.stream,
            replica=self._identity.get("replica", ""),
            environment=self._identity.get("environment", ""),
            sidecar_version=__version__,
            started_unix_ns=self._clock.time_ns(),
            salt=salt,
            first_record=self._records,
        )
        segment = create(self._folder, self._sequence + 1, preamble)
        self._sequence += 1
        self._segment = segment
        self._salt = salt
        self._offset = self._asked_offset = PREAMBLE_BYTES
        self._roll_at_ns = self._clock.monotonic_ns() + self._age_ns
        self._stats.counters[_OPENED] += 1
        self._stats.gauges[_FAILED] = 0.0
        self._tell_gaps(segment)
        if self._segment is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return segment

    def _make_room(self) -> None:
        """Keep the cap where nobody else did: retention usually runs elsewhere, ahead of us."""
        streams = len(list_streams(self._directory))
        reserve = self._segment_bytes * (streams if self._refuses else streams - 1)
        taken = retention.taken_bytes(self._directory)
        if taken + reserve > self._max_bytes:
            taken = retention.run(
                self._directory,
                self._settings,
                self._stats,
                now_unix_ns=self._clock.time_ns(),
                holds=self._holds(),
                reserve_bytes=reserve,
            )
        self._over_cap = self._refuses and taken + reserve > self._max_bytes

    def _give_up(self, error: OSError) -> None:
        """Take a failed write back and close the segment for good."""
        self._why = _REASONS.get(error.errno or 0, "other")
        if self._segment is not None:
            self._segment.cut(self._offset)
        self._seal()
        self._stats.gauges[_FAILED] = 1.0

    def _seal(self) -> None:
        segment = self._segment
        if segment is None:
            return
        self._segment = None
        if self._offset == PREAMBLE_BYTES:  # nothing was ever in it
            try:
                self._lock.remember(self._sequence, self._records)  # so that its name is never used again
                segment.remove()
            except OSError:
                pass
        self._syncs.retire(segment, unsynced=self._offset > self._asked_offset)

    def _drop(self, reason: str) -> bool:
        self._stats.counters[metrics.JOURNAL_DROPPED.at(reason)] += 1
        self._gaps.note(reason, self._clock.time_ns())
        if self._segment is not None:
            self._tell_gaps(self._segment)
        return False

    def _tell_gaps(self, segment: OpenSegment) -> None:
        """Write what is missing into the journal itself; kept for later if that fails."""
        for gap in self._gaps.untold():
            parts = pack(Kind.GAP, encode(gap), start=seed(self._salt, self._offset))
            error = self._write(segment, parts, sum(map(len, parts)), self._clock.monotonic_ns())
            if error is not None:
                self._give_up(error)
                return
            self._gaps.told(gap)


def _run_here(call: Callable[[], None]) -> None:
    call()
