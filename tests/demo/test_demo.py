"""The demo as a user runs it: it ends well, leaves nothing running, and fails when something is not as it should be."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.cli.demo import stays
from sidecar.demo.launch import find_policies
from sidecar.demo.model_server import find_mlserver
from sidecar.demo.play import curl_line, typed
from sidecar.demo.ports import HOST
from sidecar.demo.records import exchange, line, missing
from sidecar.demo.story import STORY, Received

REQUESTS = sum(len(chapter.steps) for chapter in STORY)
DEADLINE_SECONDS = 240


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in CI."""
    command = [sys.executable, "-m", "sidecar", "demo", *arguments]
    environment = {**os.environ, "CI": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=DEADLINE_SECONDS)


def running_in(folder: Path) -> list[str]:
    """Command lines of processes that have this folder among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and f"/{os.getpid()}/" not in str(path):
            found.append(line)
    return found


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_it_goes_as_the_story_says_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = demo("--stand-in", "--data", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"All {REQUESTS} requests went as expected." in done.stdout
    assert "predict  agrees within 16 in " in done.stdout
    assert "compared, linked to " in done.stdout
    assert "verdict    repaired (mode enforce)" in done.stdout
    assert "verdict    rejected (mode enforce)" in done.stdout
    assert "\x1b[" not in done.stdout
    assert done.stderr == ""
    assert running_in(folder) == []


@pytest.mark.slow
def test_it_goes_the_same_way_with_real_models(tmp_path: Path) -> None:
    if find_mlserver(None) is None:
        pytest.skip("MLServer is not installed in .venvs/mlserver (`make mlserver`)")
    done = demo("--data", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MLServer with scikit-learn" in done.stdout


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody listens on this port; if somebody else does already, all the better."""
    try:
        listener = socket.create_server((HOST, port))
    except OSError:
        yield
        return
    with listener:
        yield


def test_taken_ports_are_left_alone_and_said(tmp_path: Path) -> None:
    with taken(8600):
        done = demo("--stand-in", "--data", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "are taken, these were free" in done.stdout


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    done = demo("--stand-in", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "is not empty; name a new folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_environment_without_mlserver_is_said(tmp_path: Path) -> None:
    done = demo("--mlserver", str(tmp_path))
    assert done.returncode == 2
    assert "has no bin/mlserver" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_it_stays_until_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "demo"
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    command = [sys.executable, "-m", "sidecar", "demo", "--stand-in", "--data", str(folder)]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env={**environment, "TERM": "xterm"}, start_new_session=True
    )
    os.close(slave)
    os.set_blocking(master, False)
    shown = bytearray()

    def stays_up() -> bool:
        try:
            shown.extend(os.read(master, 65536))
        except BlockingIOError:
            pass
        return b"Everything stays up until Ctrl-C." in shown

    try:
        assert wait_until(stays_up), shown.decode()
        assert b"\x1b[32m" in shown
        assert len(running_in(folder)) >= 2
        process.send_signal(number)
        assert process.wait(DEADLINE_SECONDS) == 0
        assert wait_until(lambda: running_in(folder) == [])
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_it_stays_for_a_person_only() -> None:
    assert stays({}, True)
    assert stays({"CI": "false"}, True)
    assert not stays({"CI": "1"}, True)
    assert not stays({"CI": "true"}, True)
    assert not stays({}, False)


def test_its_policies_are_there() -> None:
    assert [path.name for path in find_policies()] == ["iris.yaml", "diabetes.yaml"]


def test_the_curl_line_can_be_pasted() -> None:
    pasted = curl_line("http://127.0.0.1:1")
    assert pasted.count("'") == 4
    assert '"shape":[1,4]' in pasted


def test_the_commands_can_be_pasted_too(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    assert typed(python, None, tmp_path) == f"{python} -m sidecar"
    python.parent.mkdir(parents=True)
    python.with_name("sidecar").touch()
    assert typed(python, None, tmp_path) == ".venv/bin/sidecar"
    assert typed(python, "/usr/bin/sidecar", tmp_path) == ".venv/bin/sidecar"
    assert typed(python, None, tmp_path / "elsewhere") == str(python.with_name("sidecar"))
    assert typed(python, str(python.with_name("sidecar")), tmp_path) == "sidecar"


def record(status: int, verdict: str) -> dict[str, object]:
    return {"status": status, "verdict": verdict}


def test_every_answer_has_its_record() -> None:
    received = [Received(200, "repaired;rows=1", ""), Received(422, "rejected", ""), Received(200, "", "")]
    records = [record(422, "rejected"), record(200, ""), record(200, "repaired")]
    assert missing(records, received) == []


def test_a_lost_or_doubled_record_is_told() -> None:
    received = [Received(200, "ok", ""), Received(422, "rejected", "")]
    assert missing([record(200, "ok"), record(200, "ok")], received) == [
        "no record of an answer 422 rejected",
        "a record of an answer 200 ok nobody got",
    ]


def test_a_streamed_answer_counts_as_the_exchange_it_ends() -> None:
    closed = {"kind": "close", "ts": "t", "exchange": {"status": 200, "verdict": "ok"}}
    assert exchange(closed)["verdict"] == "ok"
    whole = {"kind": "exchange", "status": 200, "verdict": "ok"}
    assert exchange(whole) == whole


def test_a_record_is_a_line() -> None:
    shown = line(
        {
            "ts": "2026-03-03T12:00:01.234567Z",
            "status": 200,
            "verdict": "repaired",
            "total_ns": 1_250_000,
            "model_name": "iris",
            "target": "/v2/models/iris/infer",
            "violations": [{"code": "petal_width.max"}, {"code": "petal_width.max"}],
        }
    )
    assert shown == "12:00:01.234  200  repaired   1.2 ms  iris      petal_width.max"
