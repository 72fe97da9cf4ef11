"""A disk that is full, and one that fails: answers go on, what is lost is counted, and no promise is broken."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kit.client import Answer

from .books import Books
from .load import INFER, Load, row, rows_alone
from .processes import BENCH_POLICY, Model, Sidecar, eventually

FEEDBACK = "/_sidecar/feedback"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with Model(tmp_path_factory.mktemp("model")) as running:
        yield running


class Volume:
    """A small disk. `fill` is somebody else's data; `empty` is that data gone again."""

    def __init__(self, at: Path, mebibytes: int) -> None:
        self.at = at
        self._ballast = at / "ballast"
        at.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(at)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"a small tmpfs cannot be mounted here: {done.stderr.strip()}")

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(64 * 1024)):
                pass

    def empty(self) -> None:
        self._ballast.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.at)], check=True, capture_output=True)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    made = Volume(tmp_path / "volume", 64)
    yield made
    made.close()


def answered(number: int, kind: str, answer: Answer) -> str:
    wanted = 422 if kind == "bad" else 200
    return "" if answer.status == wanted else f"status {answer.status}"


def serve(folder: Path, model: Model, *flags: str, journal: str = "") -> Sidecar:
    folder.mkdir(exist_ok=True)
    if journal:
        config = folder / "sidecar.yaml"
        config.write_text(f"api: v1\njournal: {{{journal}}}\n")
        flags = (*flags, "--config", str(config))
    return Sidecar(folder, "--upstream", model.url, "--policy", str(BENCH_POLICY), *flags)


def infer(sidecar: Sidecar, request_id: str = "") -> httpx.Response:
    headers = JSON | ({"x-request-id": request_id} if request_id else {})
    return httpx.post(sidecar.url + INFER, content=row(0.5), headers=headers, timeout=60)


def feedback(sidecar: Sidecar, request_id: str) -> httpx.Response:
    return httpx.post(sidecar.url + FEEDBACK, json={"request_id": request_id, "label": 1}, timeout=60)


class TestFull:
    @pytest.mark.parametrize("flag", ["--journal", "--data"])
    def test_predictions_flow_drops_are_counted_and_it_recovers(
        self, tmp_path: Path, model: Model, volume: Volume, flag: str
    ) -> None:
        with serve(tmp_path / "sidecar", model, flag, str(volume.at / "here")) as sidecar:
            sidecar.until_ready()
            with Load(sidecar.port, "full", connections=4, ask=rows_alone, judge=answered) as load:
                load.until(50)
                volume.fill()
                eventually(lambda: sidecar.total("sidecar_journal_dropped_records_total") > 0)
                eventually(lambda: sidecar.metric("sidecar_journal_failed") == 1)
                load.until(200)
                refused = feedback(sidecar, "full-0-1")
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                assert sidecar.readyz()[0] == 200
                volume.empty()
                eventually(lambda: sidecar.metric("sidecar_journal_failed") == 0)
                load.until(50)
            assert not load.wrong
            assert not load.lost
            assert set(load.statuses) == {200, 422}
            eventually(lambda: "journal.recovered" in sidecar.said())  # after the load: it would turn the journal over
            assert feedback(sidecar, "full-0-1").status_code == 202
            dropped = sidecar.total("sidecar_journal_dropped_records_total")
            assert sidecar.metric('sidecar_journal_dropped_records_total{reason="disk_full"}') == dropped
            assert "Traceback" not in sidecar.said()
            lines = [line for line in sidecar.said().splitlines() if '"stream": "hot-0"' in line]
            assert sum("journal.dropping" in line for line in lines) == 1, lines
            (well,) = (json.loads(line) for line in lines if '"journal.recovered"' in line)
            assert (well["level"], well["dropped"] > 0) == ("warning", True), "something was lost"
            assert sidecar.stop() == 0
        books = Books(sidecar.journal).read()
        assert books.damaged == 0, "no half record"
        assert {gap.reason for gap in books.gaps} == {"disk_full"}
        assert sum(gap.records for gap in books.gaps) == dropped
        due = len(load.answered) + 1  # and one label refused
        assert len(books.exchanges) + dropped == due, "every record is there or counted"
        assert len(books.feedback) == 1
        assert [gap.from_unix_ns <= gap.to_unix_ns for gap in books.gaps] == [True] * len(books.gaps)

    def test_refuse_traffic_says_so_and_comes_back(self, tmp_path: Path, model: Model, volume: Volume) -> None:
        with serve(
            tmp_path / "sidecar", model, "--journal", str(volume.at / "j"), journal="when_full: refuse_traffic"
        ) as sidecar:
            sidecar.until_ready()
            assert infer(sidecar, "before").status_code == 200
            volume.fill()
            refused = eventually(lambda: answer if (answer := infer(sidecar)).status_code == 503 else None)
            assert int(refused.headers["retry-after"]) > 0
            assert "journal" in refused.text
            status, body = eventually(lambda: found if (found := sidecar.readyz())[0] == 503 else None)
            assert "the journal is full and journal.when_full is refuse_traffic" in body["reasons"][0]
            assert status == 503
            assert httpx.get(f"{sidecar.health}/healthz", timeout=60).status_code == 200
            assert feedback(sidecar, "before").status_code == 503
            assert infer(sidecar).status_code == 503
            volume.empty()
            eventually(lambda: infer(sidecar, "after").status_code == 200)
            eventually(lambda: sidecar.readyz()[0] == 200)
            assert sidecar.stop() == 0
        books = Books(sidecar.journal).read()
        assert {"before", "after"} <= set(books.exchanges)
        assert books.damaged == 0


# -- what the kernel is asked, and a disk that says no


class Strace:
    """The system calls of a process and its threads from now on, with one of them made to fail if asked."""

    def __init__(self, pid: int, output: Path, calls: str, inject: str = "") -> None:
        if shutil.which("strace") is None:
            pytest.skip("strace is not installed: a failing disk cannot be played")
        self.output = output
        extra = [f"--inject={inject}"] if inject else []
        command = ["strace", "-f", "-y", "-s", "64", "-o", str(output), "-e", f"trace={calls}", *extra, "-p", str(pid)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = self._process.stderr.readline()
        if "attached" not in said:
            self._process.wait()
            pytest.skip(f"strace may not look at a process here: {said.strip()}")

    def __enter__(self) -> Strace:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()


SEGMENT = r"<[^>]*/hot-0/[^>]*>"
RECORD = re.compile(rf"\bwritev\(\d+{SEGMENT}")
SYNCED = re.compile(rf"(\bfdatasync\(\d+{SEGMENT}\)|<\.\.\. fdatasync resumed>\)) += 0")
ANSWER = re.compile(r'\b(write|writev|sendto|sendmsg)\(\d+<(TCP|socket)[^"]*"HTTP/1\.1 (200|202)')


def story(lines: list[str]) -> list[str]:
    """record, synced, answer: in the order they happened."""
    told = []
    for line in lines:
        for word, pattern in (("record", RECORD), ("synced", SYNCED), ("answer", ANSWER)):
            if pattern.search(line):
                told.append(word)
    return told


class TestSync:
    def test_fsync_brings_the_record_to_the_disk_before_the_answer_leaves(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path / "sidecar", model, journal="durability: fsync") as sidecar:
            sidecar.until_ready()
            (worker,) = sidecar.workers()
            calls = "fdatasync,write,writev,sendto,sendmsg"
            with Strace(worker, tmp_path / "trace", calls) as trace, httpx.Client() as client:
                for _ in range(10):
                    assert client.post(sidecar.url + INFER, content=row(0.5), headers=JSON).status_code == 200
                eventually(lambda: story(trace.lines()).count("answer") == 10)
            assert story(trace.lines()) == ["record", "synced", "answer"] * 10

    def test_written_does_not_wait_for_the_disk_but_feedback_does(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path / "sidecar", model) as sidecar:
            sidecar.until_ready()
            (worker,) = sidecar.workers()
            calls = "fdatasync,write,writev,sendto,sendmsg"
            with Strace(worker, tmp_path / "trace", calls) as trace:
                assert infer(sidecar, "one").status_code == 200
                assert feedback(sidecar, "one").status_code == 202
                eventually(lambda: story(trace.lines()).count("answer") == 2)
            assert story(trace.lines()) == ["record", "answer", "record", "synced", "answer"]

    def test_failed_sync_is_counted_and_never_a_202(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path / "sidecar", model, journal="durability: fsync") as sidecar:
            sidecar.until_ready()
            assert infer(sidecar, "good").status_code == 200
            (worker,) = sidecar.workers()
            inject = "fdatasync:error=EIO:when=1"
            with Strace(worker, tmp_path / "trace", "fdatasync", inject):
                assert infer(sidecar, "unsure").status_code == 200  # its record is written; only the disk is not sure
                eventually(lambda: sidecar.metric("sidecar_journal_fsync_failures_total") == 1)
            assert infer(sidecar, "fresh").status_code == 200
            assert feedback(sidecar, "fresh").status_code == 202
            with Strace(worker, tmp_path / "trace", "fdatasync", inject):
                refused = feedback(sidecar, "good")
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert sidecar.metric("sidecar_journal_fsync_failures_total") == 2
            assert feedback(sidecar, "good").status_code == 202
            assert "Traceback" not in sidecar.said()
            assert sidecar.stop() == 0
        books = Books(sidecar.journal).read()
        segments = list((sidecar.journal / "hot-0").glob("*"))
        assert set(books.exchanges) == {"good", "unsure", "fresh"}
        assert len([path for path in segments if not path.name.startswith(".")]) == 3, "nothing follows a failed sync"

    def test_written_with_a_failing_disk_refuses_only_feedback(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path / "sidecar", model) as sidecar:
            sidecar.until_ready()
            (worker,) = sidecar.workers()
            with Strace(worker, tmp_path / "trace", "fdatasync", "fdatasync:error=EIO"):
                assert infer(sidecar, "one").status_code == 200
                for _ in range(3):
                    assert feedback(sidecar, "one").status_code == 503
            assert feedback(sidecar, "one").status_code == 202
            assert sidecar.metric('sidecar_feedback_items_total{result="accepted"}') == 1, "what got a 202, alone"
