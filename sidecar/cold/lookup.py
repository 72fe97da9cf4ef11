"""Predictions for the admin port: the latest ones as they pass by, older ones by page, and one by its id.

An id (UUIDv7) says when it was made, so only the segments and the archive's files of that time are searched, in a
thread of their own. Archived rows have their labels and candidates' answers joined; those of the journal not yet.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ..admin import PredictionQuery
from ..archive import archiver_of, folder_of, is_archive
from ..archive.source import Source
from ..exchange import Exchange
from ..guard import Guard
from ..journal import Cursor, Position, Read, Reader
from ..journal.segment import PREAMBLE_BYTES, Segment, began_unix, list_segments, list_streams, open_segment
from ..predictions import Prediction, exchange_of, moment, rows_of, to_record, unix_ns_of
from ..runtime.book import PolicyBook
from .configured import DEFAULT_FOLDER, archive_of
from .pages import Mark, Page, oldest_unix_ns, page_of

if TYPE_CHECKING:
    from .process import Cold

KEPT_CALLS: Final = 2000
KEPT_BYTES: Final = 16 * 1024 * 1024
_SLACK_SECONDS: Final = 2.0  # between an id's making and its record's writing, beside the call itself
_LONGEST_CALL_SECONDS: Final = 3600.0


class Latest:
    """The last finished calls that were decoded, bounded in number and in bytes."""

    def __init__(self, most: int = KEPT_CALLS, most_bytes: int = KEPT_BYTES) -> None:
        self._kept: deque[tuple[Exchange, Read, int]] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0

    def learn(self, read: Read) -> None:
        """Remember a finished call."""
        exchange = exchange_of(read)
        if exchange is None:
            return
        size = len(read.meta) + sum(map(len, read.payloads))
        self._kept.append((exchange, read, size))
        self._bytes += size
        while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
            self._bytes -= self._kept.popleft()[2]

    def newest_first(self) -> list[tuple[Exchange, Read]]:
        """Each once, however often it was read."""
        found = {exchange.prediction_id: (exchange, read) for exchange, read, _ in self._kept}
        order = sorted(found.values(), key=lambda each: (each[0].started_unix_ns // 1000, each[0].prediction_id))
        return order[::-1]


class Lookup:
    """What `/api/predictions` answers."""

    def __init__(self, cold: Cold) -> None:
        self._cold = cold
        self._reading = asyncio.Lock()

    async def page(self, query: PredictionQuery) -> tuple[list[Mapping[str, Any]], str, str]:
        """(rows, the mark of the next page or "", why there are no more). One page at a time is read from disk."""
        rows, mark = self._remembered(query)
        if mark:
            return rows, mark, ""
        if query.latest:
            return (
                rows,
                "",
                "" if rows else "none of the latest calls is such a prediction; without `latest` all are read",
            )
        async with self._reading:
            page = await asyncio.to_thread(self._from_disk, query, self._cold.book.copy())
        because = "" if page.rows else "there is no such prediction in journal and archive"
        if page.stopped:
            because = "not everything was read in the time there is; `page` goes on from there"
        return [to_record(row) for row in page.rows], str(page.next) if page.next is not None else "", because

    def _remembered(self, query: PredictionQuery) -> tuple[list[Mapping[str, Any]], str]:
        """The newest page from the latest calls; its mark "" where they are not enough for it."""
        rows: list[Mapping[str, Any]] = []
        if query.page is not None:
            return rows, ""
        for exchange, read in self._cold.latest.newest_first():
            guard = self._guard(exchange)
            if not _wanted(exchange, guard, query):
                continue
            found = self._rows(read, guard)
            if not rows or len(rows) + len(found) <= query.limit:
                rows += found[: query.limit]
                if len(rows) < query.limit:
                    continue
            return rows, str(Mark(rows[-1]["ts"] or "", rows[-1]["prediction_id"]))
        return rows, ""

    def _from_disk(self, query: PredictionQuery, known: PolicyBook) -> Page:
        """In a thread: nothing of the loop's is touched."""
        cold = self._cold
        root = self._archive()
        source = Source(cold.journal, root, known.guard, known.learn, cold.secret, archiver_of(cold.data))
        until = query.until if query.until is not None else time.time() + _SLACK_SECONDS
        return page_of(
            source,
            oldest_unix_ns(cold.journal, root),
            limit=query.limit,
            wanted=lambda row: _fits(row, query),
            since_ns=None if query.since is None else round(query.since * 1e9),
            before=Mark(*query.page) if query.page is not None else Mark(moment(round(until * 1e9)) or "", ""),
        )

    async def one(self, prediction_id: str) -> Mapping[str, Any] | None:
        """All rows of one call, or None."""
        minted = minted_unix(prediction_id)
        if minted is None or self._cold.setup is None:
            return None
        archived = await asyncio.to_thread(self._archived, prediction_id, minted)
        if archived:
            return {"prediction_id": prediction_id, "from": "archive", "rows": archived}
        for exchange, read in self._cold.latest.newest_first():
            if exchange.prediction_id == prediction_id:
                return self._told(prediction_id, read)
        read_found = await asyncio.to_thread(find_in_journal, self._cold.journal, prediction_id, minted)
        return None if read_found is None else self._told(prediction_id, read_found)

    def _archived(self, prediction_id: str, minted: float) -> list[Mapping[str, Any]]:
        """In a thread: nothing of the loop's is touched."""
        cold = self._cold
        root = self._archive()
        if root is None:
            return []
        book = PolicyBook(cold.data, log=lambda event, fields: None)
        source = Source(None, root, book.guard, book.learn, cold.secret)
        since, until = int((minted - _SLACK_SECONDS) * 1e9), int((minted + _LONGEST_CALL_SECONDS) * 1e9)
        found = source.predictions(since_ns=since, until_ns=until, about=prediction_id)
        return [to_record(row) for row in found if row.prediction_id == prediction_id]

    def _archive(self) -> Path | None:
        section = archive_of(self._cold.platform)
        try:
            root = folder_of(self._cold.data, section.to or DEFAULT_FOLDER)
        except ValueError:
            return None  # an object store
        return root if is_archive(root) else None

    def _told(self, prediction_id: str, read: Read) -> Mapping[str, Any]:
        exchange = exchange_of(read)
        guard = self._guard(exchange) if exchange is not None else None
        return {"prediction_id": prediction_id, "from": "journal", "rows": self._rows(read, guard)}

    def _guard(self, exchange: Exchange) -> Guard | None:
        return self._cold.book.guard(exchange.policy_digest) if exchange.policy_digest else None

    def _rows(self, read: Read, guard: Guard | None) -> list[Mapping[str, Any]]:
        return [to_record(row) for row in rows_of(read, guard, key=self._cold.secret)]


def _wanted(exchange: Exchange, guard: Guard | None, query: PredictionQuery) -> bool:
    at = exchange.started_unix_ns / 1e9
    return (
        (query.since is None or at >= query.since)
        and (query.until is None or at < query.until)
        and (not query.verdict or exchange.verdict == query.verdict)
        and (not query.caller or exchange.caller == query.caller)
        and (query.status is None or exchange.status == query.status)
        and (not query.policy or (guard is not None and guard.identity.name == query.policy))
    )


def _fits(row: Prediction, query: PredictionQuery) -> bool:
    return (
        (not query.verdict or row.verdict == query.verdict)
        and (not query.caller or row.caller == query.caller)
        and (query.status is None or row.status == query.status)
        and (not query.policy or row.policy.name == query.policy)
        and (query.until is None or (unix_ns_of(row.ts or "") or 0) < query.until * 1e9)
    )


def minted_unix(prediction_id: str) -> float | None:
    """When an id of ours was made (RFC 9562 section 5.7), in Unix seconds; None for any other text."""
    try:
        identifier = UUID(prediction_id)
    except ValueError:
        return None
    return (identifier.int >> 80) / 1e3 if identifier.version == 7 else None


def find_in_journal(journal: Path, prediction_id: str, minted: float) -> Read | None:
    """The finished call with this id; None when no segment of its time has it."""
    wanted = prediction_id.encode()
    for segment in _segments_around(journal, minted):
        opened = open_segment(segment.path)
        if opened is None:
            continue
        os.close(opened[0])
        if opened[1] is None:
            continue
        start = Position(segment.name, PREAMBLE_BYTES, opened[1].first_record)
        reader = Reader(journal, Cursor({segment.stream: start}), only=(segment.stream,))
        for read in reader.read():
            if read.segment != segment.name:
                break
            if wanted in read.meta:
                exchange = exchange_of(read)
                if exchange is not None and exchange.prediction_id == prediction_id:
                    return read
            time.sleep(0)  # this thread gives way: observers share its interpreter
    return None


def _segments_around(journal: Path, minted: float) -> Iterator[Segment]:
    for stream in list_streams(journal):
        for segment in list_segments(journal, stream):
            began = began_unix(segment.name)
            if began <= minted + _LONGEST_CALL_SECONDS and segment.modified_unix_ns / 1e9 >= minted - _SLACK_SECONDS:
                yield segment
