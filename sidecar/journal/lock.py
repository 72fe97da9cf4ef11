"""One writer per stream: a lock that the kernel gives back when its holder dies, and the stream's count kept beside it.

The lock file also remembers the last sequence and record count, for the day when retention has removed every segment.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from ..errors import JournalError
from .segment import count_records, list_segments, open_segment

_LOCK_NAME: Final = ".lock"
_WAIT_SECONDS: Final = 1.0


class StreamLock:
    """Held from `__init__` to `close`, or to the death of the process."""

    __slots__ = ("file_descriptor",)

    def __init__(self, folder: Path, *, wait_seconds: float = _WAIT_SECONDS) -> None:
        """JournalError when another process writes this stream. Waits a little: retention takes it for moments."""
        self.file_descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(self.file_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.005)
                    continue
                os.close(self.file_descriptor)
                raise JournalError(
                    f"{folder}: another process writes this stream; two sidecars need two data directories"
                ) from None

    def remembered(self) -> tuple[int, int]:
        """(last sequence, records up to its end) as retention left them; zeros when it never emptied the stream."""
        words = os.pread(self.file_descriptor, 64, 0).split()
        if len(words) != 2 or not (words[0].isdigit() and words[1].isdigit()):
            return 0, 0
        return int(words[0]), int(words[1])

    def remember(self, sequence: int, records: int) -> None:
        os.pwrite(self.file_descriptor, b"%20d %20d\n" % (sequence, records), 0)

    def close(self) -> None:
        os.close(self.file_descriptor)


def is_written(folder: Path) -> bool:
    """Whether a live process writes this stream."""
    try:
        file_descriptor = os.open(folder / _LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file_descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file_descriptor)
    return False


def last_state(directory: Path, stream: str, lock: StreamLock) -> tuple[int, int]:
    """(last sequence used, records written) of a stream that nobody writes now."""
    sequence, records = lock.remembered()
    segments = list_segments(directory, stream)
    if not segments:
        return sequence, records
    last = max(sequence, segments[-1].sequence)
    written = 0
    for segment in reversed(segments):
        try:
            opened = open_segment(segment.path)
            written += count_records(segment.path)
        except JournalError:  # of another version: its records are not ours to count
            continue
        if opened is None:
            continue
        file_descriptor, preamble = opened
        os.close(file_descriptor)
        if preamble is not None:
            return last, preamble.first_record + written
    return last, records + written
