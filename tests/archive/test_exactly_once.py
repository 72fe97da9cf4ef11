"""Whatever happens to the archiver and whenever: every row of the journal is in the archive exactly once."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from sidecar.archive import Partition, Span
from sidecar.archive.store import Part, Store
from sidecar.archive.tables import RowGroups
from sidecar.errors import JournalError, RuntimeSetupError
from sidecar.journal import Cursor, Reader
from sidecar.observers.archive import Archive
from sidecar.predictions import Prediction

from .desk import Desk, archived, counted, end_of, live, lying_about
from .killed import killed


def assert_once(desk: Desk) -> None:
    found = counted(desk.root)
    assert set(found) == desk.wanted()
    assert set(found.values()) <= {1}
    assert lying_about(desk.root) == set()
    assert not list((desk.root / "_manifest").glob("*.intent"))


def test_every_row_is_archived_once_in_one_life_and_in_many(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(50)
    desk.archive(batch=7, commit_every=2)
    assert_once(desk)
    desk.archive()
    assert_once(desk)
    desk.many(10)
    desk.archive()
    assert_once(desk)


def test_a_writer_that_starts_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(20)
    desk.archive()
    desk.writer.close()
    desk.writer = desk.open_writer()
    desk.many(5)
    desk.archive()
    assert_once(desk)


def test_what_was_taken_and_not_committed_is_taken_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(30)

    async def die_before_commit() -> None:
        observer = desk.archiver()
        reader = Reader(desk.journal, await observer.open())
        await observer.take(list(reader.read(17)))
        await observer.close()

    asyncio.run(die_before_commit())
    desk.archive()
    assert_once(desk)


def test_a_crash_after_any_step_of_a_commit_is_as_if_it_had_been_all_or_nothing(tmp_path: Path) -> None:
    step = 0
    while True:
        desk = Desk(tmp_path / str(step))
        desk.many(9)
        desk.archive()
        desk.many(3)
        finished = asyncio.run(_truncated(desk, step))
        desk.archive()
        assert_once(desk)
        if finished:
            break
        step += 1
    assert step >= 5  # intent, written and named for two data sets or more, manifest, done


async def _truncated(desk: Desk, steps: int) -> bool:
    """A commit that ends after so many steps, as a crash would end it; True when it came to its own end."""
    observer = desk.archiver()
    reader = Reader(desk.journal, await observer.open())
    desk.transition("reloaded")
    await observer.take(list(reader.read()))
    parts, spans = await _parts(observer)
    commit = observer.store.steps(parts, spans, reader.cursor)
    for _ in range(steps):
        if next(commit, None) is None:
            await observer.close()
            return True
    commit.close()
    await observer.close()
    return False


async def _parts(observer: Archive) -> tuple[dict[Partition, Part], list[Span]]:
    """What the observer would have committed."""
    for partition, pending in observer._pending.items():
        observer._columns(partition, pending)
    return observer._parts, list(observer._spans.values())


def test_a_file_cut_in_the_middle_is_undone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(9)

    async def cut() -> None:
        observer = desk.archiver()
        reader = Reader(desk.journal, await observer.open())
        await observer.take(list(reader.read()))
        parts, spans = await _parts(observer)
        commit = observer.store.steps(parts, spans, reader.cursor)
        while not next(commit).startswith("written"):
            pass
        (beside,) = [path for path in desk.root.rglob(".*.new") if path.is_file()]
        beside.write_bytes(beside.read_bytes()[:40])
        commit.close()
        await observer.close()

    asyncio.run(cut())
    desk.archive()
    assert_once(desk)


@pytest.mark.slow
def test_killed_at_random_moments_it_archives_every_row_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(120)
    dice = random.Random(7)
    kills = 0
    for _ in range(12):
        kills += killed(desk.data, dice.uniform(0.005, 0.25))
        found = counted(desk.root)
        assert set(found.values()) <= {1}
        assert set(found) <= desk.wanted()
    assert kills >= 3
    desk.archive()
    assert_once(desk)


def test_a_full_disk_costs_nothing_but_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(200)
    desk.archive(batch=1000)
    before = counted(desk.root)
    desk.many(200)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
        with pytest.raises(OSError, match="File too large"):
            desk.archive(batch=1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert counted(desk.root) == before
    assert lying_about(desk.root) == set()
    desk.archive()
    assert_once(desk)


def test_a_life_that_grows_too_large_commits_by_itself(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(40)
    observer = desk.archiver()

    async def take_and_die() -> None:
        reader = Reader(desk.journal, await observer.open())
        await observer.take(list(reader.read(20)))
        observer._rows = 10**9
        await observer.take(list(reader.read(1)))
        await observer.close()

    asyncio.run(take_and_die())
    assert 0 < len(counted(desk.root)) < len(desk.wanted())
    desk.archive()
    assert_once(desk)


def test_two_archivers_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(3)
    first, second = desk.archiver(), desk.archiver()

    async def both() -> None:
        await first.open()
        with pytest.raises(RuntimeSetupError, match="another process archives here"):
            await second.open()
        await first.close()
        await live(second, desk.journal)

    asyncio.run(both())
    assert_once(desk)


def test_one_that_is_let_go_while_it_writes_keeps_its_lock_until_it_is_done(tmp_path: Path) -> None:
    store = Store(tmp_path, "a", time.time_ns)
    store.open()
    part = Part(RowGroups(Prediction), 1)
    part.groups.add([Prediction(prediction_id="p")])
    steps = store.steps({Partition("predictions", ()): part}, (), Cursor())
    with store._at_work:
        next(steps)
        store.close()
        with pytest.raises(RuntimeSetupError):
            Store(tmp_path, "a", time.time_ns).open()
    store.commit({}, (), Cursor())
    Store(tmp_path, "a", time.time_ns).open()


def test_a_replica_that_comes_back_under_another_name_goes_on_where_it_was(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(9)
    desk.archive()
    desk.many(9)
    desk.replica = "pod-2"
    desk.archive()
    assert_once(desk)


def test_data_folders_that_share_an_archive_keep_out_of_each_others_way(tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    first, second = Desk(tmp_path / "a", to=shared), Desk(tmp_path / "b", to=shared)
    first.many(3)
    second.many(2)
    for desk in (first, second, first):
        desk.archive()
    assert sum(counted(tmp_path / "shared").values()) == len(first.wanted()) + len(second.wanted())
    assert lying_about(tmp_path / "shared") == set()


def test_a_damaged_manifest_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(3)
    desk.archive()
    (path,) = (desk.root / "_manifest").rglob("*.json")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(JournalError, match="damaged"):
        desk.archive()


def test_the_cursor_is_that_of_what_was_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(3)
    desk.archive()
    observer = desk.archiver()

    async def where() -> Cursor:
        cursor = await observer.open()
        await observer.close()
        return cursor

    assert asyncio.run(where()) == end_of(desk.journal)
    assert len(archived(desk.root)) == len(desk.wanted())
