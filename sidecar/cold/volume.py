"""What a volume has for an archive that nobody gave a limit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ..journal import JournalSettings
from ..journal.retention import cap

_SHARE: Final = 0.9  # as the journal's own: a volume that is quite full is good for nothing


def room_beside(journal: Path, archive: Path, settings: JournalSettings) -> int | None:
    """Bytes for `archive`: what nine tenths of its volume leave beside the journal's limit, if that is on it, too, and
    at least half of what is beside it. None: the volume does not say how large it is."""
    there = archive if archive.is_dir() else archive.parent
    try:
        volume = os.statvfs(there)
        shared = journal.is_dir() and journal.stat().st_dev == there.stat().st_dev
    except OSError:
        return None
    whole = volume.f_blocks * volume.f_frsize
    if not whole:
        return None
    beside = cap(journal, settings) if shared else 0
    return left(whole, beside)


def left(whole: int, beside: int) -> int:
    """Bytes of a volume of `whole` of which a journal may take `beside`."""
    return max(int(whole * _SHARE) - beside, (whole - beside) // 2, 0)
