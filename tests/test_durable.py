"""The old content or the new one: never a part, and nothing left beside it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sidecar.durable import make_folder, write_whole


def test_a_file_is_replaced_whole_and_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "state"
    write_whole(path, b"one")
    write_whole(path, b"2")
    assert path.read_bytes() == b"2"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_where_the_new_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_whole(path, b"old")
    beside = tmp_path / ".state.new"
    beside.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


def test_nothing_is_left_beside_a_name_that_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "state" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "state", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
