"""`sidecar report contract` over a journal and an archive, as a user asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.cli import main
from tests.archive.desk import SECRET, Desk


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
