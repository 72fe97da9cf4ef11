"""Places stay few, and lead nowhere once there is nothing to be found."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sidecar.archive import read_manifests
from sidecar.archive.places import FOLDER, MOST_GROWING, Place
from sidecar.journal import Reader
from sidecar.journal.segment import list_segments
from sidecar.policy.platform import Archive as ArchiveSection
from tests.kit.guards import CREDIT, policy
from tests.observers.test_labelled import NONE, assert_sound, labels, told
from tests.predictions.calls import START

from .desk import Desk, archived, counted


def test_many_small_commits_make_few_files_of_places(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    names = [desk.call() for _ in range(60)]
    for name in names[::2]:
        desk.label(prediction_id=name, label=1)
    desk.archive(batch=1, commit_every=1)
    later = [desk.call() for _ in range(20)]
    for number, name in enumerate((*names, *later)):
        desk.label(prediction_id=name, label=number)
    desk.archive(batch=1, commit_every=1)
    assert set(counted(desk.root)) == {(name, 0) for name in (*names, *later)}
    assert_sound(desk)
    assert len(list((desk.data / "observers" / FOLDER).iterdir())) <= 8
    assert len(list(read_manifests(desk.root))) > 40


def test_places_that_a_failing_machine_damaged_lead_nowhere(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    name = desk.call()
    desk.archive()
    (path,) = (desk.data / "observers" / FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[:30])
    desk.label(prediction_id=name, label=1)
    observer = desk.archive()
    assert told(observer) == {"gone": 1}
    assert (archived(desk.root), len(labels(desk))) == ([], 1)


def test_each_archive_gets_the_rows_that_labels_ask_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    names = [desk.call() for _ in range(3)]
    desk.archive()
    here, there = desk.section, ArchiveSection(to="elsewhere")
    desk.label(prediction_id=names[0], label=1)
    desk.section = there
    desk.archive()
    desk.section = here
    desk.label(prediction_id=desk.call(), label=1)
    desk.archive()
    assert set(counted(desk.data / "elsewhere")) == {(names[0], 0)}
    assert {row.prediction_id for row in archived(desk.root)} >= {label.kept_id for label in labels(desk)} - {""}
    assert len(archived(desk.root)) == 1
    assert_sound(desk)


def test_places_go_once_nothing_that_was_sampled_is_in_the_journal(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    desk.call()
    desk.archive()
    folder = desk.data / "observers" / FOLDER
    desk.judge_by(policy(CREDIT))
    name = desk.call()
    desk.archive()
    assert list(folder.iterdir()), "a label could still join one or the other"
    desk.writer.close()
    desk.writer = desk.open_writer()
    list_segments(desk.journal, "hot-0")[0].path.unlink()
    later = desk.call()
    desk.archive()
    assert not list(folder.iterdir())
    desk.label(prediction_id=later, label=1)
    desk.call()
    assert told(desk.archive()) == {}
    assert not list(folder.iterdir())
    assert {row.prediction_id for row in archived(desk.root)} > {name, later}


def test_many_places_ask_for_a_commit_however_rarely_files_are_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE, every=86_400.0)
    names = [desk.call() for _ in range(2)]

    async def story() -> None:
        observer = desk.archiver()
        reads = [read for read in Reader(desk.journal, await observer.open()).read() if read.kind in observer.kinds]
        await observer.take(reads[:-1])
        assert not list(read_manifests(desk.root))
        observer._places.note(Place("hot-0", "gone", 0), START, map(str, range(MOST_GROWING)), sampled=True)
        await observer.take(reads[-1:])
        assert len(list(read_manifests(desk.root))) == 1
        assert observer._places.size == 0
        await observer.close()

    asyncio.run(story())
    desk.label(prediction_id=names[0], label=1)
    desk.archive()
    assert set(counted(desk.root)) == {(names[0], 0)}
