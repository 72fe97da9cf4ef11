"""The writer: what it says is written is there; what it could not write it says."""

from __future__ import annotations

import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from sidecar.errors import JournalError
from sidecar.exchange import Gap, Kind, Transition
from sidecar.journal.reader import Reader
from sidecar.journal.segment import PREAMBLE_BYTES, list_segments
from sidecar.journal.settings import JournalSettings
from sidecar.journal.stats import StatsPage
from sidecar.journal.writer import Writer
from sidecar.telemetry import metrics

from .records import IDENTITY, FakeClock, append_many, only_segment, open_writer, record


def subjects(directory: Path) -> list[str]:
    return [read.record.subject for read in Reader(directory).read() if isinstance(read.record, Transition)]


def test_a_record_is_there_before_append_returns(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    reader = Reader(tmp_path)
    for number in range(5):
        assert writer.append(Kind.TRANSITION, record(number), (b"request", memoryview(b"answer")))
        (read,) = reader.read()
        assert read.payloads == (b"request", b"answer")
        assert (read.stream, read.number, read.replica, read.environment) == ("hot-0", number, "pod-1", "test")
    writer.close()


def test_segments_are_for_their_owner_alone(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "journal")
    append_many(writer, range(1))
    path = only_segment(tmp_path / "journal")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    writer.close()


def test_each_start_opens_a_segment_of_its_own(tmp_path: Path) -> None:
    for start in range(3):
        before = {path: path.read_bytes() for path in (tmp_path / "hot-0").glob("*.seg")}
        writer = open_writer(tmp_path)
        append_many(writer, [start])
        writer.close()
        assert all(path.read_bytes() == content for path, content in before.items())
    assert [segment.sequence for segment in list_segments(tmp_path, "hot-0")] == [1, 2, 3]
    assert subjects(tmp_path) == ["0", "1", "2"]
    assert [read.number for read in Reader(tmp_path).read()] == [0, 1, 2]


def test_a_start_without_records_leaves_nothing_and_uses_its_name_up(tmp_path: Path) -> None:
    open_writer(tmp_path).close()
    assert list_segments(tmp_path, "hot-0") == ()
    writer = open_writer(tmp_path)
    append_many(writer, [0])
    writer.close()
    assert [segment.sequence for segment in list_segments(tmp_path, "hot-0")] == [2]


def test_a_second_writer_of_a_stream_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    first = open_writer(tmp_path)
    with pytest.raises(JournalError, match="another process writes this stream"):
        open_writer(tmp_path)
    other = open_writer(tmp_path, stream="hot-1")
    first.close()
    second = open_writer(tmp_path)
    append_many(second, [2])
    second.close()
    other.close()
    assert subjects(tmp_path) == ["2"]


def test_a_stream_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    for name in ("..", "../x", "a/b", "", ".lock", "Hot"):
        with pytest.raises(ValueError, match="not a stream name"):
            open_writer(tmp_path, stream=name)


def test_a_folder_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="the journal cannot be opened"):
        open_writer(tmp_path / "file")


def test_segments_are_closed_at_their_size_and_no_record_is_split(tmp_path: Path) -> None:
    settings = JournalSettings(max_bytes=16 * 64 * 1024)
    writer = open_writer(tmp_path, settings=settings)
    assert all(append_many(writer, range(300), b"x" * 1000))
    writer.close()
    segments = list_segments(tmp_path, "hot-0")
    assert len(segments) > 4
    assert all(segment.size <= settings.segment_bytes for segment in segments)
    assert subjects(tmp_path) == [*map(str, range(300))]


def test_a_record_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, settings=JournalSettings(max_bytes=4 * 1024 * 1024))
    assert all(append_many(writer, range(3), b"x" * 500_000))
    writer.close()
    assert len(list_segments(tmp_path, "hot-0")) == 3
    assert subjects(tmp_path) == ["0", "1", "2"]


def test_a_segment_is_closed_at_its_age_counted_from_its_first_record(tmp_path: Path) -> None:
    clock = FakeClock()
    writer = open_writer(tmp_path, settings=JournalSettings(max_age=160.0), clock=clock)
    clock.pass_seconds(100)
    writer.tick()
    append_many(writer, [0])
    clock.pass_seconds(9)
    append_many(writer, [1])
    assert len(list_segments(tmp_path, "hot-0")) == 1
    clock.pass_seconds(2)
    writer.tick()
    assert len(list_segments(tmp_path, "hot-0")) == 2
    append_many(writer, [2])
    writer.close()
    assert subjects(tmp_path) == ["0", "1", "2"]


def test_a_record_too_large_to_write_is_dropped_and_told(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    assert not writer.append(Kind.TRANSITION, record(0), (bytes(129 * 1024 * 1024),))
    assert not writer.append(Kind.TRANSITION, record(0), (b"", b"", b"", b""))
    writer.close()
    gaps = [read.record for read in Reader(tmp_path).read() if isinstance(read.record, Gap)]
    assert [(gap.reason, gap.records) for gap in gaps] == [("too_large", 1), ("too_large", 1)]


def test_after_close_nothing_is_written_and_nothing_raises(tmp_path: Path) -> None:
    stats = StatsPage()
    writer = Writer(tmp_path, "hot-0", JournalSettings(), stats, identity=IDENTITY)
    append_many(writer, [0])
    writer.close()
    writer.close()
    writer.tick()
    assert append_many(writer, [1]) == [False]
    assert stats.counters[metrics.JOURNAL_DROPPED.at("closed")] == 1
    assert subjects(tmp_path) == ["0"]


def test_a_file_size_limit_costs_no_record(tmp_path: Path) -> None:
    """EFBIG strikes in the middle of a write; the record is taken back and goes to a fresh segment."""
    script = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.journal.records import open_writer, append_many
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
clock_writer = open_writer(Path({str(tmp_path)!r}))
for number in range(60):
    clock_writer._clock.pass_seconds(1.1)
    assert append_many(clock_writer, [number], b"x" * 1500) == [True], number
clock_writer.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert subjects(tmp_path) == [*map(str, range(60))]
    reader = Reader(tmp_path)
    assert len(list(reader.read())) == 60
    assert reader.counts.damaged == 0
    assert len(list_segments(tmp_path, "hot-0")) > 2
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 40_000


def test_written_calls_back_at_once(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, [0])
    answers: list[bool] = []
    writer.when_durable(answers.append)
    assert answers == [True]
    writer.close()


def test_a_group_waits_for_one_sync_and_close_answers_everybody(tmp_path: Path) -> None:
    stats = StatsPage()
    writer = Writer(tmp_path, "hot-0", JournalSettings(durability="fsync"), stats, identity=IDENTITY)
    answers: list[bool] = []
    for number in range(200):
        append_many(writer, [number])
        writer.when_durable(answers.append)
    writer.close()
    assert answers == [True] * 200
    first = metrics.JOURNAL_SYNC_SECONDS.slot
    syncs = sum(stats.counters[first : first + len(metrics.JOURNAL_SYNC_SECONDS.bounds_ns) + 1])
    assert 0 < syncs <= 200


def test_feedback_is_synced_in_either_mode(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, [0])
    done = Event()
    writer.sync_now(lambda kept: done.set() if kept else None)
    assert done.wait(60)
    writer.close()


def test_a_sync_covers_what_was_written_before_the_segment_changed(tmp_path: Path) -> None:
    """A batch of labels may end in a later segment than it began."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace, which shows what is synced, is not installed")
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from sidecar.journal.settings import JournalSettings
from tests.journal.records import append_many, open_writer
writer = open_writer(Path({str(tmp_path)!r}), settings=JournalSettings(max_bytes=1))
append_many(writer, range(2), b"x" * 12000)
writer.sync_now(lambda kept: print(kept))
writer.close()
"""
    trace = tmp_path / "trace"
    done = subprocess.run(
        [strace, "-f", "-y", "-qq", "-o", str(trace), "-e", "trace=fdatasync", sys.executable, "-c", script],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if "ptrace" in done.stderr:
        pytest.skip(f"this machine lets nobody trace: {done.stderr.strip()}")
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    names = [segment.name for segment in list_segments(tmp_path, "hot-0")]
    assert names
    assert trace.read_text().count("fdatasync") == 2


def test_sealed_segments_are_closed_also_when_nobody_ticks(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    writer = open_writer(tmp_path, settings=JournalSettings(max_bytes=8 * 1024 * 1024))
    append_many(writer, range(100), b"x" * 300_000)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 8
    writer.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_answers_come_back_through_call_soon(tmp_path: Path) -> None:
    calls: list[Callable[[], None]] = []
    writer = Writer(
        tmp_path,
        "hot-0",
        JournalSettings(durability="fsync"),
        StatsPage(),
        identity=IDENTITY,
        call_soon=calls.append,
    )
    append_many(writer, [0])
    answers: list[bool] = []
    writer.when_durable(answers.append)
    writer.close()
    assert answers == []
    for call in calls:
        call()
    assert answers == [True]


def test_a_waiter_that_fails_keeps_nobody_else_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = open_writer(tmp_path, settings=JournalSettings(durability="fsync"))
    append_many(writer, [0])
    answers: list[bool] = []

    def fails(_kept: bool) -> None:
        raise RuntimeError("planted")

    writer.when_durable(fails)
    writer.when_durable(answers.append)
    writer.close()
    assert answers == [True]
    assert "planted" in capsys.readouterr().err


def test_writes_are_timed_and_counted(tmp_path: Path) -> None:
    class SlowClock(FakeClock):
        def monotonic_ns(self) -> int:
            self.elapsed_ns += 150_000_000
            return self.elapsed_ns

    stats = StatsPage()
    writer = Writer(tmp_path, "hot-0", JournalSettings(), stats, identity=IDENTITY, clock=SlowClock())
    append_many(writer, range(3))
    assert stats.counters[metrics.JOURNAL_RECORDS.slot] == 3
    assert stats.counters[metrics.JOURNAL_STALLS.slot] == 3
    assert stats.gauges[metrics.JOURNAL_WRITE_MAX.slot] >= 0.15
    assert stats.counters[metrics.JOURNAL_BYTES.slot] == only_segment(tmp_path).stat().st_size - PREAMBLE_BYTES
    writer.close()
