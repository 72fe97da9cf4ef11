"""What is removed, and why: a plan as a pure function, then its execution.

The cap holds for all streams together. A segment goes when it is older than `max_age` and no observer that must have
it still needs it; over the cap, `drop_oldest` takes the oldest first, those nobody waits for before the others, and
`refuse_traffic` takes only what nobody waits for. The segment being written is never taken.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from ..errors import JournalError
from ..telemetry import metrics
from .cursor import Position
from .lock import StreamLock
from .segment import PREAMBLE_BYTES, Segment, count_records, list_segments, list_streams, open_segment, sequence_of
from .settings import JournalSettings, WhenFull, segment_bytes
from .stats import StatsPage

Reason: TypeAlias = Literal["aged", "over_cap"]

_SHARE_OF_VOLUME: Final = 0.9


@dataclass(frozen=True, slots=True)
class Hold:
    """How far one observer has read. `required`: what it has not read may only go when the cap leaves no choice."""

    observer: str
    cursor: Mapping[str, Position]
    required: bool


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What the plan knows of a segment: the stream's records before it and in it (-1: not counted), its last write,
    whether it may still grow."""

    stream: str
    name: str
    size: int
    modified_unix_ns: int
    first_record: int
    records: int
    writing: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """One segment to remove. `unread` counts, per observer, the records it has not read."""

    segment: SegmentFacts
    reason: Reason
    unread: Mapping[str, int] = field(default_factory=dict)


def plan(
    segments: Iterable[SegmentFacts],
    holds: Sequence[Hold],
    *,
    max_bytes: int,
    max_age_seconds: float | None,
    when_full: WhenFull,
    now_unix_ns: int,
    reserve_bytes: int = 0,
) -> list[Removal]:
    """The segments to remove, oldest first, so that age and cap are kept with `reserve_bytes` to spare."""
    oldest_first = sorted(segments, key=lambda segment: (segment.modified_unix_ns, segment.stream, segment.name))
    left = sum(segment.size for segment in oldest_first)
    removals: dict[tuple[str, str], Removal] = {}
    candidates = [segment for segment in oldest_first if not segment.writing]

    def take(segment: SegmentFacts, reason: Reason) -> int:
        unread = {hold.observer: count for hold in holds if (count := unread_records(segment, hold))}
        removals[segment.stream, segment.name] = Removal(segment, reason, unread)
        return segment.size

    if max_age_seconds is not None:
        oldest_kept = now_unix_ns - int(max_age_seconds * 1e9)
        for segment in candidates:
            if segment.modified_unix_ns < oldest_kept and not _needed(segment, holds):
                left -= take(segment, "aged")
    for forced in (False, True):
        if forced and when_full != "drop_oldest":
            break
        for segment in candidates:
            if left + reserve_bytes <= max_bytes:
                break
            if (segment.stream, segment.name) not in removals and (forced or not _needed(segment, holds)):
                left -= take(segment, "over_cap")
    return sorted(removals.values(), key=lambda removal: removal.segment.modified_unix_ns)


def unread_records(segment: SegmentFacts, hold: Hold) -> int:
    """How many of a segment's records an observer has not read. A stream it has no position in is unread from the
    start."""
    position = hold.cursor.get(segment.stream)
    read = 0 if position is None else position.records - segment.first_record
    return max(0, min(segment.records, segment.records - max(0, read)))


def _needed(segment: SegmentFacts, holds: Sequence[Hold]) -> bool:
    return any(hold.required and _behind(segment, hold) for hold in holds)


def _behind(segment: SegmentFacts, hold: Hold) -> bool:
    position = hold.cursor.get(segment.stream)
    if position is None:
        return True
    try:
        reading, name = sequence_of(position.segment), sequence_of(segment.name)
    except ValueError:
        return True
    return reading < name or (reading == name and position.offset < segment.size)


def cap(directory: Path, settings: JournalSettings) -> int:
    """`max_bytes`, or nine tenths of the volume where that is smaller: a cap the disk cannot hold would never act."""
    try:
        volume = os.statvfs(directory)
    except OSError:
        return settings.max_bytes
    whole = volume.f_blocks * volume.f_frsize
    return min(settings.max_bytes, int(whole * _SHARE_OF_VOLUME)) if whole else settings.max_bytes


def taken_bytes(directory: Path) -> int:
    """What all segments take on disk."""
    return sum(segment.size for stream in list_streams(directory) for segment in list_segments(directory, stream))


def show(directory: Path, settings: JournalSettings, stats: StatsPage, *, now_unix_ns: int) -> int:
    """Put on the page what is on disk now, and return its bytes: a look at each folder, none into a file. One process
    does so, every second: the gauges of several pages are merged by their largest, which would be the oldest look."""
    segments = [segment for stream in list_streams(directory) for segment in list_segments(directory, stream)]
    taken = sum(segment.size for segment in segments)
    oldest = min((segment.modified_unix_ns for segment in segments), default=now_unix_ns)
    gauges = stats.gauges
    gauges[metrics.JOURNAL_SEGMENTS.slot] = float(len(segments))
    gauges[metrics.JOURNAL_DISK_BYTES.slot] = float(taken)
    gauges[metrics.JOURNAL_LIMIT_BYTES.slot] = float(cap(directory, settings))
    gauges[metrics.JOURNAL_OLDEST_SECONDS.slot] = max(0.0, (now_unix_ns - oldest) / 1e9)
    return taken


def survey(directory: Path, stream: str, *, writing: bool) -> list[SegmentFacts]:
    """The facts of one stream. `writing`: some process writes it, so its last segment must stay."""
    segments = list_segments(directory, stream)
    firsts: list[int] = []
    for segment in segments:
        first = _first_record(segment)
        firsts.append(first if first is not None else firsts[-1] if firsts else 0)
    return [
        SegmentFacts(
            stream,
            segment.name,
            segment.size,
            segment.modified_unix_ns,
            first,
            max(0, following - first) if following is not None else -1,
            writing and segment.last,
        )
        for segment, first, following in zip(segments, firsts, [*firsts[1:], None], strict=False)
    ]


def run(
    directory: Path,
    settings: JournalSettings,
    stats: StatsPage,
    *,
    now_unix_ns: int,
    holds: Sequence[Hold] = (),
    reserve_bytes: int | None = None,
) -> int:
    """Plan and remove, over all streams; the bytes that are left. Several processes may run this at once: a removal
    counts where it succeeded. Without `reserve_bytes`, room for one segment of each live stream is kept, so that no
    writer ever has to make room itself."""
    limit = cap(directory, settings)
    with contextlib.ExitStack() as locks:
        facts: list[SegmentFacts] = []
        idle: dict[str, StreamLock] = {}
        for stream in list_streams(directory):
            lock = _idle_lock(directory / stream)
            if lock is not None:
                locks.callback(lock.close)
                idle[stream] = lock
            facts += survey(directory, stream, writing=lock is None)
        if reserve_bytes is None:
            reserve_bytes = segment_bytes(limit) * sum(segment.writing for segment in facts)
        removals = plan(
            facts,
            holds,
            max_bytes=limit,
            max_age_seconds=settings.max_age,
            when_full=settings.when_full,
            now_unix_ns=now_unix_ns,
            reserve_bytes=reserve_bytes,
        )
        removals = [
            _counted(directory, removal, holds) if removal.segment.records < 0 else removal for removal in removals
        ]
        removed = apply(directory, removals, stats, idle)
    kept = [segment for segment in facts if (segment.stream, segment.name) not in removed]
    return sum(segment.size for segment in kept)


def apply(
    directory: Path, removals: Sequence[Removal], stats: StatsPage, idle: Mapping[str, StreamLock] | None = None
) -> set[tuple[str, str]]:
    """Remove, and count each record that goes; the (stream, name) of what is gone. `idle` are locks held on streams
    nobody writes: there the count of records is kept beside the last segment's place."""
    gone: set[tuple[str, str]] = set()
    for removal in removals:
        segment = removal.segment
        lock = (idle or {}).get(segment.stream)
        path = directory / segment.stream / segment.name
        try:
            if lock is not None:
                sequence, records = lock.remembered()
                end = segment.first_record + segment.records
                lock.remember(max(sequence, sequence_of(segment.name)), max(records, end))
            path.unlink()
        except FileNotFoundError:
            gone.add((segment.stream, segment.name))
            continue
        except OSError:
            continue
        gone.add((segment.stream, segment.name))
        stats.counters[metrics.JOURNAL_REMOVED.at(removal.reason)] += segment.records
        for observer, count in removal.unread.items():
            stats.counters[metrics.JOURNAL_UNREAD.nearest(observer)] += count
    return gone


def _counted(directory: Path, removal: Removal, holds: Sequence[Hold]) -> Removal:
    """The same with the records of a stream's last segment counted in the file: no later one says how many."""
    segment = removal.segment
    segment = replace(segment, records=count_records(directory / segment.stream / segment.name))
    unread = {hold.observer: count for hold in holds if (count := unread_records(segment, hold))}
    return Removal(segment, removal.reason, unread)


def _idle_lock(folder: Path) -> StreamLock | None:
    try:
        return StreamLock(folder, wait_seconds=0)
    except (JournalError, OSError):
        return None


def _first_record(segment: Segment) -> int | None:
    if segment.size < PREAMBLE_BYTES:
        return None
    try:
        opened = open_segment(segment.path)
    except (JournalError, OSError):
        return None
    if opened is None:
        return None
    file_descriptor, preamble = opened
    os.close(file_descriptor)
    return None if preamble is None else preamble.first_record
