"""Progress on disk: what retention must keep, and how far behind an observer is."""

from __future__ import annotations

import time
from pathlib import Path

from sidecar.journal import Cursor, Reader
from sidecar.journal.progress import Progress, Standing, lags, path_of, plain, read_holds, read_standing, write_standing
from sidecar.journal.retention import run
from sidecar.journal.segment import list_segments
from sidecar.journal.settings import JournalSettings
from sidecar.journal.stats import StatsPage
from sidecar.telemetry import metrics

from .records import append_many, open_writer

OLD = JournalSettings(max_age=0.001)


def progress(observer: str, cursor: Cursor, *, current_unix: float = 0.0) -> Progress:
    return Progress(
        observer=observer, running=True, committed=plain(cursor), read=plain(cursor), current_unix=current_unix
    )


def stand(data: Path, *observers: Progress) -> None:
    write_standing(data, Standing(written_unix=time.time(), pid=1, observers=observers))


def segments(journal: Path) -> int:
    return len(list_segments(journal, "hot-0"))


def fill(journal: Path) -> None:
    """Several segments."""
    append_many(open_writer(journal, settings=JournalSettings(max_bytes=1 << 20)), range(300), b"x" * 1000)


def removed_unread(page: StatsPage, observer: str) -> int:
    return int(page.counters[metrics.JOURNAL_UNREAD.at(observer)])


def test_what_the_archive_has_not_committed_stays(tmp_path: Path) -> None:
    journal, page = tmp_path / "journal", StatsPage()
    fill(journal)
    before = segments(journal)
    stand(tmp_path, progress("archive", Cursor()))
    run(journal, OLD, page, now_unix_ns=time.time_ns() + 10**12, holds=read_holds(tmp_path))
    assert segments(journal) == before > 2

    reader = Reader(journal)
    assert sum(1 for _ in reader.read()) == 300
    stand(tmp_path, progress("archive", reader.cursor))
    run(journal, OLD, page, now_unix_ns=time.time_ns() + 10**12, holds=read_holds(tmp_path))
    assert segments(journal) < before
    assert removed_unread(page, "archive") == 0


def test_other_observers_hold_nothing_and_what_they_miss_is_counted(tmp_path: Path) -> None:
    journal, page = tmp_path / "journal", StatsPage()
    fill(journal)
    stand(tmp_path, progress("traces", Cursor()))
    run(journal, OLD, page, now_unix_ns=time.time_ns() + 10**12, holds=read_holds(tmp_path))
    assert segments(journal) == 0 or segments(journal) == 1
    assert removed_unread(page, "traces") > 0


def test_over_the_cap_the_archive_loses_records_and_that_is_counted(tmp_path: Path) -> None:
    journal, page = tmp_path / "journal", StatsPage()
    fill(journal)
    stand(tmp_path, progress("archive", Cursor()))
    run(journal, JournalSettings(max_bytes=128 * 1024), page, now_unix_ns=time.time_ns(), holds=read_holds(tmp_path))
    assert removed_unread(page, "archive") > 0


def test_lag_counts_what_is_not_read(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    fill(journal)
    reader = Reader(journal)
    for _ in reader.read(limit=150):
        pass
    half = progress("traces", reader.cursor, current_unix=1000.0)
    for _ in reader.read():
        pass
    whole = progress("metrics", reader.cursor, current_unix=1000.0)
    none = progress("archive", Cursor(), current_unix=1000.0)
    found = lags(journal, (half, whole, none), now_unix=1007.0)
    assert found["metrics"] == (0.0, 0)
    assert 0 < found["traces"].size < found["archive"].size
    assert found["traces"].seconds == 7.0


def test_a_writer_that_says_nothing_for_long_is_silent(tmp_path: Path) -> None:
    stand(tmp_path)
    standing = read_standing(tmp_path)
    assert standing is not None
    assert not standing.silent(time.time())
    assert standing.silent(time.time() + 60)


def test_a_file_that_is_none_is_as_no_file(tmp_path: Path) -> None:
    assert read_standing(tmp_path) is None
    assert read_holds(tmp_path) == []
    stand(tmp_path)
    path_of(tmp_path).write_bytes(b"{")
    assert read_standing(tmp_path) is None
