"""The tape: every record to every observer, decoded once, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sidecar.cold.tape import STRIP_RECORDS, Tape, advance
from sidecar.exchange import Transition
from sidecar.journal import Cursor, Read, Reader
from sidecar.journal.settings import JournalSettings
from tests.journal.records import append_many, open_writer


def subjects(reads: Iterable[Read]) -> list[str]:
    return [read.record.subject for read in reads if isinstance(read.record, Transition)]


def drain(tape: Tape, cursor: Cursor) -> tuple[list[str], Cursor]:
    """Everything from the cursor on, as an observer reads it."""
    found: list[str] = []
    while strips := tape.next(cursor):
        for strip in strips:
            found += subjects(strip.reads)
            cursor = advance(cursor, strip)
    return found, cursor


class Time:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0  # nothing is remembered as empty between two calls
        return self.now


def test_two_observers_share_what_is_decoded(tmp_path: Path) -> None:
    append_many(open_writer(tmp_path), range(1000))
    tape = Tape(tmp_path, clock=Time())
    first, _ = drain(tape, Cursor())
    second, _ = drain(tape, Cursor())
    assert first == second == [str(number) for number in range(1000)]
    assert tape.decoded == 1000


def test_observers_who_began_apart_meet_again(tmp_path: Path) -> None:
    append_many(open_writer(tmp_path), range(10 * STRIP_RECORDS))
    reader = Reader(tmp_path)
    for _ in reader.read(limit=100):
        pass
    tape = Tape(tmp_path, clock=Time())
    ahead, _ = drain(tape, Cursor())
    later, _ = drain(tape, reader.cursor)
    assert later == ahead[100:]
    assert tape.decoded == 10 * STRIP_RECORDS + STRIP_RECORDS - 100, "only the first strip was read for both"


def test_what_is_written_later_is_found_from_the_same_place(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(5))
    tape = Tape(tmp_path, clock=Time())
    first, cursor = drain(tape, Cursor())
    assert tape.next(cursor) == []
    append_many(writer, range(5, 8))
    more, _ = drain(tape, cursor)
    assert first + more == [str(number) for number in range(8)]


def test_the_last_look_is_at_the_disk(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(5))
    tape = Tape(tmp_path, clock=lambda: 0.0)
    _, cursor = drain(tape, Cursor())
    append_many(writer, range(5, 8))
    append_many(open_writer(tmp_path, stream="worker-9"), range(8, 9))
    assert tape.next(cursor) == [], "empty a moment ago"
    tape.look_again()
    assert sorted(drain(tape, cursor)[0]) == ["5", "6", "7", "8"]


def test_memory_is_bounded_and_what_was_forgotten_is_read_again(tmp_path: Path) -> None:
    append_many(open_writer(tmp_path), range(2000), b"x" * 2000)
    tape = Tape(tmp_path, remembered_bytes=1_000_000, clock=Time())
    first, _ = drain(tape, Cursor())
    again, _ = drain(tape, Cursor())
    assert first == again
    assert tape.decoded > 2000


def test_a_big_strip_ends_early(tmp_path: Path) -> None:
    append_many(open_writer(tmp_path, settings=JournalSettings()), range(40), b"x" * 250_000)
    tape = Tape(tmp_path, clock=Time())
    (strip,) = tape.next(Cursor())
    assert len(strip.reads) < 40
    assert drain(tape, Cursor())[0] == [str(number) for number in range(40)]


def test_what_retention_took_is_told_to_each_observer(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, settings=JournalSettings(max_bytes=256 * 1024))
    append_many(writer, range(50), b"x" * 1000)
    tape = Tape(tmp_path, clock=Time())
    (strip,) = tape.next(Cursor())
    cursor = advance(Cursor(), strip)
    append_many(writer, range(50, 2000), b"x" * 1000)
    for _ in range(2):
        (late,) = tape.next(cursor)
        assert late.missed.lagged_out == late.reads[0].number - 50 > 0


def test_every_policy_seen_is_told_once(tmp_path: Path) -> None:
    append_many(open_writer(tmp_path), range(3))
    seen: list[Read] = []
    tape = Tape(tmp_path, learn=seen.append, clock=Time())
    drain(tape, Cursor())
    drain(tape, Cursor())
    assert subjects(seen) == ["0", "1", "2"]
