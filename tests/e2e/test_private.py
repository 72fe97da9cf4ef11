"""What is written under the data folder is its owner's alone, whatever umask the process was given."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx

from .load import Load
from .processes import ROOT, Model, eventually
from .test_archive import archived_rows
from .test_disk import feedback
from .test_observers import Both

OPEN = ("sh", "-c", 'umask 0; exec "$@"', "sh")


def open_to_others(folder: Path) -> list[str]:
    """Everything below a folder that its group or others may touch. What goes while we look is gone."""
    found = {folder: folder.lstat().st_mode}
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            with contextlib.suppress(FileNotFoundError):
                found[path] = path.lstat().st_mode
    return [f"{path}: {stat.filemode(mode)}" for path, mode in found.items() if mode & 0o077]


def umask(pid: int) -> str:
    """Of a running process: whatever it makes later, too."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Umask:"))


def test_nothing_is_open_to_others_whatever_the_umask(tmp_path: Path) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text("api: v1\narchive: {to: archive, every: 100ms}\n")
    with Model(tmp_path / "model") as model:
        flags = ("--config", str(config), "--access-log", str(tmp_path / "access.log"), "--data", str(tmp_path / "a/b"))
        with Both(tmp_path / "sidecar", model, *flags, prefix=OPEN) as serving:
            serving.data = tmp_path / "a/b"
            serving.until_ready()
            serving.cold()
            with Load(serving.port, "private") as load:
                load.until(20)
            assert feedback(serving, "private-0-1").status_code == 202
            assert httpx.post(f"{serving.admin}/api/reload", trust_env=False, timeout=60).status_code == 202
            eventually(lambda: archived_rows(serving.data / "archive") >= len(load.answered))
            assert open_to_others(serving.data) == []
            ours = [int(serving.running()["pid"]), *serving.workers()]
            assert {umask(pid) for pid in ours} == {"0077"}
            assert serving.stop() == 0
        assert open_to_others(serving.data) == []
        assert (tmp_path / "access.log").stat().st_mode & 0o077 == 0


def test_nothing_of_the_observers_alone_is_open_to_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [*OPEN, sys.executable, "-m", "sidecar", "observe", "--data", str(data), "--admin", "off"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    try:
        eventually(lambda: (data / "stats").is_dir() and list((data / "stats").iterdir()))
        assert open_to_others(data) == []
    finally:
        process.terminate()
        process.communicate()
