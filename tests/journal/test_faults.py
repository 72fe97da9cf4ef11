"""Real faults: a full disk, a disk that fails, a process that is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.exchange import Gap, Transition
from sidecar.journal.reader import Reader
from sidecar.journal.segment import list_segments
from sidecar.journal.settings import JournalSettings
from sidecar.journal.stats import StatsPage, page_path, read_page
from sidecar.journal.writer import Writer
from sidecar.telemetry import metrics

from .records import IDENTITY, FakeClock, append_many

CHILD = Path(__file__).with_name("child_writer.py")
DROPPED = metrics.JOURNAL_DROPPED.at("disk_full")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A volume of 1 MiB."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small volume takes root")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"this machine does not mount a tmpfs: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(path: Path) -> None:
    """Take all the space that is left, to the last byte."""
    with pytest.raises(OSError, match="No space left"), path.open("wb", buffering=0) as file:
        while True:
            if file.write(b"\0" * 4096) < 4096:
                file.write(b"\0")


@pytest.mark.parametrize("when_full", ["drop_oldest", "refuse_traffic"])
def test_a_full_disk_is_counted_told_and_left_behind_without_a_restart(small_disk: Path, when_full: str) -> None:
    clock = FakeClock()
    stats = StatsPage()
    settings = JournalSettings(when_full=when_full)  # type: ignore[arg-type]
    writer = Writer(small_disk / "journal", "hot-0", settings, stats, identity=IDENTITY, clock=clock)
    kept = append_many(writer, range(50), b"x" * 1500)
    fill(small_disk / "somebody-elses")
    kept += append_many(writer, range(50, 150), b"x" * 1500)
    assert all(kept[:50])
    assert not kept[-1]
    assert writer.failing
    assert stats.gauges[metrics.JOURNAL_FAILED.slot] == 1
    assert writer.accepting is (when_full == "drop_oldest")
    assert stats.counters[DROPPED] == kept.count(False)

    (small_disk / "somebody-elses").unlink()
    assert append_many(writer, [150]) == [False]  # not before its second is over
    clock.pass_seconds(1.5)
    assert writer.accepting
    assert append_many(writer, [151]) == [True]
    assert stats.gauges[metrics.JOURNAL_FAILED.slot] == 0
    writer.close()

    reader = Reader(small_disk / "journal")
    reads = list(reader.read())
    wanted = [str(number) for number, was_kept in enumerate(kept) if was_kept] + ["151"]
    assert [read.record.subject for read in reads if isinstance(read.record, Transition)] == wanted
    gaps = [read.record for read in reads if isinstance(read.record, Gap)]
    assert sum(gap.records for gap in gaps) == kept.count(False) + 1 == stats.counters[DROPPED]
    assert reader.counts.damaged == 0  # no half record


def test_a_journal_larger_than_its_disk_drops_the_oldest_before_the_disk_is_full(small_disk: Path) -> None:
    stats = StatsPage()
    writer = Writer(small_disk / "journal", "hot-0", JournalSettings(), stats, identity=IDENTITY)
    assert all(append_many(writer, range(2000), b"x" * 1500))
    writer.close()
    subjects = [r.record.subject for r in Reader(small_disk / "journal").read() if isinstance(r.record, Transition)]
    removed = stats.counters[metrics.JOURNAL_REMOVED.at("over_cap")]
    assert subjects == [str(number) for number in range(removed, 2000)]
    assert removed > 0


def test_a_start_on_a_full_disk_serves_counts_and_recovers(small_disk: Path) -> None:
    fill(small_disk / "filler")
    clock = FakeClock()
    stats = StatsPage(page_path(small_disk, "hot-0"))
    assert not stats.shared
    with (small_disk / "filler").open("r+b") as file:
        file.truncate((small_disk / "filler").stat().st_size - 2 * 4096)  # room for the folder, not for a segment
    (small_disk / "journal" / "hot-0").mkdir(parents=True)
    fill(small_disk / "rest")
    writer = Writer(small_disk / "journal", "hot-0", JournalSettings(), stats, identity=IDENTITY, clock=clock)
    assert writer.failing
    assert append_many(writer, [0]) == [False]
    (small_disk / "filler").unlink()
    clock.pass_seconds(2)
    assert append_many(writer, [1]) == [True]
    writer.close()


def written_while(tmp_path: Path, call: str, error: str) -> list[str]:
    """What a process says that writes and syncs four records while the second of these system calls fails."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip(f"strace, which makes {call} fail, is not installed")
    inject = ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when=2"]
    done = subprocess.run(
        [strace, *inject, sys.executable, str(CHILD), str(tmp_path), "sync", "0"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if "ptrace" in done.stderr:
        pytest.skip(f"this machine lets nobody trace: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_failed_sync_is_told_and_never_trusted_again(tmp_path: Path) -> None:
    assert written_while(tmp_path, "fdatasync", "EIO") == ["0 1 0", "1 0 1", "2 1 1", "3 1 1"]
    assert len(list_segments(tmp_path / "journal", "hot-0")) == 2  # what came after is in a segment of its own
    assert read_page(page_path(tmp_path, "hot-0")).values.counters[metrics.JOURNAL_FSYNC_FAILURES.slot] == 1


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EDQUOT"])
def test_a_write_that_fails_goes_to_a_fresh_segment(tmp_path: Path, error: str) -> None:
    written_while(tmp_path, "writev", error)
    reader = Reader(tmp_path / "journal")
    assert [r.record.subject for r in reader.read() if isinstance(r.record, Transition)] == ["0", "1", "2", "3"]
    assert len(list_segments(tmp_path / "journal", "hot-0")) == 2
    assert reader.counts.damaged == 0


def test_killed_under_load_every_record_said_to_be_written_is_there_once(tmp_path: Path) -> None:
    said: list[int] = []
    first = 0
    rounds = 6
    for round_number in range(rounds):
        child = subprocess.Popen(
            [sys.executable, str(CHILD), str(tmp_path), "load", str(first)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        wanted = 50 + 171 * round_number
        lines = [child.stdout.readline() for _ in range(wanted)]
        child.kill()
        lines += child.stdout.readlines()
        child.wait()
        child.stdout.close()
        numbers = [line.split() for line in lines if line.endswith(b"\n")]
        assert all(kept == b"1" for _, kept in numbers)
        said += [int(number) for number, _ in numbers]
        first = said[-1] + 10
    reader = Reader(tmp_path / "journal")
    reads = list(reader.read())
    found = [int(read.record.subject) for read in reads if isinstance(read.record, Transition)]
    assert len(found) == len(set(found))
    assert set(said) <= set(found)
    assert len(set(found) - set(said)) <= rounds  # written, and killed before it could be said
    assert [read.number for read in reads] == list(range(len(reads)))
    assert (
        reader.counts.damaged <= rounds
    )  # a kill may cut the write it strikes, at a page's end; nobody was told of it
    page = read_page(page_path(tmp_path, "hot-0"))
    assert not page.alive
    assert len(said) <= page.values.counters[metrics.JOURNAL_RECORDS.slot] <= len(found)
