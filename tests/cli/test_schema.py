"""`sidecar schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.policy import schema


@pytest.mark.parametrize("document", ["policy", "platform"])
def test_it_prints_the_schema(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--for", document]) == 0
    assert json.loads(capsys.readouterr().out) == schema(document)


def test_it_writes_a_file(tmp_path: Path) -> None:
    assert main(["schema", "-o", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == schema()
    assert main(["schema", "-o", str(tmp_path / "no" / "s.json")]) == 2
