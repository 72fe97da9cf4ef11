"""Append-only streams on local disk, one writer each; readers with cursors.

In: encoded records and payload bytes. Out: checked frames, in order, each once. Never: a network, a policy, an
exception into a request; a write to a file this process did not create.
"""

from __future__ import annotations

from .cursor import Cursor, Position
from .reader import Read, Reader, ReaderCounts, has_more, is_over, read_at
from .retention import Hold
from .settings import JournalSettings
from .stats import StatsPage, fold_dead, page_path, read_page, read_pages
from .writer import Writer

__all__ = [
    "Cursor",
    "Hold",
    "JournalSettings",
    "Position",
    "Read",
    "Reader",
    "ReaderCounts",
    "StatsPage",
    "Writer",
    "fold_dead",
    "has_more",
    "is_over",
    "page_path",
    "read_at",
    "read_page",
    "read_pages",
]
