"""Labels bring back the rows that the sample did not keep: each once, and the weights go on being right."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sidecar.archive import read_manifests
from sidecar.archive.places import FOLDER
from sidecar.archive.tables import read_parquet
from sidecar.exchange import Kind, encode
from sidecar.journal import Reader, Writer
from sidecar.journal.segment import list_segments
from sidecar.observers.archive import Archive
from sidecar.predictions import OutcomeRow
from sidecar.telemetry import metrics
from tests.archive.desk import Desk, archived, counted, lying_about, named
from tests.archive.killed import killed
from tests.archive.test_source import source_of
from tests.kit.guards import CREDIT, policy, rows, scores
from tests.predictions.calls import START, judged_call, prediction_id

ONE_IN_FOUR = policy(CREDIT) + "capture: {sample: 25%}\n"
NONE = policy(CREDIT) + "capture: {sample: 0.0001%}\n"
KEYED = (
    policy("mode: enforce\nfeatures:\n  age: {type: int}\n  income: {type: float, pii: true}\n")
    + "feedback: {label: {name: bad, of: score, key: income}, entity: income}\ncapture: {sample: 0.0001%}\n"
)


def at(seconds: float) -> str:
    return str(START / 1e9 + seconds)


def told(observer: Archive) -> dict[str, int]:
    """Labels, by what became of the rows they are about."""
    counters = observer._context.stats.counters
    found = {what: counters[metrics.ARCHIVE_LABELS.at(what)] for what in ("kept", "brought_back", "gone")}
    return {what: count for what, count in found.items() if count}


def labels(desk: Desk) -> list[OutcomeRow]:
    return [row for path in named(desk.root, "outcomes") for row in read_parquet(desk.root / path, OutcomeRow)]


def assert_sound(desk: Desk) -> None:
    assert set(counted(desk.root).values()) <= {1}
    assert lying_about(desk.root) == set()


@pytest.mark.parametrize("between", [False, True], ids=["one commit", "two commits"])
def test_a_label_brings_back_its_rows_and_no_others(tmp_path: Path, between: bool) -> None:
    desk = Desk(tmp_path, NONE)
    names = [desk.call([30, 1.0], [31, 2.0]) for _ in range(4)]
    if between:
        desk.archive()
        assert archived(desk.root) == []
    desk.label(prediction_id=names[1], label=True)
    desk.label(prediction_id=names[2], row=1, label=False)
    observer = desk.archive()
    assert counted(desk.root) == {(names[1], 0): 1, (names[1], 1): 1, (names[2], 1): 1}
    assert told(observer) == {"brought_back": 2}
    assert_sound(desk)
    found = {(row.prediction_id, row.row): (row.label, row.weight) for row in source_of(desk).predictions()}
    assert found == {(names[1], 0): (True, 1.0), (names[1], 1): (True, 1.0), (names[2], 1): (False, 1.0)}
    assert archived(desk.root)[0].features == {"age": 30, "income": 1.0}


def test_a_row_comes_back_once_however_many_labels_ask_for_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    name = desk.call([30, 1.0], [31, 2.0])
    for number in range(3):
        desk.label(prediction_id=name, row=0, label=number)
        desk.label(prediction_id=name, row=0, label=number)
        desk.archive()
    desk.label(prediction_id=name, label=3)
    observer = desk.archive()
    assert counted(desk.root) == {(name, 0): 1, (name, 1): 1}
    assert told(observer) == {"brought_back": 1}, "the other row, now"
    assert_sound(desk)
    assert len(source_of(desk).labels_of([name])[name]) == 4


@pytest.mark.parametrize("between", [False, True], ids=["one commit", "two commits"])
def test_one_that_names_a_request_brings_back_the_latest_delivered_before_it(tmp_path: Path, between: bool) -> None:
    desk = Desk(tmp_path, NONE)
    earlier, latest, unanswered, later = (
        desk.call(request_id="r"), desk.call(request_id="r"), desk.call(request_id="r", exposed=False),
        desk.call(request_id="r"),
    )  # fmt: skip
    if between:
        desk.archive()
    desk.label(request_id="r", label=1, observed_at=at(3.5))
    desk.archive()
    assert set(counted(desk.root)) == {(latest, 0), (unanswered, 0)}, "what was held out is always kept"
    found = {row.prediction_id: row.label for row in source_of(desk).predictions()}
    assert found == {latest: 1, unanswered: None}
    assert {earlier, later}.isdisjoint(found)


def test_one_that_names_a_key_brings_back_the_row_with_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, KEYED)
    desk.call([30, 17.0])
    batch = desk.call([31, 18.0], [32, 17.0], [33, 19.0])
    desk.call([34, 18.0])
    desk.archive()
    desk.label(key="17.0", label="b", observed_at=at(9))
    desk.archive()
    assert set(counted(desk.root)) == {(batch, 1)}
    (row,) = source_of(desk).predictions()
    assert (row.label, row.weight) == ("b", 1.0)
    assert row.features["income"].startswith("hash:")


def test_what_the_coin_kept_is_not_brought_back_and_weighs_one_with_its_label(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ONE_IN_FOUR)
    names = [desk.call() for _ in range(40)]
    refused = desk.call([130, 1.0])
    desk.archive()
    kept = {row.prediction_id for row in archived(desk.root)} - {refused}
    assert 0 < len(kept) < 30
    for name in (*names[:20], refused):
        desk.label(prediction_id=name, label=1)
    observer = desk.archive()
    assert_sound(desk)
    assert told(observer) == {"kept": len(kept & set(names[:20])) + 1, "brought_back": len(set(names[:20]) - kept)}
    weights = {row.prediction_id: row.weight for row in source_of(desk).predictions()}
    assert weights == dict.fromkeys([*names[:20], refused], 1.0) | dict.fromkeys(kept - set(names[:20]), 4.0)


def test_weights_add_up_to_the_calls_in_files_and_with_labels_joined(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ONE_IN_FOUR)
    names = [desk.call() for _ in range(600)]
    desk.archive()
    asked = set(names[::3])
    for name in asked:
        desk.label(prediction_id=name, label=1)
    desk.archive()
    files = archived(desk.root)
    five_sigma = 5 * (4.0**2 * 600 * 0.25 * 0.75) ** 0.5
    assert abs(sum(row.weight for row in files) - 600) < five_sigma
    assert abs(sum(row.weight for row in files if row.prediction_id in asked) - 200) < five_sigma / 3**0.5
    joined = list(source_of(desk).predictions())
    assert {row.prediction_id for row in joined if row.label is not None} == asked
    assert sum(row.weight for row in joined if row.label is not None) == 200
    assert abs(sum(row.weight for row in joined if row.label is None) - 400) < five_sigma


def test_a_label_that_comes_too_late_is_counted_and_weights_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ONE_IN_FOUR)
    names = [desk.call() for _ in range(40)]
    desk.archive()
    kept = {row.prediction_id for row in archived(desk.root)}
    desk.writer.close()
    desk.writer = desk.open_writer()
    list_segments(desk.journal, "hot-0")[0].path.unlink()
    for name in names:
        desk.label(prediction_id=name, label=1)
    desk.label(request_id="r-1", label=1)
    observer = desk.archive()
    assert told(observer) == {"gone": 41}
    assert {row.prediction_id for row in archived(desk.root)} == kept
    assert {row.weight for row in source_of(desk).predictions()} == {4.0}, "they stand for what is not there"
    assert len(labels(desk)) == 41
    assert not list((desk.data / "observers" / FOLDER).iterdir()), "nothing leads to what has gone"


def other_stream(desk: Desk, *about: dict[str, Any]) -> Writer:
    """Another worker's stream, with labels."""
    here, desk.writer = desk.writer, desk.open_writer("hot-1")
    for label in about:
        desk.label(**label)
    there, desk.writer = desk.writer, here
    return there


async def one_stream(desk: Desk, stream: str) -> Archive:
    """A life that comes to nothing but this stream."""
    observer = desk.archiver()
    reader = Reader(desk.journal, await observer.open(), only=(stream,))
    await observer.take(list(reader.read()))
    await observer.commit(reader.cursor)
    await observer.close()
    return observer


@pytest.mark.parametrize("first", [True, False], ids=["first of all", "later"])
def test_a_label_that_was_read_before_its_prediction_waits_for_it(tmp_path: Path, first: bool) -> None:
    desk = Desk(tmp_path, NONE)
    if not first:
        desk.call()
        desk.archive()
    name = desk.call()
    there = other_stream(desk, {"prediction_id": name, "label": 1}, {"prediction_id": "nobody's", "label": 2})
    observer = asyncio.run(one_stream(desk, "hot-1"))
    assert (told(observer), labels(desk)) == ({}, [])
    found = {row.prediction_id: row.label for row in source_of(desk).predictions()}
    assert found == {name: 1}, "the label is told meanwhile"
    observer = desk.archive()
    assert told(observer) == {"brought_back": 1, "gone": 1}
    assert set(counted(desk.root)) == {(name, 0)}
    assert sorted(label.kept_id for label in labels(desk)) == ["", name]
    desk.archive()
    assert len(labels(desk)) == 2
    assert_sound(desk)
    there.close()


def test_labels_that_wait_are_held_by_the_last_commits_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    desk.call()
    there = other_stream(desk, {"prediction_id": "nobody's", "label": 1})
    for number in range(3):
        here, desk.writer = desk.writer, there
        desk.label(prediction_id="nobody's", label=number + 2)
        desk.writer = here
        asyncio.run(one_stream(desk, "hot-1"))
    manifests = sorted(read_manifests(desk.root), key=lambda each: each.sequence)
    assert [len(each.waiting) for each in manifests] == [0, 3, 4], "somebody may be reading the last but one"
    desk.archive()
    assert len(labels(desk)) == 4
    assert_sound(desk)
    there.close()


def test_one_that_waits_is_settled_though_nothing_more_is_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    desk.call()
    there = other_stream(desk, {"prediction_id": "nobody's", "label": 2})

    async def story() -> None:
        observer = desk.archiver()
        await observer.open()
        first, second = (Reader(desk.journal, only=(stream,)) for stream in ("hot-0", "hot-1"))
        await observer.take(list(first.read()))
        await observer.take(list(second.read()))
        desk.call()
        await observer.commit(second.cursor)
        assert (observer.waits, labels(desk)) == (True, [])
        last = Reader(desk.journal)
        await observer.take(list(Reader(desk.journal, first.cursor, only=("hot-0",)).read()))
        list(last.read())
        await observer.commit(last.cursor)
        assert (observer.waits, len(labels(desk))) == (False, 1)
        await observer.close()

    asyncio.run(story())
    there.close()


def test_a_policy_that_keeps_all_rows_pays_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    name = desk.call()
    desk.label(prediction_id=name, label=1)
    observer = desk.archive()
    assert told(observer) == {}
    assert not (desk.data / "observers" / FOLDER).exists()
    assert [row.weight for row in source_of(desk).predictions()] == [1.0]


def most_held(desk: Desk) -> int:
    """The most bytes of a whole life."""
    tracemalloc.start()
    try:
        desk.archive()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_large_batch_is_taken_row_by_row_when_sampled_and_when_labels_ask_for_it_too(tmp_path: Path) -> None:
    def desk_with_batch(name: str, text: str = "") -> tuple[Desk, str]:
        desk = Desk(tmp_path / name, text)
        desk.call()
        desk.archive()
        return desk, desk.call(*[[30, float(number)] for number in range(4000)])

    whole = most_held(desk_with_batch("all")[0])
    sampled, name = desk_with_batch("sampled", NONE)
    assert most_held(sampled) < whole
    sampled.label(prediction_id=name, row=7, label=1)
    sampled.label(request_id=f"r-{sampled.calls}", row=3999, label=1)
    assert most_held(sampled) < whole
    assert set(counted(sampled.root)) == {(name, 7), (name, 3999)}
    sampled.label(prediction_id=name, label=2)
    assert most_held(sampled) < 1.2 * whole
    assert len(counted(sampled.root)) == 4000
    assert_sound(sampled)


def test_a_crash_after_any_step_brings_back_all_or_nothing(tmp_path: Path) -> None:
    step = 0
    while True:
        desk = Desk(tmp_path / str(step), NONE)
        names = [desk.call() for _ in range(3)]
        desk.archive()
        desk.label(prediction_id=names[0], label=1)
        finished = asyncio.run(cut_short(desk, step))
        desk.label(prediction_id=names[0], label=2)
        desk.archive()
        assert counted(desk.root) == {(names[0], 0): 1}
        assert Counter(label.label for label in labels(desk)) == {1: 1, 2: 1}
        assert_sound(desk)
        if finished:
            break
        step += 1
    assert step >= 6


@pytest.mark.slow
def test_killed_at_random_moments_it_brings_back_every_labelled_row_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    wanted = set()
    for number in range(240):
        name = desk.call([30, 1.0], [31, 2.0])
        if number % 2:
            desk.label(prediction_id=name, row=0, label=number)
            desk.label(prediction_id=name, label=number)
            wanted |= {(name, 0), (name, 1)}
        elif number % 4:
            desk.label(request_id=f"r-{number - 20}", label=number)
            wanted |= {(prediction_id(number - 20), row) for row in (0, 1) if number > 20}
    dice = random.Random(5)
    kills = 0
    for _ in range(12):
        kills += killed(desk.data, dice.uniform(0.005, 0.4))
        found = counted(desk.root)
        assert set(found.values()) <= {1}
        assert set(found) <= wanted
    assert kills >= 3
    desk.archive()
    assert set(counted(desk.root)) == wanted
    assert_sound(desk)


def test_thousands_of_labels_are_settled_in_parts_as_if_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    names = [desk.call() for _ in range(50)]
    for number in range(4500):
        desk.label(prediction_id=names[number % 40], label=number)
    observer = desk.archive()
    assert set(counted(desk.root)) == {(name, 0) for name in names[:40]}
    assert told(observer) == {"brought_back": 40, "kept": 4460}
    assert_sound(desk)


async def cut_short(desk: Desk, steps: int) -> bool:
    """A commit that ends after so many steps; True when it came to its own end."""
    observer = desk.archiver()
    reader = Reader(desk.journal, await observer.open())
    await observer.take(list(reader.read()))
    observer._settle(reader.cursor)
    for partition, pending in observer._pending.items():
        observer._columns(partition, pending)
    commit = observer.store.steps(
        observer._parts, list(observer._spans.values()), reader.cursor, (), (), observer._places.write
    )
    for _ in range(steps):
        if next(commit, None) is None:
            await observer.close()
            return True
    commit.close()
    await observer.close()
    return False


def test_bodies_beyond_the_first_look_are_read_whole(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NONE)
    many = [[30 + number % 50, float(number)] for number in range(3000)]
    record, payloads = judged_call(desk.guard, rows(*many), scores(*[0.5] * len(many)), 1)
    assert sum(map(len, payloads)) > 40_000
    assert desk.writer.append(Kind.EXCHANGE, encode(record), payloads)
    desk.archive()
    desk.label(prediction_id=record.prediction_id, row=2999, label=1)
    desk.archive()
    (row,) = archived(desk.root)
    assert (row.row, row.features) == (2999, {"age": 30 + 2999 % 50, "income": 2999.0})
    assert len(list(read_manifests(desk.root))) == 2
