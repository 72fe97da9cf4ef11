"""Reading with a cursor: each record once, whatever happens between two reads."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import JournalError
from sidecar.exchange import Kind, Transition
from sidecar.journal.cursor import Cursor
from sidecar.journal.frame import pack, seed
from sidecar.journal.reader import Reader, cursor_since
from sidecar.journal.segment import (
    PREAMBLE_BYTES,
    Preamble,
    check_stream,
    list_segments,
    list_streams,
    open_segment,
    pack_preamble,
)
from sidecar.journal.settings import JournalSettings

from .records import append_many, only_segment, open_writer, record

SMALL = JournalSettings(max_bytes=16 * 16 * 1024)


def subjects(reader: Reader, limit: int | None = None) -> list[int]:
    return [int(read.record.subject) for read in reader.read(limit) if isinstance(read.record, Transition)]


def test_an_empty_place_has_no_streams(tmp_path: Path) -> None:
    assert list_streams(tmp_path / "nowhere") == ()
    assert list(Reader(tmp_path / "nowhere").read()) == []


def test_a_cursor_goes_through_json_and_goes_on_where_it_was(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, settings=SMALL)
    append_many(writer, range(40), b"x" * 1000)
    found: list[int] = []
    plain = json.dumps(Cursor().to_plain())
    while True:
        reader = Reader(tmp_path, Cursor.from_plain(json.loads(plain)))
        part = subjects(reader, 7)
        if not part:
            break
        found += part
        plain = json.dumps(reader.cursor.to_plain())
    assert found == list(range(40))
    writer.close()


@pytest.mark.parametrize(
    "plain",
    [None, [], {"hot-0": 1}, {"hot-0": ["x", 0, 0]}, {"hot-0": ["0000000001-20260101T000000Z.seg", -1, 0]},
     {"hot-0": ["0000000001-20260101T000000Z.seg", "0", 0]}, {"hot-0": ["../../etc/passwd", 0, 0]}],
)  # fmt: skip
def test_what_is_not_a_cursor_is_refused(plain: object) -> None:
    with pytest.raises(JournalError, match="not a cursor"):
        Cursor.from_plain(plain)


def test_the_cursor_stands_after_the_last_record_delivered(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(3))
    reader = Reader(tmp_path)
    deliveries = reader.read()
    next(deliveries)
    next(deliveries)
    assert subjects(Reader(tmp_path, reader.cursor)) == [2]
    writer.close()


def test_streams_are_read_side_by_side(tmp_path: Path) -> None:
    writers = [open_writer(tmp_path, stream=name) for name in ("hot-1", "hot-0", "cold")]
    for index, writer in enumerate(writers):
        append_many(writer, range(10 * index, 10 * index + 3))
    reader = Reader(tmp_path)
    assert subjects(reader) == [20, 21, 22, 10, 11, 12, 0, 1, 2]
    assert subjects(Reader(tmp_path, only=["hot-1"])) == [0, 1, 2]
    append_many(writers[0], [3])
    assert subjects(reader) == [3]
    for writer in writers:
        writer.close()


def test_what_was_removed_unread_is_counted_and_reading_goes_on(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, settings=SMALL)
    append_many(writer, range(60), b"x" * 1000)
    reader = Reader(tmp_path)
    assert subjects(reader, 5) == list(range(5))
    for segment in list_segments(tmp_path, "hot-0")[:-1]:
        segment.path.unlink()
    rest = subjects(reader)
    assert rest == list(range(rest[0], 60))
    assert reader.counts.lagged_out == rest[0] - 5
    assert subjects(reader) == []
    append_many(writer, [60])
    assert subjects(reader) == [60]
    writer.close()


def test_removed_after_it_was_read_is_no_loss(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, range(5))
    reader = Reader(tmp_path)
    subjects(reader)
    writer.close()
    first = only_segment(tmp_path)
    writer = open_writer(tmp_path)
    append_many(writer, [5])
    first.unlink()
    later = Reader(tmp_path, reader.cursor)
    assert subjects(later) == [5]
    assert later.counts.lagged_out == 0
    writer.close()


def test_another_journal_in_the_same_place_is_read_from_its_begin(tmp_path: Path) -> None:
    for number in range(3):
        writer = open_writer(tmp_path / "old")
        append_many(writer, [number])
        writer.close()
    reader = Reader(tmp_path / "old")
    subjects(reader)
    writer = open_writer(tmp_path / "new")
    append_many(writer, [7])
    writer.close()
    assert subjects(Reader(tmp_path / "new", reader.cursor)) == [7]


def test_reading_while_it_is_written_delivers_each_once(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, settings=JournalSettings(max_bytes=64 * 1024 * 1024))
    thread = threading.Thread(target=append_many, args=(writer, range(3000), b"x" * 1500))
    thread.start()
    reader = Reader(tmp_path)
    found: list[int] = []
    while thread.is_alive():
        found += subjects(reader)
    thread.join()
    found += subjects(reader)
    writer.close()
    assert found == list(range(3000))
    assert reader.counts.damaged == 0


def put_frame(path: Path, kind: int, meta: bytes) -> None:
    opened = open_segment(path)
    assert opened is not None
    descriptor, preamble = opened
    assert preamble is not None
    os.close(descriptor)
    with path.open("ab") as file:
        file.write(b"".join(pack(kind, meta, start=seed(preamble.salt, path.stat().st_size))))


def test_a_kind_of_a_later_version_is_delivered_undecoded(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, [0])
    writer.close()
    put_frame(only_segment(tmp_path), 99, b"later")
    put_frame(only_segment(tmp_path), Kind.TRANSITION, b"\xc1 not a record")
    put_frame(only_segment(tmp_path), Kind.TRANSITION, record(1))
    reader = Reader(tmp_path)
    reads = list(reader.read())
    assert [(read.kind, read.record is None) for read in reads] == [(7, False), (99, True), (7, False)]
    assert reads[1].meta == b"later"
    assert reader.counts.undecodable == 1


def test_a_segment_of_a_later_format_is_stepped_over_and_stops_no_start(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    append_many(writer, [0])
    writer.close()
    path = only_segment(tmp_path)
    later = path.with_name("0000000005-20300101T000000Z.seg")
    block = bytearray(path.read_bytes())
    length = int.from_bytes(block[10:12], "little")
    for at in (0, 1024):
        block[at + 8 : at + 10] = (2).to_bytes(2, "little")
        body = bytes(block[at + 16 : at + 16 + length])
        block[at + 12 : at + 16] = crc32(body, 2 << 16 | length).to_bytes(4, "little")
    later.write_bytes(block)
    writer = open_writer(tmp_path)
    append_many(writer, [1])
    writer.close()
    reader = Reader(tmp_path)
    assert subjects(reader) == [0, 1]
    assert reader.counts.unreadable_segments == 1
    assert list_segments(tmp_path, "hot-0")[-1].sequence == 6


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400))
def test_any_replica_and_environment_fit_the_begin_of_a_segment(replica: str, environment: str) -> None:
    replica = replica.encode("utf-8", "replace").decode()
    environment = environment.encode("utf-8", "replace").decode()
    preamble = Preamble(
        stream=check_stream("a" * 63),
        replica=replica,
        environment=environment,
        sidecar_version="1.2.3",
        started_unix_ns=2**62,
        salt=2**32 - 1,
        first_record=2**40,
    )
    assert len(pack_preamble(preamble)) == PREAMBLE_BYTES


def test_a_cursor_since_a_moment_passes_over_what_was_written_before(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, settings=JournalSettings(max_bytes=1_000_000))
    append_many(writer, range(300), b"x" * 1000)
    writer.close()
    segments = list_segments(tmp_path, "hot-0")
    assert len(segments) > 3
    for number, segment in enumerate(segments):
        os.utime(segment.path, ns=(number * 10**9, number * 10**9))
    everything = list(Reader(tmp_path).read())
    for first in range(len(segments)):
        later = list(Reader(tmp_path, cursor_since(tmp_path, first * 10**9)).read())
        assert later == [read for read in everything if read.segment >= segments[first].name]
    assert cursor_since(tmp_path, 0).positions == {}
    after = list(Reader(tmp_path, cursor_since(tmp_path, 10**18)).read())
    assert {read.segment for read in after} <= {segments[-1].name}, "the last one may still grow"
