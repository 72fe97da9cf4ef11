"""The rows that all contestants are given, and what is printed of them."""

from __future__ import annotations

import json

from bench.contracts import CASES, Case, text
from bench.table import CATEGORIES, HIGH, LOW, Table


def test_a_table_has_the_bad_rows_it_says_and_no_other() -> None:
    table = Table(400, 20, bad_every=100)
    rows = json.loads(table.body())["instances"]
    bad = [
        position
        for position, row in enumerate(rows)
        if any(not LOW <= row[name] <= HIGH for name in table.numbers)
        or any(row[name] not in CATEGORIES for name in table.words)
    ]
    assert bad == table.bad_rows() == [50, 150, 250, 350]


def test_a_clean_table_is_clean_and_every_row_can_be_bad() -> None:
    assert Table(50).bad_rows() == []
    assert Table(50, bad_every=1).bad_rows() == list(range(50))


def test_twenty_features_are_fourteen_numbers_and_six_categories() -> None:
    table = Table(1)
    assert (len(table.numbers), len(table.words)) == (14, 6)
    assert list(json.loads(table.body())["instances"][0]) == [*table.numbers, *table.words]


def test_a_missed_aim_is_said() -> None:
    case = Case("some rows", Table(10), ("sidecar",), aim=2.0)
    assert "× orjson" in text(case, {"orjson": 10.0, "sidecar": 15.0})
    assert "aim 2: met" in text(case, {"orjson": 10.0, "sidecar": 20.0})
    assert "aim 2: MISSED" in text(case, {"orjson": 10.0, "sidecar": 20.1})


def test_the_aims_are_held_against_the_tables_they_are_of() -> None:
    aims = {(case.table.rows, case.table.features): case.aim for case in CASES if case.aim}
    assert aims == {(1, 20): 2.0, (1000, 20): 1.5}
