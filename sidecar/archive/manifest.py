"""What one commit says: which stretch of the journal, in which files. Written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import JournalError
from ..predictions import Opened, OutcomeRow
from .layout import MANIFESTS, safe


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Frames of one segment, from the first one's offset to the last one's, both taken."""

    replica: str  # whose journal it is
    stream: str
    segment: str
    first: int
    last: int


class Written(msgspec.Struct, frozen=True):
    """One file. `path` is relative to the archive; times are the earliest and latest of its rows."""

    path: str
    data_set: str
    rows: int
    size: int
    first_unix_ns: int
    last_unix_ns: int


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A commit about to be made: what to undo when it was not."""

    replica: str
    sequence: int
    since: dict[str, Any]  # cursors, as `Cursor.to_plain`
    until: dict[str, Any]
    files: tuple[str, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A commit made. `files` shrink when retention removes some; `spans` never change."""

    replica: str
    sequence: int
    since: dict[str, Any]
    until: dict[str, Any]
    spans: tuple[Span, ...]
    files: tuple[Written, ...]
    written_unix_ns: int
    day: str
    opened: tuple[Opened, ...] = ()  # streamed answers of which it has the beginning and not yet the end
    waiting: tuple[OutcomeRow, ...] = ()  # labels that it came to before it came to what they may be about


def intent_path(root: Path, replica: str) -> Path:
    return root / MANIFESTS / f"{safe(replica)}.intent"


def manifest_path(root: Path, manifest: Manifest) -> Path:
    name = f"{safe(manifest.replica)}-{manifest.sequence:010d}.json"
    return root / MANIFESTS / manifest.day / name


def read_intent(root: Path, replica: str) -> Intent | None:
    """None where no commit is being made. JournalError for a damaged one."""
    path = intent_path(root, replica)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Intent)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise JournalError(f"{path}: damaged ({error}); remove it and the files of its commit") from None


def read_manifests(root: Path, *, since_day: str = "", replica: str | None = None) -> Iterator[Manifest]:
    """Every commit, oldest day first. Those of days before `since_day` (YYYY-MM-DD) are left out.

    JournalError for a damaged one: its rows would be read from the journal a second time.
    """
    folder = root / MANIFESTS
    days = sorted(path for path in folder.glob("*-*-*") if path.is_dir() and path.name >= since_day)
    pattern = "*.json" if replica is None else f"{_escaped(safe(replica))}-*.json"
    for day in days:
        for path in sorted(day.glob(pattern)):
            try:
                manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
            except FileNotFoundError:
                continue
            except msgspec.DecodeError as error:
                raise JournalError(f"{path}: damaged ({error}); restore it from a copy") from None
            if replica is None or manifest.replica == replica:
                yield manifest


def covered(manifests: Iterable[Manifest]) -> Mapping[tuple[str, str, str], list[tuple[int, int]]]:
    """(replica, stream, segment) → stretches of offsets that are archived."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for manifest in manifests:
        for span in manifest.spans:
            found.setdefault((span.replica, span.stream, span.segment), []).append((span.first, span.last))
    return found


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
