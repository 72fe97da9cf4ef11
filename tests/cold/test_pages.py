"""Predictions by page: every row once, newest first, from wherever it is, within a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sidecar.admin.queries import PredictionQuery, QueryError, prediction_query
from sidecar.archive.source import Source
from sidecar.cold.lookup import Latest, Lookup
from sidecar.cold.pages import Mark, Page, page_of
from sidecar.cold.process import Cold
from sidecar.journal import Reader
from sidecar.predictions import Prediction
from sidecar.runtime.book import PolicyBook
from sidecar.runtime.messages import ColdSettings
from tests.archive.desk import SECRET, Desk
from tests.predictions.calls import START

END = Mark("2026-03-01T00:00:00.000000Z", "")


def source_of(desk: Desk) -> Source:
    book = PolicyBook(desk.data, log=lambda event, fields: None)
    for read in Reader(desk.journal).read():
        book.learn(read)
    return Source(desk.journal, desk.root, book.guard, book.learn, SECRET)


def pages(desk: Desk, limit: int, **how: Any) -> list[Page]:
    """From the newest to the last one."""
    asked: dict[str, Any] = {"wanted": lambda row: True, "before": END} | how
    source = source_of(desk)
    found = [page_of(source, START, limit=limit, **asked)]
    while (mark := found[-1].next) is not None:
        assert len(found) < 500, found[-1]
        found.append(page_of(source, START, limit=limit, **(asked | {"before": mark})))
    return found


def rows(found: list[Page]) -> list[tuple[str, int]]:
    return [(row.prediction_id, row.row) for page in found for row in page.rows]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Calls of a minute: of one, two and three rows, the older half in the archive."""
    made = Desk(tmp_path)
    made.many(30)
    made.archive(batch=8, commit_every=1)
    made.many(30)
    return made


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_all_pages_together_are_every_row_once_newest_first(desk: Desk, limit: int) -> None:
    found = pages(desk, limit)
    told = rows(found)
    if limit >= 3:  # the most rows of one call
        assert set(told) == desk.wanted()
    assert len(set(told)) == len(told)
    assert [name for name, _ in told] == sorted((name for name, _ in told), reverse=True)
    assert all(1 <= len(page.rows) <= limit for page in found if page.next is not None)


def test_a_page_of_what_is_wanted_alone(desk: Desk) -> None:
    def third(row: Prediction) -> bool:
        return row.row == 2

    found = pages(desk, 5, wanted=third)
    assert sorted(rows(found)) == sorted(each for each in desk.wanted() if each[1] == 2)


def test_nothing_before_since(desk: Desk) -> None:
    since = START + 50 * 10**9 - 1
    told = rows(pages(desk, 4, since_ns=since))
    assert {name for name, _ in told} == {name for name, _ in desk.wanted() if int(name[-12:]) >= 50}


def test_where_the_time_is_over_the_next_page_goes_on_from_there(desk: Desk) -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            self.now += 5.0
            return self.now

    found = pages(desk, 1000, clock=Clock())
    assert len(found) > 3
    assert all(page.stopped for page in found[:-1])
    assert set(rows(found)) == desk.wanted()
    assert len(rows(found)) == len(desk.wanted())


# -- as the admin port asks


def ask(desk: Desk, remembered: int, **query: Any) -> tuple[list[Any], str, str]:
    cold = Cold(ColdSettings(data=str(desk.data)), {}, {})
    cold.latest = Latest(remembered)
    for read in Reader(desk.journal).read():
        cold.book.learn(read)
        cold.latest.learn(read)
    found, following, because = asyncio.run(Lookup(cold).page(PredictionQuery(**query)))
    return list(found), following, because


def test_the_newest_page_comes_from_memory_and_the_others_from_disk(desk: Desk) -> None:
    (desk.root / "_manifest" / "2026-01-02").mkdir()  # the archive is as old as its calls
    first, following, because = ask(desk, 20, limit=10)
    assert (len(first), because) == (9, ""), "another call does not fit"
    told = [(row["prediction_id"], row["row"]) for row in first]
    while following:
        mark = prediction_query([("page", following)]).page
        more, following, _ = ask(desk, 20, limit=10, page=mark)
        told += [(row["prediction_id"], row["row"]) for row in more]
    assert len(set(told)) == len(told)
    assert set(told) == desk.wanted()


def test_the_latest_alone_read_nothing_from_disk(desk: Desk) -> None:
    found, following, because = ask(desk, 2, limit=100, latest=True)
    assert len({row["prediction_id"] for row in found}) == 2
    assert (following, because) == ("", "")
    assert "without `latest`" in ask(desk, 2, latest=True, verdict="rejected")[2]


@pytest.mark.parametrize(
    "text", ["", "~", "2026-03-03", "2026-03-03T00:00:00.000000Z~a b", "x~y", "2026-03-03T00:00:00Z~a"]
)
def test_a_page_is_what_was_said_as_next(text: str) -> None:
    with pytest.raises(QueryError, match="page"):
        prediction_query([("page", text)])
