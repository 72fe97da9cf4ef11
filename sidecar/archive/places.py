"""Where recorded calls lie in the journal, for as long as it has them: what a late label finds its prediction by.

DATA/observers/archive.places/0000000017    what the archiver's commit 17 has read; without that commit it is not there

In: keys of calls and the places of their frames. Out: the places that a key may mean, newest first. A key is kept as a
checksum, eight bytes with its offset, so whoever asks reads the frame and compares. Never: a key, a value, a word of a
call; an entry that outlives the journal's segment by more than a commit.
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


class _Growing:
    __slots__ = ("entries", "first_unix_ns", "last_unix_ns")

    def __init__(self, at_unix_ns: int) -> None:
        self.entries = array("Q")
        self.first_unix_ns = self.last_unix_ns = at_unix_ns


class Places:
    """One archiver's. `write` belongs into its commit; `open` comes before anything else."""

    def __init__(self, folder: Path, journal: Path) -> None:
        self.size = 0  # entries that no commit has yet
        self._folder = folder
        self._journal = journal
        self._files: list[int] = []
        self._growing: dict[tuple[str, str], _Growing] = {}

    @property
    def empty(self) -> bool:
        """Whether no call was ever noted."""
        return not self._files and not self._growing

    def open(self, sequence: int) -> None:
        """Forget what belongs to commits after the last one."""
        names = [path.name for path in self._folder.glob("[0-9]*")] if self._folder.is_dir() else []
        for number in sorted(int(name) for name in names if name.isdecimal()):
            if number > sequence:
                self._path(number).unlink()
            else:
                self._files.append(number)

    def note(self, place: Place, at_unix_ns: int, keys: Iterable[str]) -> None:
        """A call that began at a moment is found by these keys from now on."""
        growing = self._growing.get(place[:2])
        if growing is None:
            growing = self._growing[place[:2]] = _Growing(at_unix_ns)
        elif at_unix_ns > growing.last_unix_ns:
            growing.last_unix_ns = at_unix_ns
        elif at_unix_ns < growing.first_unix_ns:
            growing.first_unix_ns = at_unix_ns
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
        if self._growing:
            write_whole(self._path(sequence), msgspec.msgpack.encode(self._stretches()))

    def written(self, sequence: int) -> None:
        """The commit is made: what was noted is its own. Files go with the last of their segments."""
        if self._growing:
            self._files.append(sequence)
            self._growing, self.size = {}, 0
        left = []
        for number in self._files:
            if any((self._journal / each.stream / each.segment).exists() for each in self._read(number)):
                left.append(number)
            else:
                self._path(number).unlink(missing_ok=True)
        self._files = left

    def _stretches(self) -> list[Stretch]:
        return [
            Stretch(*key, each.first_unix_ns, each.last_unix_ns, array("Q", sorted(each.entries)).tobytes())
            for key, each in self._growing.items()
        ]

    def _read(self, number: int) -> list[Stretch]:
        """[] for a file that a failing machine has damaged: what it led to is not found any more."""
        try:
            return msgspec.msgpack.decode(self._path(number).read_bytes(), type=list[Stretch])
        except (OSError, msgspec.MsgspecError):
            return []

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:010d}"


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
