"""How far each observer has come: DATA/observers/progress.json, replaced as a whole, read by whoever wants to know.

Retention holds back what a required observer has not committed; lag is told from what has been read. The file follows
the commits, so it is never ahead of one: after a crash a segment may be held too long, never given up too early.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from .cursor import Cursor, Position
from .retention import Hold
from .segment import Segment, list_segments, list_streams, sequence_of

FOLDER: Final = "observers"
REQUIRED: Final = frozenset({"archive", "forward"})  # what they have not read is kept for them
SILENT_SECONDS: Final = 3.0  # the file is written every second

_Plain = dict[str, tuple[str, int, int]]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One observer. `current_unix`: when it was last known to have read all there was."""

    observer: str
    running: bool
    committed: _Plain
    read: _Plain
    current_unix: float
    errors: int = 0
    because: str = ""  # the last error, or why it does not run


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `pid` is the cold process's own number, in its own container."""

    written_unix: float
    pid: int
    observers: tuple[Progress, ...]

    def silent(self, now_unix: float) -> bool:
        """Whether its writer is gone, stopped or stuck."""
        return now_unix - self.written_unix > SILENT_SECONDS


class Lag(NamedTuple):
    """What is written and not yet read."""

    seconds: float
    size: int  # bytes


def path_of(data: Path) -> Path:
    """Where it is kept."""
    return data / FOLDER / "progress.json"


def write_standing(data: Path, standing: Standing) -> None:
    """Replace the file. Not synced: a machine that fails loses a second of it, and holds a little more. OSError."""
    path = path_of(data)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(standing))
    temporary.replace(path)


def read_standing(data: Path) -> Standing | None:
    """None where no observer has ever run."""
    try:
        return msgspec.json.decode(path_of(data).read_bytes(), type=Standing)
    except (OSError, msgspec.DecodeError):
        return None


def plain(cursor: Cursor) -> _Plain:
    """A cursor as the file has it."""
    return {stream: (at.segment, at.offset, at.records) for stream, at in cursor.positions.items()}


def holds_of(standing: Standing | None) -> list[Hold]:
    """What retention has to know."""
    if standing is None:
        return []
    return [
        Hold(
            progress.observer,
            {stream: Position(*at) for stream, at in progress.committed.items()},
            progress.observer in REQUIRED,
        )
        for progress in standing.observers
    ]


def read_holds(data: Path) -> list[Hold]:
    """`Writer`'s and `retention.run`'s `holds`."""
    return holds_of(read_standing(data))


def sizes(journal: Path) -> dict[str, tuple[Segment, ...]]:
    """Every segment by stream: one look for the lag of all observers."""
    return {stream: list_segments(journal, stream) for stream in list_streams(journal)}


def lag_of(progress: Progress, segments: dict[str, tuple[Segment, ...]], now_unix: float) -> Lag:
    """From what it has read to the end of what is there."""
    behind = sum(_unread_bytes(progress.read.get(stream), found) for stream, found in segments.items())
    return Lag(max(0.0, now_unix - progress.current_unix) if behind else 0.0, behind)


def lags(journal: Path, observers: Iterable[Progress], now_unix: float) -> dict[str, Lag]:
    """By observer."""
    segments = sizes(journal)
    return {progress.observer: lag_of(progress, segments, now_unix) for progress in observers}


def _unread_bytes(at: tuple[str, int, int] | None, segments: Sequence[Segment]) -> int:
    if at is None:
        return sum(segment.size for segment in segments)
    name, offset, _ = at
    try:
        reading = sequence_of(name)
    except ValueError:
        return sum(segment.size for segment in segments)
    later = sum(segment.size for segment in segments if segment.sequence > reading)
    return later + sum(max(0, segment.size - offset) for segment in segments if segment.name == name)
