"""`sidecar explain`: the whole story of one prediction, wherever its record is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.cli.explain_text import as_text
from sidecar.exchange import Kind, Open, encode
from tests.archive.desk import SECRET, Desk
from tests.kit.guards import policy, scores
from tests.predictions.calls import START

TEXT = policy("""
mode: enforce
features:
  age: {type: int, min: 0, max: 120, source: customer-core, description: Age at application., owner: {team: crm}}
  income: {type: float, min: 0, on_violation: clamp}
  tenure: {type: int, pii: true, required: false}
prediction:
  score: {type: float, min: 0, max: 1}
""", model="protocol: oip, name: credit, columns: {input-0: [age, income]}").replace(
    "version: 1.2.0", 'version: 1.2.0\nowner: {team: risk-ml, contact: "#risk"}\nlineage: {review_by: 2999-03-01}'
)  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path, TEXT)
    (made.data / "secret").write_bytes(SECRET)
    return made


def explain(desk: Desk, *words: str) -> int:
    return main(["explain", *words, "--data", str(desk.data)])


def story(desk: Desk, about: str, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["explain", about, "--format", "json", *(words or ("--data", str(desk.data)))]) == 0
    (found,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["predictions"]
    assert isinstance(found, dict)
    return found


def test_a_repaired_call_is_told_in_words(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = desk.call([30, -5.5])
    desk.label(prediction_id=name, label=True, observed_at="2026-02-01T00:00:00Z")
    assert explain(desk, name) == 0
    text = capsys.readouterr().out
    for words in (
        f"prediction {name}",
        "POST /v2/models/credit/infer?…",
        "by mobile (self-declared), request id r-1",
        "credit version 14, stated in body, identity match",
        "credit@1.2.0 b2:",
        "owner risk-ml #risk",
        "repaired (mode enforce)",
        "income.min in row 0: clamp",
        "row 0 income: -5.5 → 0.0",
        "features   age=30, income=0.0",
        "model said score=0.25",
        "delivered  score=0.25 (the model's own)",
        "total 1.500 ms, contract 0.100 ms, upstream 1.200 ms",
        "1" * 32,
        "true observed 2026-02-01T00:00:00.000000Z",
    ):
        assert words in text, words


def test_candidates_are_told_in_the_words_of_the_model_or_as_silent(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    found = story(desk, desk.call([30, 1.0]), capsys)
    found["rows"][0]["shadow"] = {
        "v15": {"prediction": {"score": 0.5}, "status": 200, "latency_ms": 4.5, "outcome": "compared"},
        "dead": {"prediction": None, "status": 0, "latency_ms": 1.0, "outcome": "shadow_error"},
        "spared": {"prediction": None, "status": 0, "latency_ms": None, "outcome": "primary_failed"},
    }
    lines = as_text(found).splitlines()
    assert "    v15 said score=0.5 (compared, 4.500 ms)" in lines
    assert "    dead gave no prediction (shadow_error, 1.000 ms)" in lines
    assert "    spared gave no prediction (primary_failed)" in lines


@pytest.mark.parametrize("archived", [False, True])
def test_a_refused_call_says_who_can_help(desk: Desk, archived: bool, capsys: pytest.CaptureFixture[str]) -> None:
    name = desk.call([130, 1.0])
    if archived:
        desk.archive()
    found = story(desk, name, capsys)
    assert (found["verdict"], found["status"], found["upstream_status"]) == ("rejected", 422, 0)
    (violation,) = found["violations"]
    assert violation == {
        "row": 0, "code": "age.max", "feature": "age", "applied": "reject", "enforced": True, "owner": "crm",
        "contact": "#risk",
        "source": "customer-core", "unit": "", "description": "Age at application.", "review_by": "2999-03-01",
    }  # fmt: skip
    assert found["policy"]["digest"] == desk.guard.identity.digest
    assert (found["policy"]["owner"], found["policy"]["contact"]) == ("risk-ml", "#risk")
    assert found["rows"][0]["delivered"] is None
    assert main(["explain", name, "--data", str(desk.data)]) == 0
    told = capsys.readouterr().out
    assert "comes from customer-core; owner crm" in told
    assert "review by 2999-03-01" in told


def test_journal_and_archive_tell_the_same_story(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = desk.call([30, 1.0], [31, -2.0], reply=scores(0.1, 0.2))
    desk.label(prediction_id=name, row=1, label=1)
    before = story(desk, name, capsys)
    desk.archive()
    shutil.rmtree(desk.journal)
    assert story(desk, name, capsys) == before
    assert story(desk, name, capsys, "--from", str(desk.root)) == before
    assert [row["label"] for row in before["rows"]] == [None, 1]
    assert before["edits"] == [{"row": 1, "feature": "income", "before": -2.0, "after": 0.0}]


def test_a_request_id_and_a_trace_id_will_do(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    names = [desk.call(), desk.call()]
    desk.archive()
    assert story(desk, "r-2", capsys)["prediction_id"] == names[1]
    assert main(["explain", "1" * 32, "--format", "json", "--data", str(desk.data)]) == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    assert [each["prediction_id"] for each in found] == names


def test_a_stream_without_an_end_is_said(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    opening = Open(prediction_id="p-open", request_id="r", started_unix_ns=START, trace_id="", method="POST",
                   target="/v1/chat?secret=1")  # fmt: skip
    desk.writer.append(Kind.OPEN, encode(opening))
    assert explain(desk, "p-open") == 0
    assert "streaming: the answer has begun" in capsys.readouterr().out
    assert story(desk, "p-open", capsys)["verdict"] == "streaming"
    desk.writer.close()  # and nobody goes on
    for _ in range(2):
        assert explain(desk, "p-open") == 0
        text = capsys.readouterr().out
        assert "interrupted: the stream began" in text
        assert "secret" not in text
        assert story(desk, "p-open", capsys)["verdict"] == "interrupted"
        assert main(["find", "verdict == 'interrupted'", "--data", str(desk.data)]) == 0
        assert capsys.readouterr().out == "p-open\n"
        desk.archive()


def test_what_is_not_there_is_said_with_a_hint(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call()
    assert explain(desk, "nobody") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing with the id 'nobody'" in captured.err
    assert "x-prediction-id" in captured.err
    assert explain(desk, "nobody", "--format", "json") == 1
    assert json.loads(capsys.readouterr().out) == {"id": "nobody", "predictions": []}


def test_a_folder_with_nothing_in_it_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "p", "--data", str(tmp_path)]) == 2
    assert "neither a journal nor an archive" in capsys.readouterr().err
    assert main(["explain", "p", "--from", "s3://bucket/x"]) == 2
    assert "reads folders" in capsys.readouterr().err
    assert main(["explain", "p", "--data", str(tmp_path), "--secret-file", str(tmp_path / "no")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_caller_cannot_move_the_terminal(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = desk.call([30, 1.0], caller="\x1b[2J\x07evil\u202e")
    assert explain(desk, name) == 0
    text = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "evil" in text
