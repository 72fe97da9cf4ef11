"""`sidecar report contract` over a journal and an archive, as a user asks for it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import msgspec
import pytest

from sidecar.cli import main
from sidecar.exchange import Kind, encode
from tests.archive.desk import SECRET, Desk
from tests.kit.guards import policy
from tests.predictions.calls import judged_call


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    (made.data / "secret").write_bytes(SECRET)
    return made


def report(desk: Desk, *words: str) -> int:
    return main(["report", "contract", *words, "--data", str(desk.data)])


def test_who_breaks_it_from_journal_and_archive_together(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    refused = desk.call([130, 1.0])
    desk.archive()
    desk.call([140, 1.0])
    desk.call([30, 1.0])
    assert report(desk, "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["requests"], found["refused"]) == (3, 3, 2)
    (group,) = found["groups"]
    assert group["by"] == {"caller": "mobile", "feature": "age"}
    assert (group["judged"], group["refused"], group["codes"]) == (3, 2, {"age.max": 2})
    assert group["examples"][0] == refused


def test_the_command_that_it_ends_with_finds_the_prediction(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    refused = desk.call([130, 1.0])
    for flag in ("--data", "--from"):
        assert main(["report", "contract", flag, str(desk.data)]) == 0
        last = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("look at one: "))
        words = shlex.split(last.removeprefix("look at one: sidecar "))
        assert words == ["explain", refused, flag, str(desk.data)]
        assert main(words) == 0
        assert refused in capsys.readouterr().out


def test_a_pipeline_can_be_stopped(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([130, 1.0])
    desk.many(3)
    assert report(desk, "--fail-on", "50%") == 0
    assert report(desk, "--fail-on", "10%") == 1
    assert "more than --fail-on 10.00%" in capsys.readouterr().err
    assert report(desk, "--fail-on", "many") == 2
    assert "write a share from 0 to 1" in capsys.readouterr().err


def test_a_condition_chooses_rows(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([130, 1.0])
    desk.call([30, 1.0])
    assert report(desk, "--where", "age < 100", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["groups"] == []


def test_the_page_is_one_file(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([130, 1.0])
    page = tmp_path / "report.html"
    assert report(desk, "--html", str(page), "-o", str(tmp_path / "report.txt")) == 0
    assert "age" in page.read_text()
    assert "age" in (tmp_path / "report.txt").read_text()
    assert report(desk, "--html", str(tmp_path / "no" / "x.html")) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_misspelt_group_is_named(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([130, 1.0])
    assert report(desk, "--by", "callers") == 2
    assert "cannot group by `callers`" in capsys.readouterr().err


DROPS = """
mode: observe
on_bad_rows: drop_rows
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000}
prediction:
  score: {type: float, min: 0, max: 1}
candidate: next.yaml
"""
NEXT = """
contract:
  features: {age: {type: int, min: 0, max: 120}, income: {type: float, min: 0, max: 500}}
"""


@pytest.fixture
def rolled_out(tmp_path: Path) -> Desk:
    (tmp_path / "next.yaml").write_text(NEXT)
    named = "protocol: tfserving, name: credit"
    made = Desk(tmp_path, policy(DROPS, model=named))
    (made.data / "secret").write_bytes(SECRET)
    return made


def asked(desk: Desk, number: int, *ages_and_incomes: tuple[int, float]) -> None:
    body = {"instances": [{"age": age, "income": income} for age, income in ages_and_incomes]}
    reply = json.dumps({"predictions": [0.5] * len(ages_and_incomes)}).encode()
    record, payloads = judged_call(desk.guard, json.dumps(body).encode(), reply, number)
    record = msgspec.structs.replace(record, mode="observe", would="rejected")
    assert desk.writer.append(Kind.EXCHANGE, encode(record), payloads)


def test_enforcing_would_take_rows_from_a_batch_and_answer_it(
    rolled_out: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(rolled_out, 1, (30, 1.0), (130, 1.0), (40, 1.0))
    asked(rolled_out, 2, (150, 1.0))
    assert report(rolled_out, "--as", "enforce", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["requests"], found["refused_rows"], found["refused"]) == (4, 2, 2, 1)
    (group,) = found["groups"]
    assert (group["refused_rows"], group["refused"]) == (2, 1)
    assert report(rolled_out, "--as", "enforce", "--fail-on", "50%") == 0


def test_what_a_candidate_would_refuse_has_its_command(rolled_out: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    asked(rolled_out, 1, (30, 1.0), (30, 700.0), (40, 1.0), (50, 2.0))
    assert report(rolled_out, "--candidate", "--by", "code", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["as"], found["refused"], found["refused_rows"]) == ("candidate", 1, 4), "it rejects whole requests"
    assert [group["by"] for group in found["groups"]] == [{"code": "income.max"}]
    assert found["candidate"] == [
        {"active": "ok", "candidate": "ok", "rows": 3.0},
        {"active": "ok", "candidate": "rejected", "rows": 1.0},
    ]
    assert report(rolled_out) == 0
    assert "25.00% of the rows differ" in capsys.readouterr().out
    assert report(rolled_out, "--candidate", "--fail-on", "1%") == 1
