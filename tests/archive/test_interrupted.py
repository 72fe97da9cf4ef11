"""Streamed answers without an end: one row each, in the archive and to every reader, once it is sure."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sidecar.archive.layout import archiver_of
from sidecar.archive.source import Source
from sidecar.exchange import STARTED, Close, Kind, Open, encode
from sidecar.journal import Reader
from sidecar.journal.segment import list_segments
from sidecar.predictions import Prediction
from sidecar.runtime.book import PolicyBook
from tests.predictions.calls import START, exchange

from .desk import SECRET, Desk, archived


def begin(desk: Desk, name: str) -> None:
    opening = Open(prediction_id=name, request_id=f"r-{name}", started_unix_ns=START, trace_id="1" * 32, method="POST",
                   target="/v2/models/credit/generate_stream?key=1", policy_digest=desk.guard.identity.digest,
                   model_name="credit", upstream_status=200)  # fmt: skip
    assert desk.writer.append(Kind.OPEN, encode(opening))


def end(desk: Desk, name: str) -> None:
    record = Close(exchange=exchange(prediction_id=name, streamed=True, policy_digest=desk.guard.identity.digest))
    assert desk.writer.append(Kind.CLOSE, encode(record), (b"", b""))


def die(desk: Desk) -> None:
    """The writer is killed."""
    desk.writer.close()


def again(desk: Desk) -> None:
    """Another process writes the stream."""
    desk.writer = desk.open_writer()
    desk.transition(STARTED)


def told(desk: Desk) -> list[tuple[str, str]]:
    """What `find` and `log export` read."""
    book = PolicyBook(desk.data, log=lambda event, fields: None)
    rows = Source(desk.journal, desk.root, book.guard, book.learn, SECRET, archiver_of(desk.data)).predictions()
    return sorted((row.prediction_id, row.verdict) for row in rows)


def kept(desk: Desk) -> list[tuple[str, str]]:
    return sorted((row.prediction_id, row.verdict) for row in archived(desk.root))


ENDED, CUT = ("a", "ok"), ("b", "interrupted")


@pytest.mark.parametrize("archived_at", range(16), ids="{:04b}".format)
def test_told_once_whenever_the_archiver_ran(tmp_path: Path, archived_at: int) -> None:
    """The beginning, the death and the next life may be in one commit or in three."""
    desk = Desk(tmp_path)

    def maybe(moment: int) -> None:
        if archived_at >> moment & 1:
            desk.archive()

    begin(desk, "a")
    begin(desk, "b")
    maybe(0)
    assert told(desk) == [], "they may still end"
    end(desk, "a")
    maybe(1)
    assert told(desk) == [ENDED]
    die(desk)
    maybe(2)
    assert told(desk) == [ENDED, CUT], "nobody writes there, so no end can come"
    assert kept(desk) == ([ENDED, CUT] if archived_at & 4 else [ENDED] if archived_at & 2 else [])
    again(desk)
    desk.call()
    maybe(3)
    assert [found for found in told(desk) if found in (ENDED, CUT)] == [ENDED, CUT]
    assert len(told(desk)) == 3
    desk.archive()
    assert [found for found in kept(desk) if found in (ENDED, CUT)] == [ENDED, CUT]
    assert len(kept(desk)) == len(told(desk)) == 3
    shutil.rmtree(desk.journal)
    assert len(told(desk)) == 3


def test_the_row_says_what_is_known(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    begin(desk, "b")
    die(desk)
    again(desk)
    desk.archive()
    row: Prediction
    (row,) = archived(desk.root)
    assert (row.request_id, row.ts, row.policy.name, row.model.name) == (
        "r-b", "2026-01-02T03:04:05.123456Z", "credit", "credit",
    )  # fmt: skip
    assert (row.unread, row.delivered, row.status, row.replica) == ("interrupted", None, 200, "pod-1")
    assert row.story.streamed
    assert row.story.target == "/v2/models/credit/generate_stream", "no query"


def test_another_stream_that_starts_cuts_nothing_here(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    begin(desk, "a")
    here, desk.writer = desk.writer, desk.open_writer("hot-1")
    desk.transition(STARTED)
    desk.archive()
    assert told(desk) == kept(desk) == []
    desk.writer.close()
    desk.writer = here
    end(desk, "a")
    desk.archive()
    assert told(desk) == kept(desk) == [ENDED]


def test_what_a_replica_still_answers_is_not_cut_by_another_one_in_the_same_archive(tmp_path: Path) -> None:
    """Both call their stream hot-0: one is idle, starts again or stops while the other one answers."""
    shared = tmp_path / "shared"
    here, there = (Desk(tmp_path / name, to=str(shared)) for name in ("here", "there"))
    for desk in (here, there):
        desk.root, desk.replica = shared, desk.data.parent.name
    begin(there, "a")
    begin(here, "b")
    for desk in (there, here):
        desk.archive()
    die(here)
    assert told(here) == [CUT], "its own; the other's may still end"
    again(here)
    assert told(here) == [CUT]
    assert told(there) == []
    end(there, "a")
    assert told(there) == [ENDED]
    here.archive()
    assert kept(here) == [CUT]
    assert told(there) == [ENDED, CUT]
    here.writer.close()
    there.writer.close()


def test_an_end_that_is_written_and_not_yet_read_is_waited_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    begin(desk, "a")
    begin(desk, "b")

    async def story() -> None:
        observer = desk.archiver()
        reader = Reader(desk.journal, await observer.open())
        await observer.take(list(reader.read()))
        await observer.commit(reader.cursor)
        assert (observer.waits, kept(desk)) == (True, []), "they may still end"
        end(desk, "a")
        die(desk)
        await observer.commit(reader.cursor)
        assert (observer.waits, kept(desk)) == (True, []), "one did: it is only not read yet"
        await observer.take(list(reader.read()))
        await observer.commit(reader.cursor)
        assert (observer.waits, kept(desk)) == (False, [ENDED, CUT])
        await observer.close()

    asyncio.run(story())
    assert told(desk) == [ENDED, CUT]


def test_a_half_frame_at_the_end_of_a_dead_stream_holds_nothing_up(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    begin(desk, "b")
    die(desk)
    last = list_segments(desk.journal, "hot-0")[-1].path
    with last.open("ab") as file:
        file.write(last.read_bytes()[-40:-7])
    desk.archive()
    assert kept(desk) == told(desk) == [CUT]
    again(desk)
    desk.archive()
    assert kept(desk) == told(desk) == [CUT]
