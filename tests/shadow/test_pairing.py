"""Two answers held against each other: which rows count for which unit, and what stands for an answer that has none."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.errors import WireFault
from sidecar.rows import Rows, Value
from sidecar.shadow import Output, Units, flatten, pair, unreadable

SCORE = {"score": Output(kind="numeric", tolerance=0.1, scale=1.0)}


def answer(*scores: Value) -> Rows:
    return Rows(len(scores), {"score": scores}, lambda name, row: f"/{row}/{name}")


def told(primary: Rows, candidate: Rows, units: Units) -> dict[str, tuple[int, bool]]:
    """unit → (its rows, whether all of them agree)."""
    return {each.unit: (each.rows, each.agrees) for each in pair(primary, candidate, SCORE, units).scores}


def test_each_row_counts_for_its_own_unit_and_those_not_sampled_for_none() -> None:
    units = Units(("ann", "bob"), by_row=("ann", "", "bob", "ann"))
    found = told(answer(0.1, 0.2, 0.3, 0.4), answer(0.1, 0.9, 0.9, 0.4), units)
    assert found == {"ann": (2, True), "bob": (1, False)}


def test_an_answer_as_a_whole_counts_for_the_unit_that_was_sampled() -> None:
    """Three rows were asked, the second one's unit is in the sample, and the answer is one document for all."""
    units = Units(("bob",), by_row=("", "bob", ""))
    assert told(answer(0.1), answer(0.9), units) == {"bob": (1, False)}


def test_without_units_by_row_all_rows_are_one() -> None:
    assert told(answer(0.1, 0.2), answer(0.1, 0.9), Units(("call",))) == {"call": (2, False)}


def test_answers_with_other_numbers_of_rows_differ_in_form_for_every_unit() -> None:
    units = Units(("ann", "bob"), by_row=("ann", "bob"))
    found = pair(answer(0.1, 0.2), answer(0.1), SCORE, units)
    assert [(each.unit, each.score) for each in found.scores] == [("ann", 1.0), ("bob", 1.0)]
    assert [each.type for each in found.differences] == ["shape", "shape"]


def test_an_answer_that_is_none_is_as_far_away_as_can_be() -> None:
    for fault, kind in ((WireFault.SHAPE, "shape"), (WireFault.MALFORMED, "type")):
        found = unreadable(answer(0.1), fault, SCORE, Units(("call",)))
        assert [each.score for each in found.scores] == [1.0]
        assert [each.type for each in found.differences] == [kind]


def test_at_most_twenty_differences_are_listed_and_all_are_counted() -> None:
    many: Sequence[Value] = [0.0] * 30
    found = pair(answer(*many), answer(*[1.0] * 30), SCORE, Units(("call",)))
    assert (len(found.differences), found.differences_total, found.rows) == (20, 30, 30)


def test_leaves_by_path_without_what_a_server_says_of_itself() -> None:
    found = flatten({"id": "7", "model_version": "14", "out": {"a/b": 1, "c": [{"d": 2}, {"d": [3, 4]}]}})
    assert dict(found.columns) == {"/out/a~1b": (1,), "/out/c/0/d": (2,), "/out/c/1/d": ([3, 4],)}
