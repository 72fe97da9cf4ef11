"""The supervisor's bookkeeping: what the journal takes on disk, as of now."""

from __future__ import annotations

from pathlib import Path

from sidecar.health.readiness import Facts, JournalStanding, WorkersStanding, judge
from sidecar.journal import JournalSettings, StatsPage, Writer, page_path, read_pages
from sidecar.journal.retention import taken_bytes
from sidecar.runtime.messages import JournalFacts
from sidecar.supervisor.ledger import Ledger
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
