"""The stats page: a process's counters in a small shared file, readable by others and kept when the process is killed.

One page per process name, laid out by `telemetry.metrics`. A process that starts again under its name goes on counting
where the page stands, so a counter never runs backwards; only its gauges start at nothing. Pages whose names are no
longer used are folded into one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import secrets
import struct
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import JournalError
from ..telemetry.metrics import COUNTER_SLOTS, GAUGE_SLOTS, LAYOUT_DIGEST, Snapshot, merge

_MAGIC: Final = b"\xf5SJSTATS"
_HEADER: Final = struct.Struct("<8s16sQQQQ")  # magic, layout digest, page id, id last folded in, counters, gauges
_HEADER_BYTES: Final = 128
_COUNTERS_END: Final = _HEADER_BYTES + 8 * COUNTER_SLOTS
PAGE_BYTES: Final = _COUNTERS_END + 8 * GAUGE_SLOTS
_FOLDED_NAME: Final = "folded"
_LOCK_WAIT_SECONDS: Final = 1.0


class StatsPage:
    """The page this process writes. `counters[slot] += 1` costs some 60 ns and no system call.

    Two threads must not write one slot. `shared` is False when the disk had no room for the page: then it counts in
    memory alone, because a full disk must not keep a gateway from starting.
    """

    __slots__ = ("_file_descriptor", "_map", "counters", "gauges", "shared")

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the page at `path`; None counts in memory alone.

        JournalError when another live process holds it.
        """
        self._file_descriptor = -1
        self.shared = False
        if path is not None:
            self._file_descriptor = _open_locked(path)
            self.shared = _make_room(self._file_descriptor)
        if self.shared:
            self._map = mmap.mmap(self._file_descriptor, PAGE_BYTES)
        else:
            self._map = mmap.mmap(-1, PAGE_BYTES)
        view = memoryview(self._map)
        self.counters: memoryview = view[_HEADER_BYTES:_COUNTERS_END].cast("Q")
        self.gauges: memoryview[float] = view[_COUNTERS_END:PAGE_BYTES].cast("d")
        if bytes(view[: 8 + 16]) != _MAGIC + LAYOUT_DIGEST:
            view[:PAGE_BYTES] = bytes(PAGE_BYTES)
            view[: _HEADER.size] = _HEADER.pack(
                _MAGIC, LAYOUT_DIGEST, secrets.randbits(63) | 1, 0, COUNTER_SLOTS, GAUGE_SLOTS
            )
        view[_COUNTERS_END:PAGE_BYTES] = bytes(PAGE_BYTES - _COUNTERS_END)
        view.release()

    def snapshot(self) -> Snapshot:
        return Snapshot(self.counters.tolist(), self.gauges.tolist())

    def close(self) -> None:
        """Give the page up; its counters stay in the file."""
        self.counters.release()
        self.gauges.release()
        self._map.close()
        if self._file_descriptor >= 0:
            os.close(self._file_descriptor)
            self._file_descriptor = -1


@dataclass(frozen=True, slots=True)
class PageReading:
    """A page as read. `alive`: a process holds it; the gauges of a dead one are zero."""

    name: str
    alive: bool
    page_id: int
    folded_id: int
    values: Snapshot


def page_path(data: Path, process: str) -> Path:
    """Where the page of a process is: `<data>/stats/<process>.page`."""
    return data / "stats" / f"{process}.page"


def read_page(path: Path) -> PageReading:
    """One page. JournalError when it is not a page of this version's layout."""
    file_descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read(file_descriptor, path)
    finally:
        os.close(file_descriptor)


def read_pages(data: Path) -> tuple[list[PageReading], list[str]]:
    """Every page under `<data>/stats`, and a sentence for each that cannot be read."""
    readings: list[PageReading] = []
    refused: list[str] = []
    for path in sorted((data / "stats").glob("*.page")):
        try:
            readings.append(read_page(path))
        except FileNotFoundError:
            continue
        except (JournalError, OSError) as error:
            refused.append(str(error))
    folded = {reading.folded_id for reading in readings}
    return [reading for reading in readings if reading.page_id not in folded], refused


def fold_dead(data: Path, keep: Collection[str]) -> list[str]:
    """Add the pages of dead processes outside `keep` to one page and remove them; the names folded.

    Killed in between, no count is lost or taken twice: the folded page names the last page it took in.
    """
    folded: list[str] = []
    target = page_path(data, _FOLDED_NAME)
    for path in sorted((data / "stats").glob("*.page")):
        if path == target or path.stem in keep:
            continue
        try:
            reading = read_page(path)
        except (JournalError, FileNotFoundError):
            continue
        if reading.alive:
            continue
        before = None
        with contextlib.suppress(FileNotFoundError, JournalError):
            before = read_page(target)
        if before is None or before.folded_id != reading.page_id:
            parts = [reading.values] if before is None else [before.values, reading.values]
            page_id = secrets.randbits(63) | 1 if before is None else before.page_id
            _write_page(target, merge(parts), page_id, reading.page_id)
        path.unlink(missing_ok=True)
        folded.append(path.stem)
    return folded


def _open_locked(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file_descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(file_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file_descriptor
        except BlockingIOError:
            if time.monotonic() < deadline:  # a reader asks for a shared lock for microseconds
                time.sleep(0.005)
                continue
            os.close(file_descriptor)
            raise JournalError(
                f"{path}: another live process counts here; two sidecars need two data directories"
            ) from None


def _make_room(file_descriptor: int) -> bool:
    """Give the file its blocks now: a store into a page the disk has no room for would kill the process (SIGBUS)."""
    try:
        os.posix_fallocate(file_descriptor, 0, PAGE_BYTES)
        if os.fstat(file_descriptor).st_size != PAGE_BYTES:
            os.ftruncate(file_descriptor, PAGE_BYTES)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            return False
        raise
    return True


def _read(file_descriptor: int, path: Path) -> PageReading:
    data = os.pread(file_descriptor, PAGE_BYTES + 1, 0)
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise JournalError(f"{path}: not a stats page")
    _, digest, page_id, folded_id, counters, gauges = _HEADER.unpack_from(data)
    if digest != LAYOUT_DIGEST or (counters, gauges) != (COUNTER_SLOTS, GAUGE_SLOTS) or len(data) != PAGE_BYTES:
        raise JournalError(f"{path}: a stats page of another version; it is replaced when its process starts again")
    try:
        fcntl.flock(file_descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        alive = False
    except BlockingIOError:
        alive = True
    view = memoryview(data)
    values = Snapshot(
        view[_HEADER_BYTES:_COUNTERS_END].cast("Q").tolist(),
        view[_COUNTERS_END:].cast("d").tolist() if alive else [0.0] * GAUGE_SLOTS,
    )
    return PageReading(path.stem, alive, page_id, folded_id, values)


def _write_page(path: Path, values: Snapshot, page_id: int, folded_id: int) -> None:
    header = _HEADER.pack(_MAGIC, LAYOUT_DIGEST, page_id, folded_id, COUNTER_SLOTS, GAUGE_SLOTS)
    body = struct.pack(f"={COUNTER_SLOTS}Q", *values.counters) + bytes(8 * GAUGE_SLOTS)
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(header.ljust(_HEADER_BYTES, b"\0") + body)
    temporary.replace(path)
