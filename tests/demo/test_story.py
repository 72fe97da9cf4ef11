"""The story judges what came back, and says what differs."""

from __future__ import annotations

import json

import pytest

from sidecar.demo.conversation import TITLE_COLUMNS
from sidecar.demo.story import PATIENT, STORY, UNLIKELY, Expected, Received, differences, matrix, patient, shown, titled

EXPECTED = Expected(422, "rejected", r"age\.min")


def test_an_answer_as_expected_has_no_differences() -> None:
    assert differences(EXPECTED, Received(422, "rejected", "age.min at /inputs/0/data/0")) == []


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (Received(200, "rejected", "age.min"), "status 200, expected 422"),
        (Received(422, "", "age.min"), "verdict (none), expected rejected"),
        (Received(422, "rejected", "setosa"), r"the answer has no 'age\\.min'"),
    ],
)
def test_each_difference_is_told(received: Received, said: str) -> None:
    assert differences(EXPECTED, received) == [said]


def test_nothing_that_came_back_is_as_expected_when_nobody_answers() -> None:
    assert len(differences(EXPECTED, Received(0, "", "no answer"))) == 3


def test_rows_become_one_tensor() -> None:
    tensor = json.loads(matrix([(1, 2, 3), (4, None, "x")]))["inputs"][0]
    assert tensor["shape"] == [2, 3]
    assert tensor["data"] == [1, 2, 3, 4, None, "x"]


@pytest.mark.parametrize(
    ("model", "status", "body", "line"),
    [
        ("iris", 200, b'{"outputs": [{"name": "predict", "data": [0, 2]}]}', "setosa, virginica"),
        ("iris", 200, b'{"outputs": [{"name": "predict", "data": [7]}]}', "7"),
        ("diabetes", 200, b'{"outputs": [{"name": "predict", "data": [152.133]}]}', "152.1"),
        (
            "iris",
            200,
            b'{"outputs": [{"data": [0, 1, 2, 0, 1, 2, 0]}]}',
            "setosa, versicolor, virginica, setosa, versicolor, virginica, … 7 in all",
        ),
        ("iris", 422, b'{"error": "no"}', "no"),
        ("iris", 422, b'{"error": "no [request 01a20a45-fd83]"}', "no"),
        ("iris", 422, b'{"type": "x", "detail": "1 of 1 rows"}', "1 of 1 rows"),
        ("iris", 200, b'{"name": "iris"}', '{"name": "iris"}'),
        ("iris", 500, b"Internal Server Error\n", "Internal Server Error"),
        ("iris", 200, b"[1]", "[1]"),
    ],
)
def test_answers_are_shown_in_one_line(model: str, status: int, body: bytes, line: str) -> None:
    assert shown(model, status, body) == line


def test_a_patient_keeps_the_order_of_the_columns() -> None:
    assert patient(sex=1) == [1 if name == "sex" else value for name, value in PATIENT.items()]


def test_the_story_shows_every_verdict() -> None:
    verdicts = {step.expected.verdict.split(";")[0] for chapter in STORY for step in chapter.steps}
    assert verdicts >= {"ok", "observed", "repaired", "fallback", "rejected"}


def test_an_answer_is_found_by_the_title_of_its_step() -> None:
    titles = [step.title for chapter in STORY for step in chapter.steps]
    answers = [Received(200, "ok", str(number)) for number in range(len(titles))]
    assert titled(answers, UNLIKELY).answer == str(titles.index(UNLIKELY))


def test_titles_fit_their_column() -> None:
    assert [step.title for chapter in STORY for step in chapter.steps if len(step.title) > TITLE_COLUMNS] == []
