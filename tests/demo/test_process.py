"""A server of the demo is waited for, explained when it fails, and gone when it is stopped."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from sidecar.demo.ports import HOST, pick
from sidecar.demo.process import Server, own_environment
from sidecar.errors import RuntimeSetupError


def tick() -> None:
    time.sleep(0.02)


def python(code: str, log: Path) -> Server:
    return Server("the child", [sys.executable, "-c", code], log)


def test_a_server_is_ready_when_its_address_answers(tmp_path: Path) -> None:
    port = pick(0)
    server = Server("files", [sys.executable, "-m", "sidecar.demo.stand_in", str(port)], tmp_path / "log")
    try:
        server.wait_ready(f"http://{HOST}:{port}/v2/health/ready", tick)
        assert server.returncode is None
    finally:
        server.stop()
    assert server.returncode is not None


def test_a_server_that_ends_early_says_why(tmp_path: Path) -> None:
    server = python("import sys; print('no such model'); sys.exit(3)", tmp_path / "log")
    with pytest.raises(RuntimeSetupError, match=r"the child ended with exit code 3\.\n  \| no such model"):
        server.wait_ready(f"http://{HOST}:1/", tick)
    server.stop()


def test_a_server_that_never_is_ready_is_given_up(tmp_path: Path) -> None:
    server = python("import time; time.sleep(60)", tmp_path / "log")
    try:
        with pytest.raises(RuntimeSetupError, match="not ready within 0 s"):
            server.wait_ready(f"http://{HOST}:1/", tick, timeout_seconds=0.1)
    finally:
        server.stop()


def test_work_that_fails_says_why(tmp_path: Path) -> None:
    server = python("raise SystemExit('no scikit-learn')", tmp_path / "log")
    with pytest.raises(RuntimeSetupError, match=r"did not finish\.\n  \| no scikit-learn"):
        server.wait_done(tick)
    python("pass", tmp_path / "log").wait_done(tick)


def test_what_a_server_started_goes_with_it_even_if_both_ignore_sigterm(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    started = tmp_path / "grandchild"
    code = (
        f"{deaf}import subprocess, sys, pathlib; "
        f"child = subprocess.Popen([sys.executable, '-c', '{deaf}time.sleep(60)']); "
        f"pathlib.Path({str(started)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    server = python(code, tmp_path / "log")
    deadline = time.monotonic() + 60
    while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
        tick()
    server.stop(timeout_seconds=0.2)
    server.stop()
    deadline = time.monotonic() + 60
    assert is_gone(int(started.read_text()), deadline)


def is_gone(pid: int, deadline: float) -> bool:
    """Whether a process ended by the deadline; one that nobody reaped yet has ended."""
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        tick()
    return False


def test_flags_of_another_sidecar_do_not_reach_the_demo() -> None:
    assert own_environment({"SIDECAR_WORKERS": "9", "OTEL_SDK_DISABLED": "true", "PATH": "/bin"}) == {"PATH": "/bin"}
