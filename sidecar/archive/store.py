"""The archive's one writer of a replica: commits in steps, each of which may be the last before a crash.

    intent (what would have to be undone) → files, each beside and renamed → manifest: now they are there → intent gone

What `open` finds decides: an intent without its manifest is undone, one with it is only removed. The cursor to read on
from is the last manifest's, so a stretch of the journal is in exactly one commit.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ..durable import make_folder, sync_folder, write_whole
from ..errors import RuntimeSetupError
from ..journal import Cursor
from ..predictions import Opened, OutcomeRow, moment
from .layout import MANIFESTS, Partition, file_name, safe
from .manifest import (
    Intent,
    Manifest,
    Span,
    Written,
    intent_path,
    manifest_path,
    read_intent,
    read_manifests,
)


class Part(msgspec.Struct):
    """What goes into one file: `tables.RowGroups`, how many rows, and their times."""

    groups: Any
    rows: int = 0
    first_unix_ns: int = 0
    last_unix_ns: int = 0


class Store:
    """`clock_ns` is wall time; it names days and decides what is old."""

    def __init__(self, root: Path, replica: str, clock_ns: Callable[[], int]) -> None:
        self.root = root
        self.cursor = Cursor()
        self.opened: tuple[Opened, ...] = ()  # of the last commit
        self.waiting: tuple[OutcomeRow, ...] = ()
        self.sequence = 0
        self._replica = replica
        self._clock_ns = clock_ns
        self._manifests: dict[int, Manifest] = {}
        self._lock = -1
        self._at_work = threading.Lock()
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes of all files of this replica."""
        return sum(file.size for manifest in self._manifests.values() for file in manifest.files)

    def open(self) -> Cursor:
        """Undo what was begun and not committed; where to read on. RuntimeSetupError while another one writes here."""
        make_folder(self.root / MANIFESTS)
        path = self.root / MANIFESTS / f"{safe(self._replica)}.lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._release()
            raise RuntimeSetupError(
                f"{self.root}: another process archives here as {self._replica!r}; give each replica a name of its own"
            ) from None
        self._manifests = {found.sequence: found for found in read_manifests(self.root, replica=self._replica)}
        if self._manifests:
            self.sequence = max(self._manifests)
            self.cursor = Cursor.from_plain(self._manifests[self.sequence].until)
            self.opened = self._manifests[self.sequence].opened
            self.waiting = self._manifests[self.sequence].waiting
        self._recover()
        return self.cursor

    def close(self) -> None:
        """Let go; a commit at work in a thread keeps the lock until it is done."""
        self._closed = True
        if self._at_work.acquire(blocking=False):
            self._release()
            self._at_work.release()

    def commit(
        self,
        parts: Mapping[Partition, Part],
        spans: Sequence[Span],
        until: Cursor,
        opened: Sequence[Opened] = (),
        waiting: Sequence[OutcomeRow] = (),
        also: Callable[[int], None] | None = None,
    ) -> None:
        """All or nothing. OSError when the disk refuses: nothing of it is there then. `also` is told the number of
        the commit in time to write something of its own, which counts as soon as there is a commit of that number."""
        with self._at_work:
            try:
                for _ in self.steps(parts, spans, until, opened, waiting, also):
                    pass
            except OSError:
                with suppress(OSError):
                    self._recover()
                raise
            finally:
                if self._closed:
                    self._release()

    def steps(
        self,
        parts: Mapping[Partition, Part],
        spans: Sequence[Span],
        until: Cursor,
        opened: Sequence[Opened] = (),
        waiting: Sequence[OutcomeRow] = (),
        also: Callable[[int], None] | None = None,
    ) -> Generator[str, None, None]:
        """The commit; each item is a step that has been done and may be the last one."""
        sequence = self.sequence + 1
        name = file_name(self._replica, sequence)
        paths = {partition: f"{partition.folder}/{name}" for partition in parts}
        since, now = self.cursor.to_plain(), self._clock_ns()
        intent = Intent(
            replica=self._replica, sequence=sequence, since=since, until=until.to_plain(), files=tuple(paths.values())
        )
        write_whole(intent_path(self.root, self._replica), msgspec.json.encode(intent))
        yield "intent"
        if also is not None:
            also(sequence)
            yield "also"
        written = []
        for partition, part in parts.items():
            path = self.root / paths[partition]
            make_folder(path.parent)
            beside = _beside(path)
            size = part.groups.write(beside)
            yield f"written {path.name}"
            beside.replace(path)
            sync_folder(path.parent)
            yield f"named {path.name}"
            times = (part.first_unix_ns, part.last_unix_ns)
            written.append(Written(paths[partition], partition.data_set, part.rows, size, *times))
        latest = max([now, *(part.last_unix_ns for part in parts.values())])
        manifest = Manifest(
            replica=self._replica,
            sequence=sequence,
            since=since,
            until=until.to_plain(),
            spans=tuple(spans),
            files=tuple(written),
            written_unix_ns=now,
            day=(moment(latest) or "9999-12-31")[:10],
            opened=tuple(opened),
            waiting=tuple(waiting),
        )
        write_whole(manifest_path(self.root, manifest), msgspec.json.encode(manifest))
        self.sequence, self.cursor = sequence, until
        self.opened, self.waiting = manifest.opened, manifest.waiting
        self._manifests[sequence] = manifest
        yield "manifest"
        self._lighten(sequence - 2)  # not the one before: somebody may have listed it as the last, and read it now
        self._forget_intent()
        yield "done"

    def _lighten(self, sequence: int) -> None:
        """What waits is only read of the last commit: one after the other would hold thousands of labels for ever."""
        manifest = self._manifests.get(sequence)
        if manifest is not None and (manifest.opened or manifest.waiting):
            lighter = msgspec.structs.replace(manifest, opened=(), waiting=())
            with suppress(OSError):  # on a full disk it stays as it is
                write_whole(manifest_path(self.root, manifest), msgspec.json.encode(lighter))
            self._manifests[sequence] = lighter

    def prune(self, *, max_bytes: int | None, retain_seconds: float | None) -> int:
        """Remove the oldest rows until both limits are kept, whole files at a time; how many rows went. Policies and
        control events stay: they explain the rest."""
        with self._at_work:
            left = self.size
            oldest_kept = None if retain_seconds is None else self._clock_ns() - int(retain_seconds * 1e9)
            doomed: dict[int, set[str]] = {}
            rows = 0
            files = [(file, manifest.sequence) for manifest in self._manifests.values() for file in manifest.files]
            for file, sequence in sorted(files, key=lambda each: each[0].last_unix_ns):
                too_old = oldest_kept is not None and file.last_unix_ns < oldest_kept
                too_much = max_bytes is not None and left > max_bytes
                if file.data_set == "control" or not (too_old or too_much):
                    continue
                doomed.setdefault(sequence, set()).add(file.path)
                left -= file.size
                rows += file.rows
            for sequence, paths in doomed.items():
                self._remove(sequence, paths)
            return rows

    def _remove(self, sequence: int, paths: set[str]) -> None:
        """Files first: a manifest that names what is gone does no harm, a file that nobody names is never removed."""
        manifest = self._manifests[sequence]
        for path in paths:
            self._unlink(self.root / path)
        left = tuple(file for file in manifest.files if file.path not in paths)
        smaller = msgspec.structs.replace(manifest, files=left)
        if left or sequence == self.sequence:
            write_whole(manifest_path(self.root, manifest), msgspec.json.encode(smaller))
            self._manifests[sequence] = smaller
        else:
            self._unlink(manifest_path(self.root, manifest))
            del self._manifests[sequence]

    def _unlink(self, path: Path) -> None:
        """And the folders it leaves empty."""
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder in (self.root, self.root / MANIFESTS):
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _recover(self) -> None:
        intent = read_intent(self.root, self._replica)
        if intent is None:
            return
        if intent.sequence > self.sequence:
            for name in intent.files:
                path = self.root / name
                for each in (path, _beside(path)):
                    if each.exists():
                        each.unlink()
                        sync_folder(path.parent)
        self._forget_intent()

    def _forget_intent(self) -> None:
        path = intent_path(self.root, self._replica)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)

    def _release(self) -> None:
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
