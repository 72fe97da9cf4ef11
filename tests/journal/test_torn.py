"""A record cut anywhere, a byte flipped anywhere: the start succeeds, the good is kept, the bad is counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sidecar.exchange import Kind, Transition
from sidecar.journal.frame import Frame
from sidecar.journal.reader import Reader
from sidecar.journal.segment import PREAMBLE_BYTES, open_segment, read_items

from .records import append_many, only_segment, open_writer

PAYLOAD = bytes(range(256)) * 2


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("written")
    writer = open_writer(directory)
    assert all(append_many(writer, range(5), PAYLOAD))
    writer.close()
    return directory


def frame_edges(path: Path) -> list[int]:
    opened = open_segment(path)
    assert opened is not None
    descriptor, preamble = opened
    assert preamble is not None
    frames = read_items(descriptor, preamble.salt, PREAMBLE_BYTES, complete=True)
    return [PREAMBLE_BYTES, *(frame.end for frame in frames if isinstance(frame, Frame))]


def restart_and_read(original: Path, scratch: Path, damaged: bytes) -> tuple[list[str], Reader]:
    """Put the damaged bytes in place, start a writer on them, add record 100, read all."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(original, scratch)
    only_segment(scratch).write_bytes(damaged)
    writer = open_writer(scratch)
    assert all(append_many(writer, [100], PAYLOAD))
    writer.close()
    reader = Reader(scratch)
    subjects = []
    for read in reader.read():
        assert read.kind == Kind.TRANSITION
        assert isinstance(read.record, Transition)
        assert read.payloads == (PAYLOAD,)
        subjects.append(read.record.subject)
    return subjects, reader


def test_cut_at_every_byte_of_the_last_three_records(written: Path, tmp_path: Path) -> None:
    whole = only_segment(written).read_bytes()
    edges = frame_edges(only_segment(written))
    for cut in range(edges[2], len(whole)):
        kept = sum(edge <= cut for edge in edges[1:])
        subjects, reader = restart_and_read(written, tmp_path / "scratch", whole[:cut])
        assert subjects == [*map(str, range(kept)), "100"], cut
        assert reader.counts.damaged == (0 if cut in edges else 1), cut
        assert reader.counts.lagged_out == 0


def test_every_byte_of_one_record_flipped(written: Path, tmp_path: Path) -> None:
    whole = only_segment(written).read_bytes()
    edges = frame_edges(only_segment(written))
    for at in range(edges[2], edges[3]):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        subjects, reader = restart_and_read(written, tmp_path / "scratch", bytes(damaged))
        assert subjects == ["0", "1", "3", "4", "100"], at
        assert reader.counts.damaged == 1, at
        assert reader.counts.undecodable == 0


def test_every_byte_of_the_begin_flipped_costs_nothing(written: Path, tmp_path: Path) -> None:
    whole = only_segment(written).read_bytes()
    for at in range(0, PREAMBLE_BYTES, 3):
        damaged = bytearray(whole)
        damaged[at] ^= 0x01
        subjects, _ = restart_and_read(written, tmp_path / "scratch", bytes(damaged))
        assert subjects == ["0", "1", "2", "3", "4", "100"], at


def test_a_segment_whose_begin_is_gone_is_counted_and_stepped_over_once(written: Path, tmp_path: Path) -> None:
    whole = only_segment(written).read_bytes()
    subjects, reader = restart_and_read(written, tmp_path / "scratch", bytes(PREAMBLE_BYTES) + whole[PREAMBLE_BYTES:])
    assert subjects == ["100"]
    assert list(reader.read()) == []
    assert reader.counts.unreadable_segments == 1


def test_a_hole_of_zeros_in_the_middle_is_one_damage(written: Path, tmp_path: Path) -> None:
    whole = only_segment(written).read_bytes()
    edges = frame_edges(only_segment(written))
    damaged = whole[: edges[1] + 7] + bytes(edges[3] - edges[1]) + whole[edges[3] + 7 :]
    subjects, reader = restart_and_read(written, tmp_path / "scratch", damaged)
    assert subjects == ["0", "4", "100"]
    assert reader.counts.damaged == 1


def test_a_cut_record_of_the_last_segment_is_not_there_yet(written: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    shutil.copytree(written, scratch)
    path = only_segment(scratch)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    reader = Reader(scratch)
    assert len(list(reader.read())) == 4
    assert list(reader.read()) == []
    assert reader.counts.damaged == 0
    path.write_bytes(whole)
    assert len(list(reader.read())) == 1
