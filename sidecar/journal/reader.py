"""Reading with a cursor: every whole frame of every stream, in the stream's order, each once.

What the last segment of a stream cuts off is not there yet; it is torn once a later segment exists. Damage is counted
and stepped over; what retention removed before it was read is counted as `lagged_out`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ..errors import JournalError
from ..exchange import decode
from .cursor import Cursor, Position
from .frame import Damage, Frame, Incomplete, scan
from .lock import is_written
from .segment import (
    PREAMBLE_BYTES,
    Preamble,
    Segment,
    list_segments,
    list_streams,
    open_segment,
    read_items,
    sequence_of,
)

streams = list_streams
_FIRST_LOOK_BYTES: Final = 16 * 1024  # at one frame: most are smaller


class Read(NamedTuple):
    """One frame as delivered. `record` is None for a kind this version does not know (its `meta` is whole).

    `number` counts the stream's records from 0; (stream, number) names a record for as long as it exists.
    """

    kind: int
    record: msgspec.Struct | None
    meta: bytes
    payloads: tuple[bytes, ...]
    stream: str
    segment: str
    offset: int
    number: int
    replica: str
    environment: str


@dataclass(slots=True)
class ReaderCounts:
    """What was not delivered, and why."""

    damaged: int = 0  # stretches of bytes that should have been frames
    undecodable: int = 0  # frames that are whole, of a known kind, and yet not such a record
    unreadable_segments: int = 0
    lagged_out: int = 0  # records removed before they were read


def cursor_since(directory: Path, unix_ns: int) -> Cursor:
    """Past every segment that was written to its end before a moment: what is left has all that came later."""
    positions = {}
    for stream in list_streams(directory):
        segments = list_segments(directory, stream)
        index = next((at for at, segment in enumerate(segments) if segment.modified_unix_ns >= unix_ns), None)
        if index == 0 or not segments:
            continue
        segment = segments[-1 if index is None else index]
        try:
            opened = open_segment(segment.path)
        except JournalError:
            continue
        if opened is None:
            continue
        os.close(opened[0])
        if opened[1] is not None:
            positions[stream] = Position(segment.name, PREAMBLE_BYTES, opened[1].first_record)
    return Cursor(positions)


def has_more(directory: Path, stream: str, at: Position | None) -> bool:
    """Whether a record of a stream lies after a place."""
    cursor = Cursor({} if at is None else {stream: at})
    return next(Reader(directory, cursor, only=(stream,)).read(1), None) is not None


def is_over(directory: Path, stream: str, at: Position | None) -> bool:
    """Whether nobody writes a stream and no record lies after a place: nothing that began before it can still end.

    The lock is asked first. A writer that comes after that begins a segment of its own: it ends nothing, either.
    """
    return not is_written(directory / stream) and not has_more(directory, stream, at)


def read_at(directory: Path, stream: str, segment: str, offset: int) -> Read | None:
    """The frame at a place that a reader has told; its `number` is -1. None when it has gone or is not whole."""
    try:
        opened = open_segment(directory / stream / segment)
    except (JournalError, OSError):
        return None
    if opened is None:
        return None
    file_descriptor, preamble = opened
    try:
        if preamble is None:
            return None
        size = _FIRST_LOOK_BYTES
        while True:
            data = os.pread(file_descriptor, size, offset)
            item = next(scan(data, base=offset, salt=preamble.salt), None)
            if not isinstance(item, Incomplete) or item.needed <= size:
                break
            size = item.needed
    finally:
        os.close(file_descriptor)
    if not isinstance(item, Frame) or item.offset != offset:
        return None
    try:
        record = decode(item.kind, item.meta)
    except (msgspec.MsgspecError, KeyError, ValueError):
        return None
    return Read(
        item.kind, record, item.meta, item.payloads, stream, segment, offset, -1, preamble.replica, preamble.environment
    )


class _Place:
    """Where one stream is read next."""

    __slots__ = ("damage_end", "number", "offset", "segment")

    def __init__(self, segment: str, offset: int, number: int) -> None:
        self.segment = segment
        self.offset = offset
        self.number = number
        self.damage_end = -1


class Reader:
    """Reads all streams of a journal, or those named, from a cursor on. `counts` says what was not delivered."""

    def __init__(self, directory: Path, cursor: Cursor | None = None, *, only: Collection[str] | None = None) -> None:
        self._directory = directory
        self._only = only
        self.counts = ReaderCounts()
        positions = {} if cursor is None else cursor.positions
        self._places = {name: _Place(at.segment, at.offset, at.records) for name, at in positions.items()}

    @property
    def cursor(self) -> Cursor:
        """After the last record delivered: a reader made with it goes on with the next one."""
        return Cursor(
            {name: Position(place.segment, place.offset, place.number) for name, place in self._places.items()}
        )

    def read(self, limit: int | None = None) -> Generator[Read, None, None]:
        """What is there now, at most `limit` records; what is written while we read may wait for the next call."""
        left = limit
        for stream in list_streams(self._directory):
            if self._only is not None and stream not in self._only:
                continue
            for item in self._read_stream(stream):
                yield item
                if left is not None:
                    left -= 1
                    if left <= 0:
                        return

    def _read_stream(self, stream: str) -> Iterator[Read]:
        while True:
            segments = self._from_here(stream)
            for index, segment in enumerate(segments):
                try:
                    opened = open_segment(segment.path)
                except (JournalError, OSError):
                    self._step_over(segment)
                    continue
                if opened is None:
                    break  # removed since it was listed: look again
                file_descriptor, preamble = opened
                try:
                    if preamble is not None:
                        place = self._enter(segment, preamble, first=index == 0)
                        yield from self._read_segment(file_descriptor, segment, preamble, place)
                    elif not segment.last:
                        self._step_over(segment)
                finally:
                    os.close(file_descriptor)
            else:
                return

    def _from_here(self, stream: str) -> tuple[Segment, ...]:
        """The segments from the place we are at, which may be gone."""
        segments = list_segments(self._directory, stream)
        place = self._places.get(stream)
        if place is None:
            return segments
        for index, segment in enumerate(segments):
            if segment.name == place.segment:
                return segments[index:]
        sequence = sequence_of(place.segment)
        later = tuple(segment for segment in segments if segment.sequence > sequence)
        if later or not segments:
            return later
        del self._places[stream]  # every segment is older than our place: this is another journal, read it all
        return segments

    def _enter(self, segment: Segment, preamble: Preamble, *, first: bool) -> _Place:
        """The place in this segment; its begin when we come from another one."""
        place = self._places.get(segment.stream)
        if place is not None and place.segment == segment.name:
            return place
        if first and place is not None:
            self.counts.lagged_out += max(0, preamble.first_record - place.number)
        place = self._places[segment.stream] = _Place(segment.name, PREAMBLE_BYTES, preamble.first_record)
        return place

    def _step_over(self, segment: Segment) -> None:
        place = self._places.get(segment.stream)
        if place is None or place.segment != segment.name:
            self.counts.unreadable_segments += 1
            self._places[segment.stream] = _Place(segment.name, segment.size, 0 if place is None else place.number)

    def _read_segment(
        self, file_descriptor: int, segment: Segment, preamble: Preamble, place: _Place
    ) -> Iterator[Read]:
        stream, name, replica, environment = segment.stream, segment.name, preamble.replica, preamble.environment
        bound = segment.size if segment.last else None  # a live segment grows while we read: its end is where it was
        counts = self.counts
        for item in read_items(file_descriptor, preamble.salt, place.offset, complete=not segment.last):
            if bound is not None and item.offset >= bound:
                return
            if isinstance(item, Frame):
                place.offset = item.end
                number = place.number
                place.number += 1
                record: msgspec.Struct | None = None
                try:
                    record = decode(item.kind, item.meta)
                except msgspec.MsgspecError:  # a ValueError, too: it must be asked for first
                    counts.undecodable += 1
                    continue
                except (KeyError, ValueError):
                    pass  # a kind of a later version
                yield Read(
                    item.kind, record, item.meta, item.payloads, stream, name, item.offset, number, replica, environment
                )
            elif isinstance(item, Damage):
                if item.reason == "body" or item.offset != place.damage_end:
                    counts.damaged += 1
                if item.reason == "body":
                    place.number += 1
                place.offset = place.damage_end = item.end
