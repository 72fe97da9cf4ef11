"""The frame: what was packed comes back, what was damaged never does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.journal.frame import HEADER_BYTES, MAGIC, Damage, Frame, Incomplete, pack, scan, seed

SALT = 0x1234ABCD

payload_lists = st.lists(st.binary(max_size=300), max_size=3)
frames = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=100), payload_lists), min_size=1, max_size=6)


def packed(items: list[tuple[int, bytes, list[bytes]]]) -> tuple[bytes, list[int]]:
    """A stretch of frames, and where each begins."""
    data = b""
    starts = []
    for kind, meta, payloads in items:
        starts.append(len(data))
        data += b"".join(pack(kind, meta, payloads, start=seed(SALT, len(data))))
    return data, starts


@settings(max_examples=150, deadline=None)
@given(frames)
def test_what_was_packed_comes_back(items: list[tuple[int, bytes, list[bytes]]]) -> None:
    data, starts = packed(items)
    found = list(scan(data, salt=SALT, complete=True))
    assert [(f.kind, f.meta, list(f.payloads)) for f in found if isinstance(f, Frame)] == items
    assert [f.offset for f in found] == starts


@settings(max_examples=150, deadline=None)
@given(frames, st.data())
def test_any_flipped_byte_costs_its_own_frame_and_no_other(
    items: list[tuple[int, bytes, list[bytes]]], data: st.DataObject
) -> None:
    whole, starts = packed(items)
    at = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    broken = bytearray(whole)
    broken[at] ^= flip
    hit = max(index for index, start in enumerate(starts) if start <= at)
    found = list(scan(bytes(broken), salt=SALT, complete=True))
    good = [(f.kind, f.meta, list(f.payloads)) for f in found if isinstance(f, Frame)]
    assert good == items[:hit] + items[hit + 1 :]
    assert len([f for f in found if isinstance(f, Damage)]) == 1


@settings(max_examples=100, deadline=None)
@given(frames, st.data())
def test_a_cut_end_is_not_there_yet_and_torn_once_it_is_final(
    items: list[tuple[int, bytes, list[bytes]]], data: st.DataObject
) -> None:
    whole, starts = packed(items)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [*starts[1:], len(whole)]
    kept = [item for item, end in zip(items, ends, strict=True) if end <= cut]
    on_edge = cut in (0, *ends)
    live = list(scan(whole[:cut], salt=SALT))
    assert [(f.kind, f.meta, list(f.payloads)) for f in live if isinstance(f, Frame)] == kept
    assert not [f for f in live if isinstance(f, Damage)]
    assert bool([f for f in live if isinstance(f, Incomplete)]) is not on_edge
    final = list(scan(whole[:cut], salt=SALT, complete=True))
    assert [f for f in final if isinstance(f, Damage)] == ([] if on_edge else [Damage(final[-1].offset, cut, "torn")])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000), st.booleans())
def test_noise_is_damage_without_holes(noise: bytes, complete: bool) -> None:
    position = 0
    for item in scan(noise, salt=SALT, complete=complete):
        assert not isinstance(item, Frame)
        assert item.offset == position
        position = item.end if isinstance(item, Damage) else len(noise)
    assert position == len(noise)


def test_a_frame_sent_as_a_payload_is_never_read_back_as_a_frame() -> None:
    # The caller even knows a whole frame of this very segment, salt and all, and the outer header gets lost.
    inner = b"".join(pack(1, b"forged", [b"x"], start=seed(SALT, 0)))
    outer = bytearray(b"".join(pack(1, b"true", [inner * 3], start=seed(SALT, 0))))
    after = b"".join(pack(1, b"after", start=seed(SALT, len(outer))))
    outer[6] ^= 1
    found = list(scan(bytes(outer) + after, salt=SALT, complete=True))
    assert [f.meta for f in found if isinstance(f, Frame)] == [b"after"]


def test_a_payload_full_of_magic_does_not_slow_the_search_down_to_a_crawl() -> None:
    broken = bytearray(b"".join(pack(1, b"", [MAGIC * 50_000], start=seed(SALT, 0))))
    broken[0] ^= 0xFF
    assert [type(item) for item in scan(bytes(broken), salt=SALT, complete=True)] == [Damage]


def test_payloads_are_handed_on_uncopied() -> None:
    body = bytearray(b"large body")
    parts = pack(1, b"meta", [body])
    assert parts[2] is body
    assert len(parts[0]) == HEADER_BYTES
