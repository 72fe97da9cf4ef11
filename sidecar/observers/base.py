"""The seam of the family: what an observer is given, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from ..durable import write_whole
from ..errors import JournalError
from ..exchange import Kind
from ..journal import Cursor, Read, StatsPage, Writer


class Book(Protocol):
    """Policies by digest, as they were published: records are read with the policy of their day."""

    def guard(self, digest: str) -> Any | None:
        """The compiled `guard.Guard` of a digest, or None where its policy is not known (yet)."""
        ...

    def document(self, digest: str) -> Mapping[str, Any] | None:
        """The resolved policy as plain values."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What the cold process gives each observer. `section` is the observer's own part of the resolved settings."""

    data: Path
    journal: Path
    replica: str
    environment: str
    book: Book
    stats: StatsPage
    cold: Writer  # the `cold` stream: shadow answers, transitions
    log: Callable[[str, Mapping[str, Any]], None]
    section: Any = None
    scheme: str = "http"  # of the data port
    secret: bytes = b""  # hides values, samples: shared with the gateway; purposes derive keys of their own from it


class Observer(Protocol):
    """One reader of the journal. Only `open`, `take` and `commit` may wait; none may block the loop for long."""

    kind: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]  # the frames it wants
    commit_seconds: float  # how often `commit` is called while there is something to commit

    async def open(self) -> Cursor:
        """Restore the last committed state and say where to read on."""
        ...

    async def take(self, batch: Sequence[Read]) -> None:
        """Fold frames into the state; at most a few hundred at a time. An exception restarts the observer."""
        ...

    async def commit(self, cursor: Cursor) -> None:
        """Make all that was taken durable together with the cursor: a crash loses nothing and counts nothing twice."""
        ...

    async def close(self) -> None:
        """Let go of sockets and files."""
        ...


@runtime_checkable
class Restless(Protocol):
    """An observer that may have something to commit though nothing new was read: what it waits for is not a frame."""

    @property
    def waits(self) -> bool:
        """Whether `commit` is to be called at its time, in any case."""
        ...


def moment_of(record: object) -> float:
    """When a record came about, in Unix seconds; 0.0 where it does not say."""
    source = getattr(record, "exchange", record)
    for name in ("started_unix_ns", "received_unix_ns", "published_unix_ns", "at_unix_ns", "to_unix_ns"):
        at = getattr(source, name, 0)
        if at:
            return float(at) / 1e9
    return 0.0


class StateFile:
    """State and cursor in one file, replaced as a whole: temporary file, fsync, rename, fsync of the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[Cursor, bytes]:
        """The last commit; an empty cursor and b"" where there is none. JournalError for a file that is not one."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return Cursor(), b""
        try:
            plain, state = msgspec.msgpack.decode(raw, type=tuple[dict[str, Any], bytes])
            return Cursor.from_plain(plain), state
        except (msgspec.MsgspecError, JournalError, TypeError, ValueError, KeyError) as error:
            raise JournalError(f"{self.path} cannot be read ({error}); move it away to begin anew") from None

    def load_or_begin(self, log: Callable[[str, Mapping[str, Any]], None], event: str) -> Cursor:
        """The last commit's cursor, of an observer without other state; a file that is none is set aside and told."""
        try:
            return self.load()[0]
        except JournalError as error:
            self.set_aside(error, log, event)
            return Cursor()

    def set_aside(self, error: Exception, log: Callable[[str, Mapping[str, Any]], None], event: str) -> None:
        """Keep a file that is none under another name, and tell it."""
        aside = self.path.with_suffix(".damaged")
        self.path.replace(aside)
        what = str(error)
        log(event, {"reason": what if str(self.path) in what else f"{self.path}: {what}", "kept_as": str(aside)})

    def save(self, cursor: Cursor, state: bytes) -> None:
        """Replace the last commit."""
        write_whole(self.path, msgspec.msgpack.encode((cursor.to_plain(), state)))
