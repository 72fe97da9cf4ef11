"""One batch with every kind of row, found and explained from the journal and from the archive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.exchange import Kind, encode
from tests.archive.desk import SECRET, Desk
from tests.kit.guards import DROPPING, policy
from tests.predictions.calls import judged_call

CONTRACT = (
    DROPPING
    + """\
rules: [{id: reach, expect: income <= 20 * age, mode: observe}]
prediction: {score: {type: float, min: 0, max: 1}}
fallback: {values: {score: 0.5}}
candidate: next.yaml
"""
)
ROWS = [(30, 10.0, "a"), (130, 10.0, "a"), (31, 10.0, "x"), (33, 2000.0, "a"), (12, 600.0, "b")]


class Batched(Desk):
    """A desk with one call of five rows."""

    def __init__(self, folder: Path) -> None:
        (folder / "next.yaml").write_text("contract: {features: {age: {type: int, min: 31}}}")
        super().__init__(folder, policy(CONTRACT, model="protocol: tfserving, name: credit"))
        (self.data / "secret").write_bytes(SECRET)
        body = {"instances": [dict(zip(("age", "income", "job"), row, strict=True)) for row in ROWS]}
        reply = {"predictions": [0.1, 0.2, 0.3]}
        record, payloads = judged_call(self.guard, json.dumps(body).encode(), json.dumps(reply).encode())
        assert self.writer.append(Kind.EXCHANGE, encode(record), payloads)
        self.name = record.prediction_id


@pytest.fixture(params=["journal", "archive"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Batched:
    made = Batched(tmp_path)
    if request.param == "archive":
        made.archive()
        shutil.rmtree(made.journal)
    return made


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ('verdict == "rejected"', [1]),
        ('verdict == "fallback"', [2]),
        ('verdict == "repaired"', [3]),
        ('verdict == "ok"', [0]),
        ('verdict == "observed" and violations == "rule.reach"', [4]),
        ('candidate.verdict == "rejected" and candidate.active != "rejected"', [0]),
        ('candidate.active == "rejected" and verdict == "observed"', [4]),  # as if its rule enforced
        ("delivered.score == 0.5", [2]),
        ("prediction.score == 0.3", [4]),
    ],
)
def test_rows_are_found_by_what_became_of_them(
    desk: Batched, condition: str, rows: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find", condition, "--format", "jsonl", "--data", str(desk.data)]) == 0
    assert [json.loads(line)["row"] for line in capsys.readouterr().out.splitlines()] == rows


def test_the_whole_story_tells_each_row(desk: Batched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", desk.name, "--data", str(desk.data)]) == 0
    text = capsys.readouterr().out
    for words in (
        "verdict    rejected (mode enforce)",
        "violation  age.max in row 1: reject\n",
        "violation  rule.reach in row 4: reject, only observed",
        'row 1 (rejected)\n    features   age=130, income=10.0, job="a"\n    delivered  no prediction',
        "row 2 (fallback)",
        "delivered  score=0.5 (not the model's)",
        "repaired   row 3 income: 2000.0 → 1000.0",
        "candidate  rejected where the contract says ok: age.min",
    ):
        assert words in text, words
