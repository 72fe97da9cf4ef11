"""The binary frame: one record's metadata and up to three payloads under two checksums.

     0  magic         4   bytes that no UTF-8 text holds
     4  version       1   of the frame
     5  kind          1   exchange.Kind
     6  flags         1   0 today
     7  payloads      1   how many of the three lengths count
     8  meta length   4   little endian, as every number here
    12  payload length 3 × 4
    24  body check    4   CRC-32 of meta and payloads
    28  header check  4   CRC-32 of the 28 bytes before
    32  meta, payloads

Two checksums, because a reader may trust a length only when the header is whole: damage in a body then costs exactly
that frame, damage in a header costs a search for the next magic. Both start from `seed`, which mixes the segment's
random salt with the frame's place: a caller who sends a copy of a frame as his payload can never have it read back as
one, and a frame that moved is damage.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

MAGIC: Final = b"\xf5SJ\xfa"
VERSION: Final = 1
MAX_PAYLOADS: Final = 3
MAX_FRAME_BYTES: Final = 128 * 1024 * 1024

_HEAD: Final = struct.Struct("<4sBBBBIIIII")
_CHECK: Final = struct.Struct("<I")
HEADER_BYTES: Final = _HEAD.size + _CHECK.size

Buffer: TypeAlias = "bytes | bytearray | memoryview"


class Frame(NamedTuple):
    """A whole, checked frame. `offset` is its first byte in the segment, `end` the byte after it."""

    kind: int
    flags: int
    meta: bytes
    payloads: tuple[bytes, ...]
    offset: int
    end: int


class Damage(NamedTuple):
    """Bytes `offset:end` of a segment that are not a frame. `reason`: header | body | torn."""

    offset: int
    end: int
    reason: str


class Incomplete(NamedTuple):
    """The buffer ends before the frame at `offset` does; `needed` is its whole size, 0 where unknown."""

    offset: int
    needed: int


def seed(salt: int, offset: int) -> int:
    """Where both checksums of the frame at `offset` start."""
    return (salt ^ (offset * 0x9E3779B1)) & 0xFFFFFFFF  # 2^32 / golden ratio: neighbours get unlike seeds


def pack(
    kind: int, meta: bytes, payloads: Sequence[Buffer] = (), *, start: int = 0, flags: int = 0
) -> list[bytes | bytearray | memoryview]:
    """The parts of one frame for `os.writev`, payloads uncopied. `start` comes from `seed`.

    ValueError for more than three payloads or a frame above 128 MiB.
    """
    body = crc32(meta, start)
    size = len(meta)
    for payload in payloads:
        body = crc32(payload, body)
        size += len(payload)
    count = len(payloads)
    if count > MAX_PAYLOADS or size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame holds at most {MAX_PAYLOADS} payloads and {MAX_FRAME_BYTES} bytes")
    first = len(payloads[0]) if count > 0 else 0
    second = len(payloads[1]) if count > 1 else 0
    third = len(payloads[2]) if count > 2 else 0
    head = _HEAD.pack(MAGIC, VERSION, kind, flags, count, len(meta), first, second, third, body)
    return [head + _CHECK.pack(crc32(head, start)), meta, *payloads]


Item: TypeAlias = "Frame | Damage | Incomplete"


def scan(data: bytes, offset: int = 0, *, base: int = 0, salt: int = 0, complete: bool = False) -> Iterator[Item]:
    """What `data` holds from its byte `offset` on; `data[0]` is byte `base` of the segment.

    Good frames come out as `Frame`, all else as `Damage`, in order, without a hole. `complete` says that nothing will
    ever follow `data`: what is cut off at its end is then torn; otherwise `Incomplete` is the last item.
    """
    size = len(data)
    view = memoryview(data)
    while offset < size:
        start = seed(salt, base + offset)
        header = _header(data, offset, start)
        end = 0
        if header is not None:
            kind, flags, count, meta_length, first, second, third, body = header
            at = offset + HEADER_BYTES
            meta_end = at + meta_length
            end = meta_end + first + second + third
            if end <= size:
                if crc32(view[at:end], start) != body:
                    yield Damage(base + offset, base + end, "body")
                else:
                    payloads = _payloads(data, meta_end, count, first, second, end)
                    yield Frame(kind, flags, data[at:meta_end], payloads, base + offset, base + end)
                offset = end
                continue
            if not complete:
                yield Incomplete(base + offset, end - offset)
                return
        torn = header is not None or _may_begin(data, offset)
        if torn and not complete:
            yield Incomplete(base + offset, 0)
            return
        found = _next_header(data, offset + 1, base=base, salt=salt)
        if found is None and not complete:
            tail = range(max(offset + 1, size - HEADER_BYTES + 1), size)
            found = next((place for place in tail if _may_begin(data, place)), size)
        yield Damage(base + offset, base + (size if found is None else found), "torn" if torn else "header")
        offset = size if found is None else found


def _header(data: bytes, offset: int, start: int) -> tuple[int, int, int, int, int, int, int, int] | None:
    """(kind, flags, payloads, four lengths, body check) of the header at `offset`, if whole and checked."""
    if len(data) - offset < HEADER_BYTES:
        return None
    magic, version, *fields = _HEAD.unpack_from(data, offset)
    at = offset + _HEAD.size
    if magic != MAGIC or _CHECK.unpack_from(data, at)[0] != crc32(data[offset:at], start):
        return None
    kind, flags, count, meta, first, second, third, body = fields
    if version != VERSION or count > MAX_PAYLOADS or meta + first + second + third > MAX_FRAME_BYTES:
        return None
    return kind, flags, count, meta, first, second, third, body


def _payloads(data: bytes, at: int, count: int, first: int, second: int, end: int) -> tuple[bytes, ...]:
    if count == 0:
        return ()
    second_at = at + first
    third_at = second_at + second
    if count == 1:
        return (data[at:end],)
    if count == 2:
        return (data[at:second_at], data[second_at:end])
    return (data[at:second_at], data[second_at:third_at], data[third_at:end])


def _may_begin(data: bytes, offset: int) -> bool:
    """Whether a header that `data` cuts off may begin here."""
    left = len(data) - offset
    return left < HEADER_BYTES and data.startswith(MAGIC[:left], offset)


def _next_header(data: bytes, offset: int, *, base: int, salt: int) -> int | None:
    """The next place at or after `offset` with a header that is whole and checked."""
    while (offset := data.find(MAGIC, offset)) >= 0:
        if _header(data, offset, seed(salt, base + offset)) is not None:
            return offset
        offset += 1
    return None
