"""P2 with real processes: whatever becomes of the observers, every request is answered; nothing is counted twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.journal.progress import Standing, read_standing
from sidecar.observers import StateFile
from tests.observers.counting import committed
from tests.supervisor.serving import REAL, Serving

from .books import Books
from .load import Load
from .processes import BENCH_POLICY, ROOT, Model, Sidecar, alive, children, eventually, gone, kill, sidecar_command

COUNTING = (sys.executable, "-m", "tests.e2e.serve_with_counters")


class Both(Sidecar):
    """Both halves, with the observers that ship or with those of the tests."""

    def __init__(
        self, folder: Path, model: Model, *flags: str, command: tuple[str, ...] = REAL, prefix: tuple[str, ...] = ()
    ) -> None:
        given = ("--upstream", model.url, "--policy", str(BENCH_POLICY), *flags)
        for flag, value in (("--observers", "on"), ("--admin", "127.0.0.1:0")):
            if flag not in flags:
                given = (*given, flag, value)
        Serving.__init__(self, folder, *given, command=(*prefix, *command))
        self.journal = self.data / "journal"

    def __enter__(self) -> Both:
        return self

    def cold(self) -> int:
        """The pid of the observers' process, once it has said something."""

        def look() -> int:
            standing = self.standing()
            if standing is None or standing.silent(time.time()):
                return 0
            return standing.pid if standing.pid in children(int(self.running()["pid"])) else 0

        return eventually(look)

    def standing(self) -> Standing | None:
        return read_standing(self.data)

    def counts(self) -> dict[str, int]:
        """How often each call was counted, as committed. Workers' own events are no calls."""
        found = committed(StateFile(self.data / "observers" / "metrics.state"))
        return {name: count for name, count in found.items() if not name.startswith("hot-")}

    @property
    def admin(self) -> str:
        return f"http://{self.running()['admin']}"

    def api(self, path: str) -> Any:
        return httpx.get(self.admin + path, timeout=60, trust_env=False).json()

    def lag_bytes(self) -> float:
        return sum(
            float(line.rpartition(" ")[2])
            for line in httpx.get(f"{self.health}/metrics", timeout=60, trust_env=False).text.splitlines()
            if line.startswith('sidecar_observer_lag_bytes{observer="metrics"}')
        )


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "model") as running:
        yield running


@pytest.fixture
def counting(tmp_path: Path, model: Model) -> Iterator[Both]:
    """Both halves; the observers are those of the tests, one of which always fails and one of which hangs."""
    with Both(tmp_path / "both", model, command=COUNTING) as serving:
        serving.until_ready()
        serving.cold()
        yield serving


def until_counted_once(serving: Both, books: Books) -> None:
    """Every call of the journal is in the observer's state, each once."""

    def look() -> bool:
        found = serving.counts()
        assert set(found.values()) <= {1}, {name: n for name, n in found.items() if n > 1}
        wanted = {exchange.prediction_id for calls in books.read().exchanges.values() for exchange in calls}
        return wanted <= set(found)

    eventually(look)


def test_a_failing_and_a_hanging_observer_harm_nobody(counting: Both) -> None:
    with Load(counting.port, "harm") as load:
        load.until(300)
    assert not load.wrong
    assert not load.lost
    until_counted_once(counting, Books(counting.journal))
    eventually(lambda: counting.metric('sidecar_observer_errors_total{observer="profiles"}') >= 2)
    standing = counting.standing()
    assert standing is not None
    assert {each.observer for each in standing.observers} == {"metrics", "archive", "profiles", "loops"}
    assert counting.stop() == 0


def test_killed_observers_p2_every_answer_arrives_and_nothing_is_counted_twice(counting: Both) -> None:
    books = Books(counting.journal)
    with Load(counting.port, "killed") as load:
        for _ in range(3):
            load.until(200)
            victim = counting.cold()
            kill(victim)
            gone([victim])
            load.until(200)
            assert counting.readyz()[0] == 200, "readiness never depends on the observers"
    assert not load.wrong
    assert not load.lost
    assert set(load.statuses) <= {200, 422}
    until_counted_once(counting, books)
    assert not books.audit(load.answered, load.attempted)
    eventually(lambda: counting.metric("sidecar_cold_restarts_total") >= 3)
    assert counting.stop() == 0


def test_stopped_observers_p2_lag_grows_then_shrinks(counting: Both) -> None:
    books = Books(counting.journal)
    victim = counting.cold()
    os.kill(victim, signal.SIGSTOP)
    try:
        with Load(counting.port, "stopped") as load:
            load.until(300)
            eventually(lambda: counting.lag_bytes() > 0)
            before = counting.lag_bytes()
            load.until(300)
            eventually(lambda: counting.lag_bytes() > before)
            eventually(lambda: counting.readyz()[1]["cold"]["state"] == "stalled")
    finally:
        os.kill(victim, signal.SIGCONT)
    assert not load.wrong
    assert not load.lost
    eventually(lambda: counting.readyz()[1]["cold"]["state"] == "running")
    eventually(lambda: counting.lag_bytes() == 0)
    until_counted_once(counting, books)
    assert counting.stop() == 0


def test_observers_that_die_at_once_p2_the_gateway_serves(tmp_path: Path, model: Model) -> None:
    with Both(tmp_path / "both", model) as serving:
        serving.until_ready()
        kill(serving.cold())
        (serving.data / "stats" / "cold.page").unlink()
        (serving.data / "stats" / "cold.page").mkdir()  # the next ones cannot start
        with Load(serving.port, "dying") as load:
            load.until(200)
            eventually(lambda: serving.events("observers.died"))
            load.until(200)
        assert not load.wrong
        assert not load.lost
        assert serving.readyz()[0] == 200
        assert serving.stop() == 0


def test_observers_whose_disk_refuses_p2_the_gateway_serves_and_they_catch_up(counting: Both) -> None:
    books = Books(counting.journal)
    beside = counting.data / "observers" / ".metrics.state.new"  # where the next state is written first
    with Load(counting.port, "refused") as load:
        load.until(100)
        eventually(lambda: blocked(beside))
        eventually(lambda: counting.metric('sidecar_observer_errors_total{observer="metrics"}') >= 1)
        load.until(200)
        assert counting.readyz()[0] == 200
        beside.rmdir()
    assert not load.wrong
    assert not load.lost
    until_counted_once(counting, books)
    assert counting.stop() == 0


def test_the_end_drains_the_workers_first_and_then_the_observers(counting: Both) -> None:
    books = Books(counting.journal)
    with Load(counting.port, "end") as load:
        load.until(500)
    assert counting.stop() == 0
    found = counting.counts()
    wanted = {exchange.prediction_id for calls in books.read().exchanges.values() for exchange in calls}
    assert set(found) == wanted
    assert set(found.values()) == {1}
    (left,) = counting.events("observers.left")
    assert left["lag_seconds_bytes"]["metrics"] == [0.0, 0]


def test_observers_leave_with_a_killed_supervisor(counting: Both) -> None:
    victim = counting.cold()
    counting.process.kill()
    gone([victim])


def test_two_processes_on_one_folder(tmp_path: Path, model: Model) -> None:
    with Both(tmp_path / "hot", model, "--observers", "off") as serving:
        serving.until_ready()
        assert not any(alive(pid) for pid in children(int(serving.running()["pid"])) if pid not in serving.workers())
        alone = observe(serving.data)
        try:
            with Load(serving.port, "apart") as load:
                load.until(300)
            eventually(lambda: serving.readyz()[1]["cold"]["state"] == "elsewhere")
            eventually(lambda: serving.metric('sidecar_observer_records_total{observer="metrics"}') >= 300)
            again = sidecar_command("observe", "--data", str(serving.data), "--admin", "off")
            assert again.returncode == 2
            assert "another" in again.stderr

            def told() -> bool:
                status = sidecar_command("status", "--data", str(serving.data)).stdout
                return "observers    elsewhere" in status and "metrics: " in status

            eventually(told)
            kill(alone.pid)
            alone.wait()
            with Load(serving.port, "after") as load:
                load.until(100)
            assert not load.lost
            alone = observe(serving.data)
            eventually(lambda: (said := serving.standing()) is not None and said.pid == alone.pid)
            eventually(lambda: serving.lag_bytes() == 0 and serving.readyz()[1]["cold"]["state"] == "elsewhere")
            assert serving.stop() == 0
            assert alone.poll() is None, "they outlive a gateway that is not theirs"
        finally:
            alone.send_signal(signal.SIGTERM)
            assert alone.wait(60) == 0


def test_observers_that_come_first_wait_for_a_gateway(tmp_path: Path, model: Model) -> None:
    data = tmp_path / "hot" / "data"
    alone = observe(data)
    try:
        with Both(tmp_path / "hot", model, "--observers", "off") as serving:
            serving.until_ready()
            with Load(serving.port, "first") as load:
                load.until(100)
            eventually(lambda: serving.metric('sidecar_observer_records_total{observer="metrics"}') >= 100)
            assert not load.lost
            assert serving.stop() == 0
    finally:
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(60) == 0


def blocked(path: Path) -> bool:
    """A folder where a file is to be written. OSError while the file is there."""
    path.mkdir()
    return True


def observe(data: Path) -> subprocess.Popen[bytes]:
    """`sidecar observe` on a folder."""
    command = [sys.executable, "-m", "sidecar", "observe", "--data", str(data), "--admin", "off"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_the_admin_port_tells_what_happened(tmp_path: Path, model: Model) -> None:
    with Both(tmp_path / "both", model) as serving:
        serving.until_ready()
        serving.cold()
        with Load(serving.port, "told") as load:
            load.until(200)
        eventually(lambda: any(each["violations"] for each in serving.api("/api/contract")["violations"]))
        eventually(lambda: serving.api("/api/status")["reachable"])
        status = serving.api("/api/status")
        assert status["counters"]["requests"] >= 200
        assert {each["name"] for each in status["observers"]} >= {"metrics", "archive"}
        assert [each["name"] for each in serving.api("/api/policies")["policies"]] == ["bench"]
        shadow = serving.api("/api/shadow")
        assert shadow["candidates"] == []
        assert "no policy" in shadow["because"]
        rows = serving.api("/api/predictions?limit=3&verdict=rejected")["predictions"]
        assert [row["verdict"] for row in rows] == ["rejected"] * 3
        one = serving.api(f"/api/predictions/{rows[0]['prediction_id']}")
        assert [row["prediction_id"] for row in one["rows"]] == [rows[0]["prediction_id"]]
        ours = next(answer.prediction_id for answer in load.answered.values() if answer.kind == "infer")
        assert serving.api(f"/api/predictions/{ours}")["prediction_id"] == ours
        assert "sidecar_requests_total" in httpx.get(f"{serving.admin}/metrics", trust_env=False, timeout=60).text
        assert serving.api("/readyz")["ready"]
        before = serving.metric('sidecar_policy_reloads_total{result="unchanged"}')
        assert httpx.post(f"{serving.admin}/api/reload", trust_env=False, timeout=60).status_code == 202
        eventually(lambda: serving.metric('sidecar_policy_reloads_total{result="unchanged"}') > before)
        rebound = httpx.get(
            f"{serving.admin}/api/status", headers={"host": "evil.example"}, trust_env=False, timeout=60
        )
        assert rebound.status_code == 421
        page = httpx.get(serving.admin, trust_env=False, timeout=60)
        assert page.headers["content-type"].startswith("text/html")
        assert serving.stop() == 0
    with Both(tmp_path / "both", model) as serving:
        serving.cold()
        archived = serving.api(f"/api/predictions/{ours}")
        assert archived["from"] == "archive", "the end has flushed it"
        assert [row["prediction_id"] for row in archived["rows"]] == [ours]
        assert archived["rows"][0]["features"]
        assert serving.stop() == 0


def test_off_loopback_a_token_is_needed(tmp_path: Path, model: Model) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    flags = ("--admin", "0.0.0.0:0", "--admin-token-file", str(token))
    with Both(tmp_path / "both", model, *flags) as serving:
        serving.until_ready()
        serving.cold()
        port = serving.running()["admin"].rpartition(":")[2]
        url = f"http://127.0.0.1:{port}/api/status"
        assert httpx.get(url, trust_env=False, timeout=60).status_code == 401
        given = {"authorization": "Bearer s3cret"}
        assert httpx.get(url, headers=given, trust_env=False, timeout=60).status_code == 200
        assert httpx.post(f"http://127.0.0.1:{port}/api/reload", trust_env=False, timeout=60).status_code == 401
        assert serving.stop() == 0
