"""What counts as a change: other content that has been still for a poll."""

from __future__ import annotations

import os
from pathlib import Path

from sidecar.supervisor.watch import Watch, files_of


def test_change_counts_once_it_is_still(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("one")
    watch = Watch([str(file)])
    assert not watch.changed()
    file.write_text("half")
    assert not watch.changed()
    file.write_text("half and whole")
    assert not watch.changed()
    assert watch.changed()
    assert not watch.changed()


def test_what_was_read_because_somebody_asked_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("one")
    watch = Watch([str(file)])
    file.write_text("two")
    watch.read_now()
    assert [watch.changed() for _ in range(3)] == [False, False, False]
    file.write_text("three")
    assert [watch.changed() for _ in range(3)] == [False, True, False]


def test_a_change_while_the_files_to_watch_change_is_not_lost(tmp_path: Path) -> None:
    file, used = tmp_path / "p.yaml", tmp_path / "shared.yaml"
    file.write_text("one")
    used.write_text("shared")
    watch = Watch([str(file)])
    watch.watch([str(file), str(used)])
    assert [watch.changed() for _ in range(3)] == [False, False, False]
    file.write_text("two")  # after it was read, before what it uses is known
    watch.watch([str(file)])
    assert [watch.changed() for _ in range(3)] == [True, False, False]
    watch.watch([str(file), str(used)])
    assert [watch.changed() for _ in range(3)] == [False, False, False]


def test_touch_and_same_content_are_no_change(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("one")
    watch = Watch([str(file)])
    os.utime(file, ns=(1, 1))
    assert [watch.changed() for _ in range(3)] == [False, False, False]
    file.write_text("two")
    watch.changed()
    file.write_text("one")
    assert [watch.changed() for _ in range(3)] == [False, False, False]


def test_symlink_swap_is_seen_and_new_and_gone_files_too(tmp_path: Path) -> None:
    for version in ("a", "b"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "p.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("..a")
    (tmp_path / "p.yaml").symlink_to("..data/p.yaml")
    watch = Watch([str(tmp_path)])

    def seen() -> list[bool]:
        return [watch.changed(), watch.changed(), watch.changed()]

    (tmp_path / "..next").symlink_to("..b")
    (tmp_path / "..next").rename(tmp_path / "..data")
    assert seen() == [False, True, False]
    (tmp_path / "q.yaml").write_text("new")
    assert seen() == [False, True, False]
    (tmp_path / "q.yaml").unlink()
    assert seen() == [False, True, False]
    (tmp_path / "notes.txt").write_text("no policy")
    (tmp_path / ".hidden.yaml").write_text("no policy")
    assert seen() == [False, False, False]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.yaml")
    watch = Watch([str(tmp_path)])  # would wait for ever if it were read
    (tmp_path / "p.yaml").unlink()
    assert [watch.changed(), watch.changed()] == [False, True]


def test_files_of(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").touch()
    (tmp_path / "a.yml").touch()
    (tmp_path / "sub.yaml").mkdir()
    missing = tmp_path / "missing.yaml"
    found = files_of([str(tmp_path), str(missing), str(tmp_path / "a.yml")])
    assert [path.name for path in found] == ["a.yml", "b.yaml", "sub.yaml", "missing.yaml"]
