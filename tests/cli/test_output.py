"""Where data goes, for every command alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.cli.output import put, writing
from sidecar.errors import RuntimeSetupError


def test_to_a_file_or_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put("ü\n", tmp_path / "out")
    put("ü\n", None)
    assert (tmp_path / "out").read_text(encoding="utf-8") == capsys.readouterr().out == "ü\n"


def test_a_file_that_cannot_be_written_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "-o", str(tmp_path / "no" / "x.json")]) == 2
    assert capsys.readouterr().err == f"sidecar: cannot write {tmp_path}/no/x.json: No such file or directory\n"


def test_a_full_disk_is_one_too() -> None:
    with pytest.raises(RuntimeSetupError, match="cannot write /dev/full: No space left"):
        put("x", Path("/dev/full"))


def test_the_fault_of_another_file_stays_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing(tmp_path / "out"):
        (tmp_path / "segment").read_bytes()
