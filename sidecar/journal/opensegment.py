"""A segment of this process's own: made, taken back to its last whole frame, given up."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from .segment import PREAMBLE_BYTES, Preamble, pack_preamble, segment_name


class OpenSegment:
    """`lost`: a sync of it failed; what is in it is not durable and nothing follows."""

    __slots__ = ("directory", "directory_synced", "file_descriptor", "lost", "name")

    def __init__(self, file_descriptor: int, directory: Path, name: str) -> None:
        self.file_descriptor = file_descriptor
        self.directory = directory
        self.name = name
        self.directory_synced = False
        self.lost = False

    def cut(self, size: int) -> None:
        """Take back what a failed write left behind `size`."""
        try:
            os.ftruncate(self.file_descriptor, size)
        except OSError:
            pass  # what is left of the frame is torn: readers see that by its checksum, and nothing follows it

    def remove(self) -> None:
        """Take its name away. OSError when the disk refuses."""
        (self.directory / self.name).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the descriptor back."""
        try:
            os.close(self.file_descriptor)
        except OSError:
            pass  # close(2) may report an earlier write's EIO; the descriptor is gone all the same


def create(directory: Path, sequence: int, preamble: Preamble) -> OpenSegment:
    """A new segment with its preamble in it. OSError when the disk will not have it; then nothing is left of it."""
    name = segment_name(sequence, preamble.started_unix_ns)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    segment = OpenSegment(os.open(directory / name, flags, 0o600), directory, name)
    try:
        if os.write(segment.file_descriptor, pack_preamble(preamble)) != PREAMBLE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        segment.close()
        segment.remove()
        raise
    return segment
