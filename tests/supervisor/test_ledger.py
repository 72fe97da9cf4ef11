"""The supervisor's bookkeeping: what the journal takes on disk, as of now."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sidecar.health.readiness import Facts, JournalStanding, WorkersStanding, judge
from sidecar.journal import JournalSettings, StatsPage, Writer, page_path, read_pages
from sidecar.journal.retention import taken_bytes
from sidecar.runtime.messages import JournalFacts
from sidecar.supervisor.ledger import RATE_WINDOW, Ledger, seconds_until_full
from sidecar.telemetry import metrics
from tests.journal.records import IDENTITY, append_many, open_writer

NOTHING = JournalStanding(refusing=False, bytes=0, max_bytes=0, when_full="", full_in_seconds=None)
NOW = judge(Facts(workers=WorkersStanding(configured=1, ready=1, restarts=0, in_flight=0), journal=NOTHING))


def shown(data: Path) -> int:
    """As /metrics merges it."""
    readings, _ = read_pages(data)
    return int(metrics.merge([reading.values for reading in readings]).gauges[metrics.JOURNAL_DISK_BYTES.slot])


def test_bytes_on_disk_are_those_of_this_second_also_between_two_retention_passes(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    writer = open_writer(journal)
    ledger = Ledger(tmp_path, journal, JournalFacts(), workers=1)
    ledger.tick(NOW)  # a pass; the next one is seconds away
    first = shown(tmp_path)
    append_many(writer, range(100), b"x" * 1000)
    ledger.tick(NOW)
    assert shown(tmp_path) == taken_bytes(journal) > first + 100_000
    assert ledger.standing(refusing=False).bytes == taken_bytes(journal)
    writer.close()
    ledger.close()


def test_a_worker_that_had_to_make_room_leaves_no_old_figure_behind(tmp_path: Path) -> None:
    """The largest of all pages is shown: one that is never written again would stay for ever."""
    journal = tmp_path / "journal"
    page = StatsPage(page_path(tmp_path, "hot-0"))
    small = JournalSettings(max_bytes=1_000_000)
    writer = Writer(journal, "hot-0", small, page, identity=IDENTITY)
    append_many(writer, range(3000), b"x" * 1000)
    assert page.counters[metrics.JOURNAL_REMOVED.at("over_cap")] > 0
    for segment in sorted((journal / "hot-0").glob("*.seg"))[:-1]:
        segment.unlink()
    ledger = Ledger(tmp_path, journal, JournalFacts(max_bytes=1_000_000), workers=1)
    ledger.tick(NOW)
    assert shown(tmp_path) == taken_bytes(journal)
    writer.close()
    ledger.close()
    page.close()


def test_records_that_could_not_be_written_are_warned_of_for_a_minute(tmp_path: Path) -> None:
    page = StatsPage(page_path(tmp_path, "hot-0"))
    page.counters[metrics.JOURNAL_DROPPED.at("disk_full")] += 5  # of an earlier day
    ledger = Ledger(tmp_path, tmp_path / "journal", JournalFacts(), workers=1)
    assert ledger.standing(refusing=False).dropped == {}
    ledger.tick(NOW)
    assert ledger.standing(refusing=False).dropped == {}
    page.counters[metrics.JOURNAL_DROPPED.at("disk_full")] += 3
    ledger.tick(NOW)
    standing = ledger.standing(refusing=False)
    assert standing.dropped == {"disk_full": 3}
    (warning,) = judge(Facts(workers=NOW.workers, journal=standing)).warnings
    assert "not recorded within a minute: 3 disk_full" in warning
    for _ in range(RATE_WINDOW):
        ledger.tick(NOW)
    assert ledger.standing(refusing=False).dropped == {}
    ledger.close()
    page.close()


@pytest.mark.parametrize(
    ("limit", "taken", "free", "rate", "seconds"),
    [
        (1000, 400, math.inf, 10.0, 60.0),
        (1000, 400, 50.0, 10.0, 5.0),  # others have taken the disk
        (1000, 400, 0.0, 10.0, 0.0),
        (1000, 1200, 500.0, 10.0, 0.0),
        (1000, 400, 0.0, 0.0, None),
    ],
)
def test_the_disk_is_full_when_the_journal_may_not_grow_or_nothing_is_free(
    limit: int, taken: int, free: float, rate: float, seconds: float | None
) -> None:
    assert seconds_until_full(limit, taken, free, rate) == seconds
