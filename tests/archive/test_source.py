"""Journal and archive read as one, and labels joined to what they are about."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sidecar.archive.source import Source
from sidecar.exchange import Kind, Shadow, encode
from sidecar.journal import Reader
from sidecar.predictions import Prediction
from sidecar.runtime.book import PolicyBook
from tests.kit.guards import policy, scores
from tests.predictions.calls import START

from .desk import SECRET, Desk

KEYED = policy("mode: enforce\nfeatures:\n  age: {type: int}\n  income: {type: float, pii: true}\n") + (
    "feedback: {label: {name: bad, of: score, key: income}, entity: income}\n"
)


def source_of(desk: Desk) -> Source:
    book = PolicyBook(desk.data, log=lambda event, fields: None)
    return Source(desk.journal, desk.root, book.guard, book.learn, SECRET)


def once(rows: list[Prediction]) -> set[tuple[str, int]]:
    found = Counter((row.prediction_id, row.row) for row in rows)
    assert set(found.values()) <= {1}
    return set(found)


def at(seconds: float) -> str:
    return str(START / 1e9 + seconds)


@pytest.mark.parametrize("archived", [0, 5, 30])
def test_every_row_is_told_once_wherever_it_is(tmp_path: Path, archived: int) -> None:
    desk = Desk(tmp_path)
    desk.many(archived)
    desk.archive(batch=4, commit_every=1)
    desk.many(30 - archived)
    assert once(list(source_of(desk).predictions())) == desk.wanted()


def test_rows_that_move_while_they_are_read_are_told_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(10)
    desk.archive()
    desk.many(10)
    rows = source_of(desk).predictions()
    first = [next(rows) for _ in range(5)]
    desk.archive()
    desk.many(1)
    found = once(first + list(rows))
    assert found >= desk.wanted(20)


def test_an_archive_tells_its_rows_without_a_journal_and_the_other_way_round(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(9)
    desk.archive()
    wanted = list(source_of(desk).predictions())
    shutil.move(desk.root, tmp_path / "elsewhere")
    assert list(source_of(desk).predictions()) == wanted
    shutil.move(tmp_path / "elsewhere", desk.root)
    shutil.rmtree(desk.journal)
    assert list(source_of(desk).predictions()) == wanted
    assert wanted[0].features == {"age": 30, "income": 1.0}


def test_files_that_retention_took_are_stepped_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(9)
    desk.archive(batch=4, commit_every=1)
    next(desk.root.rglob("predictions/**/*.parquet")).unlink()
    found = once(list(source_of(desk).predictions()))
    assert found < desk.wanted()


def labelled(desk: Desk, both: bool) -> dict[tuple[str, int], Any]:
    if both:
        desk.archive()
    return {(row.prediction_id, row.row): row.label for row in source_of(desk).predictions()}


def told(desk: Desk, name: str) -> list[Any]:
    return [label["label"] for label in source_of(desk).labels_of([name])[name]]


@pytest.mark.parametrize("both", [False, True])
class TestLabels:
    def test_one_that_names_a_prediction_joins_it(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path)
        name = desk.call([30, 1.0], [31, 2.0])
        desk.label(prediction_id=name, row=1, label=True)
        assert labelled(desk, both) == {(name, 0): None, (name, 1): True}

    def test_one_without_a_row_is_for_all_rows(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path)
        name = desk.call([30, 1.0], [31, 2.0])
        desk.label(prediction_id=name, label=3)
        assert labelled(desk, both) == {(name, 0): 3, (name, 1): 3}

    def test_the_latest_received_wins_and_all_are_kept(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path)
        name = desk.call()
        desk.label(prediction_id=name, label=1, received_unix_ns=START + 3 * 10**9, observed_at=at(2))
        desk.label(prediction_id=name, label=2, received_unix_ns=START + 4 * 10**9, observed_at=at(1))
        desk.label(prediction_id=name, label=2, received_unix_ns=START + 5 * 10**9, observed_at=at(1))  # sent again
        assert labelled(desk, both) == {(name, 0): 2}
        assert told(desk, name) == [1, 2]

    def test_one_that_goes_back_to_what_it_was_is_the_latest(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path)
        name, other = desk.call(), desk.call([30, 1.0], [31, 2.0])
        for second, label in enumerate(["A", "B", "A"]):
            received = START + (3 + second) * 10**9
            desk.label(prediction_id=name, label=label, received_unix_ns=received, observed_at=at(2.5))
            desk.label(prediction_id=other, label=label, row=None if label == "A" else 1, received_unix_ns=received,
                       observed_at=at(2.5))  # fmt: skip
        assert labelled(desk, both) == {(name, 0): "A", (other, 0): "A", (other, 1): "A"}
        assert told(desk, name) == told(desk, other) == ["A", "B", "A"]

    def test_by_whatever_name_it_comes(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path)
        name, other = desk.call(), desk.call()  # r-1, r-2
        for second, (said, label) in enumerate([("prediction_id", "A"), ("request_id", "B"), ("prediction_id", "A")]):
            about = {said: name if said == "prediction_id" else "r-1"}
            desk.label(**about, label=label, received_unix_ns=START + (9 + second) * 10**9, observed_at=at(5))
        desk.label(request_id="r-2", label="first of one body")
        desk.label(prediction_id=other, label="second of one body")
        assert labelled(desk, both) == {(name, 0): "A", (other, 0): "second of one body"}

    def test_what_comes_without_a_label_changes_none(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path)
        name, back = desk.call(), desk.call()
        desk.label(prediction_id=name, label=1, received_unix_ns=START + 3 * 10**9)
        desk.label(prediction_id=name, exposed=True, received_unix_ns=START + 4 * 10**9)
        desk.label(prediction_id=back, label=1, received_unix_ns=START + 3 * 10**9)
        desk.label(prediction_id=back, label=None, received_unix_ns=START + 4 * 10**9)
        assert labelled(desk, both) == {(name, 0): 1, (back, 0): None}
        assert told(desk, back) == [1, None]

    def test_one_that_names_a_request_joins_its_latest_delivered_prediction(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path)
        desk.label(request_id="again", label="early", observed_at=at(0.5))
        names = [desk.call() for _ in range(2)]
        retried = desk.calls
        assert retried == 2
        desk.label(request_id="r-2", label="second", observed_at=at(2.5))
        desk.label(request_id="r-2", label="too early", observed_at=at(1.5), received_unix_ns=START + 9 * 10**15)
        assert labelled(desk, both) == {(names[0], 0): None, (names[1], 0): "second"}

    def test_one_that_names_a_key_joins_though_the_key_is_hidden(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path, KEYED)
        first, second = desk.call([30, 17.0]), desk.call([31, 17.0])
        third = desk.call([32, 17.0], reply=b"no answer")  # an answer that nobody checks is passed on
        other = desk.call([33, 18.0])
        desk.label(key="17.0", label="b", observed_at=at(2.5))
        found = labelled(desk, both)
        assert found == {(first, 0): None, (second, 0): "b", (third, 0): None, (other, 0): None}
        rows = list(source_of(desk).predictions())
        assert all(str(row.entity).startswith("hash:") for row in rows)

    def test_a_key_joins_no_prediction_that_was_not_delivered(self, tmp_path: Path, both: bool) -> None:
        desk = Desk(tmp_path, KEYED)
        held = desk.call([30, 17.0], exposed=False)
        desk.label(key="17.0", label="b", observed_at=at(9))
        assert labelled(desk, both) == {(held, 0): None}
        desk.label(prediction_id=held, label="its own", observed_at=at(9))
        assert labelled(desk, both) == {(held, 0): "its own"}


@pytest.mark.parametrize("both", [False, True])
def test_what_a_candidate_answered_is_joined_and_hidden_alike(tmp_path: Path, both: bool) -> None:
    desk = Desk(tmp_path)
    name = desk.call([30, 1.0], [31, 2.0])
    digest = desk.guard.identity.digest
    record = Shadow(
        prediction_id=name, request_id="r-1", policy="credit", policy_digest=digest, candidate="v15", run="x",
        outcome="compared", at_unix_ns=START, status=200, latency_ns=2_500_000, rows=2,
    )  # fmt: skip
    desk.writer.append(Kind.SHADOW, encode(record), (scores(0.5, 0.75),))
    if both:
        desk.archive()
    found = [row.shadow["v15"] for row in source_of(desk).predictions()]
    assert [each["prediction"] for each in found] == [{"score": 0.5}, {"score": 0.75}]
    assert found[0] | {"prediction": None} == {
        "prediction": None, "status": 200, "latency_ms": 2.5, "outcome": "compared",
    }  # fmt: skip


def test_control_events_and_policies_are_kept_by_digest(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.transition("started")
    desk.call()
    desk.archive()
    shutil.rmtree(desk.journal)
    control = list(source_of(desk).control())
    assert [(row.kind, row.what) for row in control] == [("policy", "published"), ("transition", "started")]
    book = PolicyBook(tmp_path / "nothing", log=lambda event, fields: None)
    source = Source(None, desk.root, book.guard, book.learn, SECRET)
    source.learn_policies()
    known = book.policy(desk.guard.identity.digest)
    assert known == desk.policy


def test_since_and_until_choose_by_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    names = [desk.call() for _ in range(4)]
    desk.archive()
    desk.call()
    since, until = START + 2 * 10**9, START + 4 * 10**9
    found = [row.prediction_id for row in source_of(desk).predictions(since_ns=since, until_ns=until)]
    assert found == names[1:4]
    assert len(list(Reader(desk.journal).read())) == 6
