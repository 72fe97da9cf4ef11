"""`sidecar explain --row`: a dry run from a file or a pipe."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from sidecar.cli import main

POLICIES = Path(__file__).parents[2] / "policies"
IRIS = str(POLICIES / "iris.yaml")
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


@pytest.fixture
def row(tmp_path: Path) -> Path:
    return tmp_path / "row.json"


def test_a_row_that_passes(row: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row.write_text(json.dumps(ROW))
    assert main(["explain", "--row", str(row), "--policy", IRIS]) == 0
    out = capsys.readouterr().out
    assert "verdict  ok" in out
    assert "sent to the model: 1 row, as it came" in out
    assert "the caller gets: the model's answer" in out


def test_a_row_that_is_mended_and_one_that_is_refused(row: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row.write_text(json.dumps([{**ROW, "petal_width": 3.5}]))
    assert main(["explain", "--row", str(row), "--policy", IRIS]) == 0
    out = capsys.readouterr().out
    assert "petal_width: 3.5 cm → 3.0" in out
    assert "FAIL  petal_width.max: must be at most 3  → clamp  [owner flowers #flowers-oncall]" in out
    row.write_text(json.dumps({**ROW, "petal_length": 40}))
    assert main(["explain", "--row", str(row), "--policy", IRIS, "--caller", "web"]) == 1
    out = capsys.readouterr().out
    assert 'the caller gets: a refusal 422 application/json\n  {"error":' in out
    assert "caller web" in out


def test_a_row_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--row", json.dumps(ROW), "--policy", IRIS]) == 0
    assert "sepal_length: 5.1 cm" in capsys.readouterr().out
    assert main(["explain", "--row", json.dumps([{**ROW, "petal_length": 40}]), "--policy", IRIS]) == 1


def test_from_a_pipe_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    body = b'{"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 3, 4]}]}'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    assert main(["explain", "--row", "-", "--policy", IRIS, "--format", "json"]) == 1
    story = json.loads(capsys.readouterr().out)
    assert story["policy"]["name"] == "iris"
    assert story["rows"][0]["codes"] == ["petal_width.max", "sepal_length.min"]


def test_the_moment_and_the_headers_can_be_said(row: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "policy: p\nmodel: {protocol: tfserving}\ncontract:\n  mode: enforce\n  features:\n"
        "    at: {type: timestamp, max_age: 1h}\n    r: {type: int, min: 3, from: 'header:x-r'}\n"
    )
    row.write_text('{"at": "2026-09-01T11:30:00Z"}')
    arguments = ["explain", "--row", str(row), "--policy", str(policy), "--header", "X-R=5", "--now"]
    assert main([*arguments, "2026-09-01T12:00:00Z"]) == 0
    assert main([*arguments, "2026-09-01T13:00:00Z"]) == 1
    assert "at.max_age" in capsys.readouterr().out
    assert main([*arguments, "yesterday"]) == 2
    assert main([*[each.replace("X-R=5", "X-R: 5") for each in arguments], "2026-09-01T12:00:00Z"]) == 0, "as probe"
    assert main([*arguments[:-1], "--header", "nonsense"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "or --row FILE and --policy FILE for a dry run"),
        (["r-17", "--row", "x"], "give either"),
        (["--row", "x"], "--row needs --policy"),
        (["--row", "nowhere.json", "--policy", IRIS], "nowhere.json: cannot be read"),
        (["--row", "x", "--policy", "nowhere.yaml"], "nowhere.yaml cannot be used"),
    ],
)
def test_what_cannot_be_answered(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *arguments]) == 2
    assert said in capsys.readouterr().err
