"""The journal as all observers read it: each frame is fetched and decoded once, and remembered for the others.

Observers are at different places, most of them near the end. A strip is what was read from one place of one stream to
another; whoever comes to its beginning gets it as it is. Strips end at round record numbers, so that observers who
began apart meet again. Memory is bounded: the oldest strips are forgotten, and read again by who still needs them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..journal import Cursor, Position, Read, Reader, ReaderCounts
from ..journal.segment import list_streams

STRIP_RECORDS: Final = 256
STRIP_BYTES: Final = 4 * 1024 * 1024
REMEMBERED_BYTES: Final = 24 * 1024 * 1024
EMPTY_SECONDS: Final = 0.02  # for so long, "nothing there yet" is not asked again
_DECODED_PER_BYTE: Final = 8  # measured: 510 bytes of an exchange's facts are 4,100 as a record


@dataclass(frozen=True, slots=True)
class Strip:
    """What lies between two places of one stream. `missed` is what the reader could not deliver."""

    stream: str
    reads: tuple[Read, ...]
    end: Position
    size: int
    missed: ReaderCounts


class Tape:
    """One journal, read by several. `learn` sees every record when it is first decoded."""

    def __init__(
        self,
        journal: Path,
        *,
        learn: Callable[[Read], None] = lambda read: None,
        remembered_bytes: int = REMEMBERED_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.decoded = 0  # records, each counted whenever it is read from disk
        self._journal = journal
        self._learn = learn
        self._most = remembered_bytes
        self._clock = clock
        self._strips: OrderedDict[tuple[str, Position | None], Strip] = OrderedDict()
        self._size = 0
        self._records = 0
        self._empty: dict[tuple[str, Position | None], float] = {}
        self._streams: tuple[str, ...] = ()
        self._streams_until = float("-inf")

    def next(self, cursor: Cursor) -> list[Strip]:
        """One strip of each stream that has something after the cursor; [] at the end of everything."""
        found = []
        for stream in self._known_streams():
            at = cursor.positions.get(stream)
            strip = self._strip(stream, at)
            if strip is not None:
                found.append(strip)
        return found

    def look_again(self) -> None:
        """Ask the disk at the next call, even of what was empty a moment ago: for the last look of all."""
        self._empty.clear()
        self._streams_until = float("-inf")

    @property
    def reach(self) -> float:
        """How many records one observer may be ahead of another before the other one must read them anew."""
        return self._records / 2 if self._size > self._most / 2 else float("inf")

    def _known_streams(self) -> tuple[str, ...]:
        now = self._clock()
        if now >= self._streams_until:
            self._streams = list_streams(self._journal)
            self._streams_until = now + EMPTY_SECONDS
        return self._streams

    def _strip(self, stream: str, at: Position | None) -> Strip | None:
        key = (stream, at)
        strip = self._strips.get(key)
        if strip is not None:
            return strip
        now = self._clock()
        if now < self._empty.get(key, 0.0):
            return None
        strip = self._fetch(stream, at)
        if strip is None:
            if len(self._empty) > 1024:
                self._empty.clear()
            self._empty[key] = now + EMPTY_SECONDS
            return None
        self._strips[key] = strip
        self._size += strip.size
        self._records += len(strip.reads)
        while self._size > self._most and len(self._strips) > 1:
            _, forgotten = self._strips.popitem(last=False)
            self._size -= forgotten.size
            self._records -= len(forgotten.reads)
        return strip

    def _fetch(self, stream: str, at: Position | None) -> Strip | None:
        reader = Reader(self._journal, Cursor({} if at is None else {stream: at}), only=(stream,))
        limit = STRIP_RECORDS - (at.records % STRIP_RECORDS if at is not None else 0)
        reads: list[Read] = []
        size = 0
        found = reader.read(limit)
        try:
            for read in found:
                self._learn(read)
                reads.append(read)
                size += (1 + _DECODED_PER_BYTE) * len(read.meta) + sum(map(len, read.payloads))
                if size >= STRIP_BYTES:
                    break
        finally:
            found.close()
        self.decoded += len(reads)
        end = reader.cursor.positions.get(stream)
        if end is None or end == at:
            return None
        return Strip(stream, tuple(reads), end, size, replace(reader.counts))


def advance(cursor: Cursor, strip: Strip) -> Cursor:
    """After the strip."""
    return Cursor({**cursor.positions, strip.stream: strip.end})
