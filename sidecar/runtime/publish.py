"""Policies in force, on disk: DATA/policies/<digest>.json, and `current`, which names a whole set at once.

Everything is written beside and renamed: a reader sees a file whole or not at all. Workers read by digest and check it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from ..durable import write_whole
from ..errors import RuntimeSetupError
from .messages import PolicyFacts

FOLDER: Final = "policies"
CURRENT: Final = "current"
KEPT_OLD: Final = 32


class Listed(msgspec.Struct, frozen=True):
    """One line of `current`."""

    name: str
    version: str
    digest: str
    mode: str


class Current(msgspec.Struct, frozen=True):
    """The set in force."""

    set_id: str
    policies: tuple[Listed, ...]


def set_id_of(policies: Sequence[PolicyFacts], platform: str) -> str:
    """The name of a set: the same policies and platform sections give the same name."""
    text = "\0".join([*(policy.digest for policy in policies), platform])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def publish_files(data: Path, policies: Sequence[PolicyFacts]) -> None:
    """Write each policy under its digest. RuntimeSetupError when the disk refuses."""
    folder = data / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for policy in policies:
            path = policy_path(data, policy.digest)
            content = policy.canonical.encode()
            if not path.exists() or path.read_bytes() != content:
                write_whole(path, content)
    except OSError as error:
        raise RuntimeSetupError(f"{folder}: policies cannot be published ({error.strerror}); make room") from None


def publish_current(data: Path, set_id: str, policies: Sequence[PolicyFacts]) -> None:
    """Say which set is in force, and remove what has not been for long."""
    listed = tuple(Listed(policy.name, policy.version, policy.digest, policy.mode) for policy in policies)
    with contextlib.suppress(OSError):  # workers do not read it: a full disk must not undo a reload
        write_whole(data / FOLDER / CURRENT, msgspec.json.encode(Current(set_id, listed)) + b"\n")
        _prune(data / FOLDER, {policy_path(data, policy.digest) for policy in policies})


def read_current(data: Path) -> Current | None:
    """The set last in force, or None."""
    try:
        return msgspec.json.decode((data / FOLDER / CURRENT).read_bytes(), type=Current)
    except (OSError, msgspec.DecodeError):
        return None


def policy_path(data: Path, digest: str) -> Path:
    """The file of a digest; `:` of `blake2b:…` is not for file names."""
    return data / FOLDER / f"{digest.replace(':', '-')}.json"


def _prune(folder: Path, in_force: set[Path]) -> None:
    old = sorted(set(folder.glob("*.json")) - in_force, key=lambda path: path.stat().st_mtime_ns)
    for path in old[:-KEPT_OLD]:
        path.unlink(missing_ok=True)
