"""Have the policy files changed? By polling: the one way that also sees ConfigMap symlink swaps, NFS and bind mounts.

A change counts once it has stayed the same for a whole poll, so a file that is still being written is not read: the
first half of a policy can be a valid, weaker policy.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_FILE_BYTES: Final = 16 * 1024 * 1024

Signature = tuple[tuple[str, int, int, int, int], ...]


def files_of(paths: Iterable[str]) -> list[Path]:
    """Every file to watch: files as given, and policy-like files of folders (hidden names and sub-folders left out)."""
    found: list[Path] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            try:
                names = sorted(name for name in os.listdir(path) if not name.startswith("."))  # noqa: PTH208
            except OSError:
                names = []
            found += [path / name for name in names if name.endswith(SUFFIXES)]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def signature(paths: Iterable[str]) -> Signature:
    """What `stat` says of every file: cheap, and different after any write or swap."""
    rows = []
    for path in files_of(paths):
        try:
            facts = path.stat()
            rows.append((str(path), facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns))
        except OSError as error:
            rows.append((str(path), -1, error.errno or 0, 0, 0))
    return tuple(rows)


def content_digest(paths: Iterable[str]) -> str:
    """Names and bytes of every file. One that cannot be read counts as what its error says."""
    digest = blake2b(digest_size=16)
    for path in files_of(paths):
        digest.update(os.fsencode(path) + b"\0")
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                digest.update(b"not a file")
                continue
            with path.open("rb") as file:
                digest.update(blake2b(file.read(MAX_FILE_BYTES)).digest())
        except OSError as error:
            digest.update(f"error {error.errno}".encode())
    return digest.hexdigest()


class Watch:
    """Polled by its owner; `changed` says once that there is something new to load."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        self._seen = signature(self._paths)
        self._settled = True
        self._loaded = content_digest(self._paths)

    def watch(self, paths: Sequence[str]) -> None:
        """Watch these from now on (a policy may come to use other files); what they hold now counts as loaded.

        What has changed in the files watched so far since they were read is news as before.
        """
        if tuple(paths) != self._paths:
            missed = content_digest(self._paths) != self._loaded
            self.__init__(paths)  # type: ignore[misc]
            if missed:
                self._settled, self._loaded = False, ""

    def read_now(self) -> None:
        """They are read because somebody asked, still or not: what they hold now is no news at the next poll."""
        self._seen = signature(self._paths)
        self._settled = True
        self._loaded = content_digest(self._paths)

    def changed(self) -> bool:
        """True when the content is new since the last True (or the start) and has been still for one poll."""
        now = signature(self._paths)
        if now != self._seen:
            self._seen = now
            self._settled = False
            return False
        if self._settled:
            return False
        self._settled = True
        digest = content_digest(self._paths)
        if digest == self._loaded:
            return False
        self._loaded = digest
        return True
