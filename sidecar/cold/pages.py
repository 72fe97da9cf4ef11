"""Recorded predictions by page, newest first, from journal and archive together: in a thread, within a time.

Looks back in stretches of time that grow, each read from the segments and files of its time alone, so that the newest
page costs little and the oldest is found. Where the time is over, what was found so far is the page, and the next one
goes on from there. Labels are not joined: they would have to be looked for in all that came later.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

from ..archive.layout import MANIFESTS
from ..archive.source import Source
from ..journal.segment import began_unix, list_segments, list_streams
from ..predictions import Prediction, moment, unix_ns_of

FIRST_STRETCH_SECONDS: Final = 10
GROWTH: Final = 6
BUDGET_SECONDS: Final = 4.0
_LOOKED_EVERY_ROWS: Final = 256
_BEFORE_SECONDS: Final = 86_400.0  # a call is recorded at its end, and archived later


class Mark(NamedTuple):
    """Where a page ends: everything of the page is at or after it, in (time, prediction id). As text `TIME~ID`."""

    ts: str
    prediction_id: str

    def __str__(self) -> str:
        return f"{self.ts}~{self.prediction_id}"


class Page(NamedTuple):
    """`rows` of whole calls, newest first. `next` None = there is nothing older. `stopped`: the time was over."""

    rows: list[Prediction]
    next: Mark | None
    stopped: bool = False


class _Over(Exception):  # noqa: N818 - not an error: the time is over
    pass


def page_of(
    source: Source,
    oldest_ns: int,
    *,
    limit: int,
    wanted: Callable[[Prediction], bool],
    since_ns: int | None = None,
    before: Mark,
    clock: Callable[[], float] = time.monotonic,
    budget_seconds: float = BUDGET_SECONDS,
) -> Page:
    """At most `limit` rows that are `wanted` and older than `before`; a call with more rows than that is cut.

    `oldest_ns`: nothing recorded is older. Calls are never parted otherwise, so a page may have fewer rows.
    """
    deadline = clock() + budget_seconds
    floor = max(oldest_ns, since_ns) if since_ns is not None else oldest_ns
    found: list[Prediction] = []
    until_ns = (unix_ns_of(before.ts) or 0) + 1000  # times of rows are whole microseconds
    stretch_ns = FIRST_STRETCH_SECONDS * 10**9
    while until_ns > floor:
        from_ns = max(floor, until_ns - stretch_ns)
        first = stretch_ns == FIRST_STRETCH_SECONDS * 10**9  # always read whole: each page comes further
        rows = _between(source, from_ns, until_ns, before, wanted, clock, inf if first else deadline)
        try:
            found += heapq.nlargest(limit + 1 - len(found), rows, key=_order)
        except _Over:
            return Page(found, Mark(moment(until_ns) or "", ""), stopped=True)
        until_ns, stretch_ns = from_ns, stretch_ns * GROWTH
        if len(found) > limit:
            return _cut(found, limit)
    return Page(found, None)


def oldest_unix_ns(journal: Path, archive: Path | None) -> int:
    """No row is older: by the names of segments and of the days of commits; now, where there is neither."""
    times = [time.time()]
    for stream in list_streams(journal) if journal.is_dir() else ():
        times += [began_unix(segment.name) for segment in list_segments(journal, stream)[:1]]
    days = sorted(path.name for path in (archive / MANIFESTS).glob("*-*-*")) if archive is not None else []
    times += [datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in days[:1] if day < "9999"]
    return int((min(times) - _BEFORE_SECONDS) * 1e9)


def _between(
    source: Source,
    from_ns: int,
    until_ns: int,
    before: Mark,
    wanted: Callable[[Prediction], bool],
    clock: Callable[[], float],
    deadline: float,
) -> Iterator[Prediction]:
    first, last = moment(from_ns) or "", moment(until_ns) or ""
    for number, row in enumerate(source.rows(since_ns=from_ns, until_ns=until_ns)):
        if number % _LOOKED_EVERY_ROWS == 0:
            if clock() > deadline:
                raise _Over
            os.sched_yield()  # observers share this interpreter
        at = row.ts or ""
        if first <= at < last and (at, row.prediction_id) < before and wanted(row):
            yield row


def _order(row: Prediction) -> tuple[str, str, int]:
    return row.ts or "", row.prediction_id, -row.row


def _cut(found: list[Prediction], limit: int) -> Page:
    """Without the last call, of which there may be more; unless it is the only one."""
    last = found[limit]
    whole = [row for row in found[:limit] if row.prediction_id != last.prediction_id] or found[:limit]
    return Page(whole, Mark(whole[-1].ts or "", whole[-1].prediction_id))
