"""Where recorded calls lie in the journal, for as long as it has them: what a late label finds its prediction by.

DATA/observers/archive.places/0000000017-5d41402a    what the archiver has read up to its commit 17 in one archive;
without that commit it is not there, nor for another archive: that one has other rows. A commit takes the small files
before it into its own, so that there are few.

In: keys of calls and the places of their frames. Out: the places that a key may mean, newest first. A key is kept as a
checksum, eight bytes with its offset, so whoever asks reads the frame and compares. Never: a key, a value, a word of a
call; an entry that outlives the journal's segment by more than a commit; anything once no call that was sampled is in
the journal any more.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from ..durable import write_whole

FOLDER: Final = "archive.places"
MOST_GROWING: Final = 1_000_000  # entries, eight bytes each, before they ask for a commit
MOST_FOLDED_BYTES: Final = 1024 * 1024
_OFFSET_BITS: Final = 32


class Place(NamedTuple):
    """One frame."""

    stream: str
    segment: str
    offset: int


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """Entries of one segment, sorted, as this machine writes 64 bits: checksum of the key above, offset below."""

    stream: str
    segment: str
    first_unix_ns: int  # when the calls began, earliest and latest
    last_unix_ns: int
    entries: bytes
    sampled: bool = True  # whether calls are among them of which but a part is kept


class _Written(NamedTuple):
    """A file, the segments it is about, and those of them with calls that were sampled."""

    size: int
    segments: frozenset[tuple[str, str]]
    sampled: frozenset[tuple[str, str]]


class _Growing:
    __slots__ = ("entries", "first_unix_ns", "last_unix_ns", "sampled")

    def __init__(self, at_unix_ns: int) -> None:
        self.entries = array("Q")
        self.first_unix_ns = self.last_unix_ns = at_unix_ns
        self.sampled = False


class Places:
    """One archiver's. `write` belongs into its commit, `written` after it; `open` comes before anything else."""

    def __init__(self, folder: Path, journal: Path, archive: str) -> None:
        self.size = 0  # entries that no commit has yet
        self._folder = folder
        self._journal = journal
        self._suffix = f"-{_checksum(archive):08x}"
        self._files: dict[int, _Written] = {}  # by the number of their commit, oldest first
        self._folded: list[int] = []
        self._growing: dict[tuple[str, str], _Growing] = {}

    @property
    def empty(self) -> bool:
        """Whether no call that was sampled is still there: there is nothing to bring back, and nothing to note."""
        return not self._files and not self._growing

    def open(self, sequence: int) -> None:
        """Forget what belongs to commits after the last one, and to another archive."""
        for path in sorted(self._folder.glob("[0-9]*")) if self._folder.is_dir() else ():
            number = int(path.name[:10]) if path.name[:10].isdecimal() else 0
            if path == self._path(number) and number <= sequence:
                self._files[number] = _facts(self._read(number))
            else:
                path.unlink()

    def note(self, place: Place, at_unix_ns: int, keys: Iterable[str], *, sampled: bool) -> None:
        """A call that began at a moment is found by these keys from now on. `sampled`: its policy keeps but a part."""
        growing = self._growing.get(place[:2])
        if growing is None:
            growing = self._growing[place[:2]] = _Growing(at_unix_ns)
        elif at_unix_ns > growing.last_unix_ns:
            growing.last_unix_ns = at_unix_ns
        elif at_unix_ns < growing.first_unix_ns:
            growing.first_unix_ns = at_unix_ns
        growing.sampled |= sampled
        before = len(growing.entries)
        for key in keys:
            growing.entries.append(_checksum(key) << _OFFSET_BITS | place.offset)
        self.size += len(growing.entries) - before

    def index(self) -> Index:
        """All of it, as of now: some 8 MiB for a million keys, so not to be kept."""
        stretches = [stretch for number in self._files for stretch in self._read(number)]
        return Index([*stretches, *self._stretches()])

    def write(self, sequence: int) -> None:
        """What was noted, as part of this commit. OSError when the disk refuses."""
        self._folded = []
        if not self._growing:
            return
        stretches, size = self._stretches(), 8 * self.size
        for number, file in reversed(self._files.items()):
            if file.size > min(2 * size, MOST_FOLDED_BYTES):
                break
            self._folded.append(number)
            stretches += self._read(number)
            size += file.size
        write_whole(self._path(sequence), msgspec.msgpack.encode(_merged(stretches)))

    def written(self, sequence: int) -> None:
        """The commit is made: what was noted is its own. Files go with the last of their segments, and all of them with
        the last one that has calls that were sampled."""
        if self._growing:
            self._files[sequence] = _facts(self._read(sequence))
            self._growing, self.size = {}, 0
        segments = {segment for file in self._files.values() for segment in file.segments}
        there = {segment for segment in segments if self._journal.joinpath(*segment).exists()}
        wanted = there if any(file.sampled & there for file in self._files.values()) else set()
        for number in [number for number, file in self._files.items() if not file.segments & wanted] + self._folded:
            self._path(number).unlink(missing_ok=True)
            self._files.pop(number, None)
        self._folded = []

    def _stretches(self) -> list[Stretch]:
        return [
            Stretch(
                *key, each.first_unix_ns, each.last_unix_ns, array("Q", sorted(each.entries)).tobytes(), each.sampled
            )
            for key, each in self._growing.items()
        ]

    def _read(self, number: int) -> list[Stretch]:
        """[] for a file that a failing machine has damaged: what it led to is not found any more."""
        try:
            return msgspec.msgpack.decode(self._path(number).read_bytes(), type=list[Stretch])
        except (OSError, msgspec.MsgspecError):
            return []

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:010d}{self._suffix}"


def _facts(stretches: Sequence[Stretch]) -> _Written:
    return _Written(
        sum(len(each.entries) for each in stretches),
        frozenset((each.stream, each.segment) for each in stretches),
        frozenset((each.stream, each.segment) for each in stretches if each.sampled),
    )


def _merged(stretches: Sequence[Stretch]) -> list[Stretch]:
    """One for each segment."""
    found: dict[tuple[str, str], list[Stretch]] = {}
    for each in stretches:
        found.setdefault((each.stream, each.segment), []).append(each)
    return [parts[0] if len(parts) == 1 else _joined(parts) for parts in found.values()]


def _joined(parts: Sequence[Stretch]) -> Stretch:
    entries = array("Q", b"".join(part.entries for part in parts))
    return Stretch(
        parts[0].stream,
        parts[0].segment,
        min(part.first_unix_ns for part in parts),
        max(part.last_unix_ns for part in parts),
        array("Q", sorted(entries)).tobytes(),
        any(part.sampled for part in parts),
    )


class Index:
    """Places by key."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        newest_first = sorted(stretches, key=lambda each: each.last_unix_ns, reverse=True)
        self._all = [(each, memoryview(each.entries).cast("Q")) for each in newest_first]
        self._of: dict[tuple[str, str], list[memoryview[int]]] = {}
        for each, entries in self._all:
            self._of.setdefault((each.stream, each.segment), []).append(entries)

    def places(self, key: str, before_unix_ns: int | None = None) -> Iterator[Place]:
        """Where a call with this key may be, newest first; none in stretches that began after a moment."""
        least = _checksum(key) << _OFFSET_BITS
        for stretch, entries in self._all:
            if before_unix_ns is not None and stretch.first_unix_ns > before_unix_ns:
                continue
            first = last = bisect_left(entries, least)
            while last < len(entries) and entries[last] >> _OFFSET_BITS == least >> _OFFSET_BITS:
                last += 1
            for at in range(last - 1, first - 1, -1):
                yield Place(stretch.stream, stretch.segment, entries[at] - least)

    def has(self, key: str, place: Place) -> bool:
        """Whether the frame at a place was noted under this key."""
        wanted = _checksum(key) << _OFFSET_BITS | place.offset
        for entries in self._of.get(place[:2], ()):
            at = bisect_left(entries, wanted)
            if at < len(entries) and entries[at] == wanted:
                return True
        return False


def _checksum(key: str) -> int:
    return crc32(key.encode("utf-8", "surrogatepass"))
