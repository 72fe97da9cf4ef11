"""Which copies were sent since the last commit: written before they go, so that no restart sends one again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ...shadow.state import Open

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Open).decode


class SentFiles:
    """One file per commit, `sent.<sequence>`: the page cache is enough, it outlives the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file_descriptor = -1

    def read(self, sequence: int) -> Iterator[Open]:
        """What was sent since commit `sequence`. A line that a crash cut short was not sent."""
        for number, path in self._files():
            if number >= sequence:
                for line in path.read_bytes().splitlines():
                    try:
                        yield _decode(line)
                    except msgspec.MsgspecError:
                        continue

    def turn(self, sequence: int) -> None:
        """What is sent from now on belongs to commit `sequence`. OSError when the disk refuses."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.close()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._file_descriptor = os.open(self._folder / f"sent.{sequence}", flags, 0o600)

    def write(self, sent: Open) -> bool:
        """True once the kernel has it; False = it must not be sent."""
        line = _encode(sent) + b"\n"
        try:
            return self._file_descriptor >= 0 and os.write(self._file_descriptor, line) == len(line)
        except OSError:
            return False

    def forget(self, sequence: int) -> None:
        """Commit `sequence` is on disk: what was sent before it is part of it."""
        for number, path in self._files():
            if number < sequence:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Everything that was sent has its frame."""
        for _, path in self._files():
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._file_descriptor >= 0:
            os.close(self._file_descriptor)
            self._file_descriptor = -1

    def _files(self) -> list[tuple[int, Path]]:
        found = [(path.name.removeprefix("sent."), path) for path in self._folder.glob("sent.*")]
        return sorted((int(number), path) for number, path in found if number.isdecimal())
