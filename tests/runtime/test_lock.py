"""One instance per folder, whatever happened to the one before."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.runtime import lock


def test_second_is_refused_by_name_and_free_after_release(tmp_path: Path) -> None:
    held = lock.acquire(tmp_path)
    assert lock.is_held(tmp_path)
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getppid(), "host": socket.gethostname()}))
    with pytest.raises(RuntimeSetupError, match=f"in use by process {os.getppid()} on"):
        lock.acquire(tmp_path)
    held.release()
    assert not lock.is_held(tmp_path)
    lock.acquire(tmp_path).release()


def test_waits_for_the_last_worker_of_a_dead_one(tmp_path: Path) -> None:
    """The lock is inherited: it is free when the last process that has it is gone."""
    held = lock.acquire(tmp_path)
    worker = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(held.fd,),
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdout.read(1)
    held.release()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "lock").write_text(json.dumps({"pid": gone.pid, "host": socket.gethostname()}))
    assert lock.is_held(tmp_path)
    calls = 0

    def clock() -> float:
        nonlocal calls
        calls += 1
        if calls == 3 and worker.stdin is not None:
            worker.stdin.close()
        return time.monotonic()

    lock.acquire(tmp_path, clock=clock).release()
    worker.wait()
    worker.stdout.close()
    assert calls >= 3


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "below"):
        with pytest.raises(RuntimeSetupError, match="is a file, not a folder"):
            lock.prepare_folder(path)
    lock.prepare_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_lock_is_never_a_link_to_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(RuntimeSetupError, match="cannot be opened"):
        lock.acquire(tmp_path)
    assert (tmp_path / "elsewhere").read_text() == "kept"
