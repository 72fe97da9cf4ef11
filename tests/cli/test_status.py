"""What `sidecar status` says of observers that are elsewhere, and of those that were."""

from __future__ import annotations

import msgspec

from sidecar.cli.status import as_text
from sidecar.health.readiness import ColdStanding, Facts, JournalStanding, ObserverStanding, WorkersStanding, judge

JOURNAL = JournalStanding(refusing=False, bytes=1, max_bytes=2, when_full="drop_oldest", full_in_seconds=None)
NOW = judge(Facts(workers=WorkersStanding(configured=1, ready=1, restarts=0, in_flight=0), journal=JOURNAL))
ARCHIVE = ObserverStanding(name="archive", running=False, lag_seconds=40, lag_bytes=700, errors=0, because="")


def told(cold: ColdStanding) -> str:
    return as_text(msgspec.structs.replace(NOW, cold=cold), {})


def test_observers_that_were_never_there_are_not_there() -> None:
    assert "nobody reads the journal" in told(ColdStanding(state="off"))


def test_observers_that_say_nothing_any_more_are_silent_with_their_lag() -> None:
    text = told(ColdStanding(state="off", observers=(ARCHIVE,)))
    assert "nobody reads" not in text
    assert "observers    silent" in text
    assert "archive: 40 s and 700 bytes behind" in text


def test_what_could_not_be_recorded_is_a_warning() -> None:
    journal = msgspec.structs.replace(JOURNAL, dropped={"disk_full": 7})
    now = judge(Facts(workers=NOW.workers, journal=journal))
    assert "warning      the journal cannot take every record; not recorded within a minute: 7 disk_full" in as_text(
        now, {}
    )
