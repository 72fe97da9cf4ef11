"""Retention: the cap and the age are kept, what must stay stays, what goes unread is counted."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.journal.cursor import Position
from sidecar.journal.lock import StreamLock
from sidecar.journal.reader import Reader
from sidecar.journal.retention import Hold, SegmentFacts, plan, run, show, taken_bytes, unread_records
from sidecar.journal.segment import list_segments, segment_name
from sidecar.journal.settings import JournalSettings, WhenFull
from sidecar.journal.stats import StatsPage
from sidecar.journal.writer import Writer
from sidecar.telemetry import metrics

from .records import IDENTITY, FakeClock, append_many, open_writer

SECOND = 1_000_000_000
NOW = 10_000 * SECOND


def facts(stream: str, sequence: int, size: int, age_seconds: int, *, writing: bool) -> SegmentFacts:
    """Ten records in each segment."""
    return SegmentFacts(
        stream, segment_name(sequence, 0), size, NOW - age_seconds * SECOND, 10 * (sequence - 1), 10, writing
    )


@st.composite
def journals(draw: st.DrawFn) -> list[SegmentFacts]:
    found = []
    for stream in draw(st.lists(st.sampled_from(["hot-0", "hot-1", "cold"]), unique=True)):
        ages = sorted(draw(st.lists(st.integers(0, 5000), min_size=1, max_size=8)), reverse=True)
        live = draw(st.booleans())
        for index, age in enumerate(ages):
            last = index == len(ages) - 1
            found.append(facts(stream, index + 1, draw(st.integers(1, 100)), age, writing=live and last))
    return found


@st.composite
def hold_lists(draw: st.DrawFn) -> list[Hold]:
    names = draw(st.lists(st.sampled_from(["archive", "traces", "forward"]), unique=True))
    found = []
    for name in names:
        cursor = {
            stream: Position(segment_name(at, 0), draw(st.sampled_from([0, 1000])), 10 * (at - 1))
            for stream in draw(st.lists(st.sampled_from(["hot-0", "hot-1", "cold"]), unique=True))
            if (at := draw(st.integers(1, 9)))
        }
        found.append(Hold(name, cursor, required=name != "traces"))
    return found


@settings(max_examples=200, deadline=None)
@given(
    journals(),
    hold_lists(),
    st.integers(0, 1500),
    st.one_of(st.none(), st.integers(0, 5000)),
    st.sampled_from(["drop_oldest", "refuse_traffic"]),
    st.integers(0, 100),
)
def test_a_plan_keeps_its_promises(
    segments: list[SegmentFacts],
    holds: list[Hold],
    max_bytes: int,
    max_age: int | None,
    when_full: WhenFull,
    reserve: int,
) -> None:
    removals = plan(
        segments,
        holds,
        max_bytes=max_bytes,
        max_age_seconds=max_age,
        when_full=when_full,
        now_unix_ns=NOW,
        reserve_bytes=reserve,
    )
    removed = {(r.segment.stream, r.segment.name) for r in removals}
    kept = [segment for segment in segments if (segment.stream, segment.name) not in removed]
    assert len(removed) == len(removals)
    assert not any(r.segment.writing for r in removals)
    total = sum(segment.size for segment in kept)
    required = [hold for hold in holds if hold.required]
    if when_full == "drop_oldest":
        assert total + reserve <= max_bytes or all(segment.writing for segment in kept)
    for removal in removals:
        assert removal.unread == {h.observer: n for h in holds if (n := unread_records(removal.segment, h))}
        if removal.reason == "aged":
            assert max_age is not None
            assert NOW - removal.segment.modified_unix_ns > max_age * SECOND
        if removal.reason == "aged" or when_full == "refuse_traffic":
            for hold in required:  # whoever must have it has read past it
                assert hold.cursor[removal.segment.stream].segment >= removal.segment.name
        else:
            assert sum(segment.size for segment in segments) + reserve > max_bytes
    if not required and max_age is not None:
        assert all(s.writing or NOW - s.modified_unix_ns <= max_age * SECOND for s in kept)


def test_nothing_to_do_is_nothing_done() -> None:
    segments = [facts("hot-0", 1, 10, 5, writing=False), facts("hot-0", 2, 10, 1, writing=True)]
    assert not plan(
        segments, [], max_bytes=100, max_age_seconds=60, when_full="drop_oldest", now_unix_ns=NOW, reserve_bytes=80
    )


def test_what_nobody_waits_for_goes_before_what_somebody_does() -> None:
    segments = [facts("cold", 1, 10, 50, writing=False), facts("hot-0", 1, 10, 40, writing=False)]
    archive = Hold("archive", {"hot-0": Position(segment_name(1, 0), 10, 10)}, required=True)
    (removal,) = plan(segments, [archive], max_bytes=10, max_age_seconds=None, when_full="drop_oldest", now_unix_ns=NOW)
    assert removal.segment.stream == "hot-0"
    assert removal.unread == {}


def test_the_cap_holds_over_all_streams_and_every_record_that_went_is_counted(tmp_path: Path) -> None:
    limits = JournalSettings(max_bytes=2 * 1024 * 1024)
    stats = StatsPage()
    writers = [Writer(tmp_path, f"hot-{k}", limits, stats, identity=IDENTITY) for k in range(3)]
    highest = 0
    for number in range(900):
        for writer in writers:
            assert append_many(writer, [number], b"x" * 2000) == [True]
        highest = max(highest, taken_bytes(tmp_path))
    for writer in writers:
        writer.close()
    assert highest <= limits.max_bytes + limits.segment_bytes
    assert highest > limits.max_bytes // 2
    left = len(list(Reader(tmp_path).read()))
    assert left + stats.counters[metrics.JOURNAL_REMOVED.at("over_cap")] == 3 * 900


def test_a_full_journal_refuses_traffic_until_its_reader_has_read(tmp_path: Path) -> None:
    limits = JournalSettings(max_bytes=1024 * 1024, when_full="refuse_traffic", max_age=None)
    clock = FakeClock()
    reader = Reader(tmp_path)
    writer = Writer(
        tmp_path,
        "hot-0",
        limits,
        StatsPage(),
        identity=IDENTITY,
        clock=clock,
        holds=lambda: [Hold("archive", reader.cursor.positions, required=True)],
    )
    written = 0
    while writer.accepting:
        assert append_many(writer, [written], b"x" * 2000) == [True]
        written += 1
    assert append_many(writer, [written], b"x" * 2000) == [True]  # one that was in flight is recorded all the same
    assert taken_bytes(tmp_path) <= limits.max_bytes + limits.segment_bytes
    answers = [writer.accepting]
    clock.pass_seconds(2)
    answers.append(writer.accepting)
    assert len(list(reader.read())) == written + 1  # nothing was lost
    clock.pass_seconds(2)
    answers.append(writer.accepting)
    assert answers == [False, False, True]
    writer.close()


def test_old_records_go_also_from_a_stream_that_nobody_writes_any_more(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(7))
    writer.close()
    stats = StatsPage()
    limits = JournalSettings(max_age=60.0)
    written = list_segments(tmp_path, "hot-0")[0].modified_unix_ns
    run(tmp_path, limits, stats, now_unix_ns=written + 59 * SECOND)
    assert len(list_segments(tmp_path, "hot-0")) == 1
    run(tmp_path, limits, stats, now_unix_ns=written + 61 * SECOND)
    assert list_segments(tmp_path, "hot-0") == ()
    assert stats.counters[metrics.JOURNAL_REMOVED.at("aged")] == 7
    writer = open_writer(tmp_path)
    append_many(writer, [7])
    (read,) = Reader(tmp_path).read()
    assert read.number == 7  # the count of the stream goes on
    writer.close()


def test_the_segment_being_written_stays_however_old(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(3))
    stats = StatsPage()
    far = list_segments(tmp_path, "hot-0")[0].modified_unix_ns + 10**6 * SECOND
    run(tmp_path, JournalSettings(max_age=1.0, max_bytes=1), stats, now_unix_ns=far)
    assert len(list(Reader(tmp_path).read())) == 3
    assert show(tmp_path, JournalSettings(), stats, now_unix_ns=far) == taken_bytes(tmp_path)
    assert stats.gauges[metrics.JOURNAL_OLDEST_SECONDS.slot] >= 10**6 - 1
    writer.close()


def test_retention_gives_the_lock_of_an_idle_stream_back(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(1))
    writer.close()
    run(tmp_path, JournalSettings(), StatsPage(), now_unix_ns=NOW)
    StreamLock(tmp_path / "hot-0", wait_seconds=0).close()


def test_records_removed_unread_are_counted_per_observer(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(10))
    reader = Reader(tmp_path)
    list(reader.read(4))
    writer.close()
    holds = [Hold("traces", reader.cursor.positions, required=False), Hold("archive", {}, required=True)]
    stats = StatsPage()
    run(tmp_path, JournalSettings(max_bytes=1), stats, now_unix_ns=NOW, holds=holds)
    assert stats.counters[metrics.JOURNAL_UNREAD.at("traces")] == 6
    assert stats.counters[metrics.JOURNAL_UNREAD.at("archive")] == 10
