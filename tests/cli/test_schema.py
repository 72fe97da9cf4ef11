"""`sidecar schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from sidecar.cli import main
from sidecar.policy import schema


@pytest.mark.parametrize("document", ["policy", "platform"])
def test_it_prints_the_schema(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--for", document]) == 0
    assert json.loads(capsys.readouterr().out) == schema(document)


def test_tests_have_one_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--for", "test"]) == 0
    validator = Draft7Validator(json.loads(capsys.readouterr().out))
    files = sorted((Path(__file__).parents[2] / "policies").glob("*.test.yaml"))
    assert len(files) >= 3
    for file in files:
        written = json.loads(json.dumps(yaml.safe_load(file.read_text()), default=str))  # YAML 1.2 has no timestamps
        assert [error.message for error in validator.iter_errors(written)] == []
    assert not validator.is_valid({"contract": "a.yaml", "tests": [{"name": "a", "expect": {"verdikt": "ok"}}]})


def test_it_writes_a_file(tmp_path: Path) -> None:
    assert main(["schema", "-o", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == schema()
    assert main(["schema", "-o", str(tmp_path / "no" / "s.json")]) == 2
