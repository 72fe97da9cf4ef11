"""Real processes: pinned, watched, ended."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bench.failure import BenchError
from bench.processes import Process, cores, cpu_seconds, free_port, rss_bytes, tree

PARENT = """
import socket, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


def started(code: str, log: Path, *words: str) -> Process:
    return Process("the child", (sys.executable, "-c", code, *words), cores()[1], log)


def test_a_tree_is_pinned_watched_and_ended(tmp_path: Path) -> None:
    port = free_port()
    with started(PARENT, tmp_path / "log", str(port)) as process:
        process.wait_for_port(port)
        members = tree(process.pid)
        assert len(members) == 2
        assert [os.sched_getaffinity(pid) for pid in members] == [{cores()[1]}] * 2
        assert rss_bytes(process.pid) > 1_000_000
        assert cpu_seconds(process.pid) >= 0
    deadline = time.monotonic() + 60
    while any(rss_bytes(pid) for pid in members):
        assert time.monotonic() < deadline, "a descendant outlived its group"


def test_the_harness_itself_stays_unpinned(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    with started("import time; time.sleep(60)", tmp_path / "log"):
        assert os.sched_getaffinity(0) == before


def test_who_dies_early_is_quoted(tmp_path: Path) -> None:
    with (
        started("raise SystemExit('no such model')", tmp_path / "log") as process,
        pytest.raises(BenchError, match=r"the child ended with exit code 1: no such model"),
    ):
        process.wait_for_port(free_port())


def test_who_never_listens_is_given_up(tmp_path: Path) -> None:
    with (
        started("import time; time.sleep(60)", tmp_path / "log") as process,
        pytest.raises(BenchError, match="did not listen"),
    ):
        process.wait_for_port(free_port(), seconds=0.2)


def test_who_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import signal, socket, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\ntime.sleep(60)"
    )
    process = Process("stubborn", (sys.executable, "-c", code, str(port)), cores()[1], tmp_path / "log")
    process.wait_for_port(port)
    process.stop(seconds=0.1)
    assert rss_bytes(process.pid) == 0
