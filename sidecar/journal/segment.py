"""Segments: how they are named, found and opened, and what their first bytes say.

`<journal>/<stream>/<sequence>-<start>.seg`, 0600. A segment is written by the one process that created it, and never
again after it: the highest sequence of a stream is the only one that may still grow.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from ..errors import JournalError
from .frame import Damage, Frame, Incomplete, scan

FORMAT: Final = 1
_MAGIC: Final = b"\xf5SIDECAR"
_BLOCK: Final = struct.Struct("<8sHHI")  # magic, format, length, CRC-32 of format, length and what follows
_BLOCK_BYTES: Final = 1024
PREAMBLE_BYTES: Final = 2 * _BLOCK_BYTES  # written twice: without the salt in it a segment cannot be read at all
_LONGEST_NAME: Final = 200
_CHUNK_BYTES: Final = 1024 * 1024
_NAME: Final = re.compile(r"(\d{10})-\d{8}T\d{6}Z\.seg")
_STREAM: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


class Preamble(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A segment's first bytes. `first_record` counts the stream's frames in all segments before this one."""

    stream: str
    replica: str
    environment: str
    sidecar_version: str
    started_unix_ns: int
    salt: int
    first_record: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as found in a folder. `last`: no later one of its stream exists, so it may still grow."""

    stream: str
    sequence: int
    path: Path
    size: int
    modified_unix_ns: int
    last: bool

    @property
    def name(self) -> str:
        return self.path.name


def began_unix(name: str) -> float:
    """When a segment was begun, as its name says; whole seconds."""
    text = name.partition("-")[2].removesuffix(".seg")
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Preamble).decode


def pack_preamble(preamble: Preamble) -> bytes:
    """Both copies; names are cut to 200 characters."""
    body = _encode(
        msgspec.structs.replace(
            preamble,
            replica=preamble.replica[:_LONGEST_NAME],
            environment=preamble.environment[:_LONGEST_NAME],
            sidecar_version=preamble.sidecar_version[:_LONGEST_NAME],
        )
    )
    while len(body) > _BLOCK_BYTES - _BLOCK.size:  # names of four-byte characters
        preamble = msgspec.structs.replace(
            preamble, replica=preamble.replica[:40], environment=preamble.environment[:40], sidecar_version=""
        )
        body = _encode(preamble)
    block = _BLOCK.pack(_MAGIC, FORMAT, len(body), _check(FORMAT, body)) + body
    return block.ljust(_BLOCK_BYTES, b"\0") * 2


def read_preamble(file_descriptor: int) -> Preamble | None:
    """None when neither copy can be trusted, or it is not all there yet. JournalError for a format of another time."""
    data = os.pread(file_descriptor, PREAMBLE_BYTES, 0)
    for at in (0, _BLOCK_BYTES):
        block = data[at : at + _BLOCK_BYTES]
        if len(block) < _BLOCK_BYTES:
            return None
        magic, version, length, check = _BLOCK.unpack_from(block)
        body = block[_BLOCK.size : _BLOCK.size + length]
        if magic != _MAGIC or _check(version, body) != check:
            continue
        if version != FORMAT:
            raise JournalError(
                f"the segment has format {version}, this version reads format {FORMAT}: "
                "read it with the version that wrote it, or remove it"
            )
        try:
            return _decode(body)
        except msgspec.MsgspecError:
            continue
    return None


def _check(version: int, body: bytes) -> int:
    return crc32(body, version << 16 | len(body))


def segment_name(sequence: int, started_unix_ns: int) -> str:
    start = datetime.fromtimestamp(started_unix_ns // 1_000_000_000, UTC)
    return f"{sequence:010d}-{start:%Y%m%dT%H%M%SZ}.seg"


def sequence_of(name: str) -> int:
    """The sequence in a segment's file name; ValueError for another name."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not the name of a segment")
    return int(found[1])


def check_stream(stream: str) -> str:
    """ValueError unless the name can be a folder of its own."""
    if not _STREAM.fullmatch(stream):
        raise ValueError(f"{stream!r} is not a stream name: lower-case letters, digits, `_`, `.`, `-`, at most 63")
    return stream


def list_streams(directory: Path) -> tuple[str, ...]:
    """The streams of a journal, sorted; none where there is no such folder."""
    try:
        entries = [entry.name for entry in os.scandir(directory) if entry.is_dir() and _STREAM.fullmatch(entry.name)]
    except FileNotFoundError:
        return ()
    return tuple(sorted(entries))


def list_segments(directory: Path, stream: str) -> tuple[Segment, ...]:
    """The segments of a stream, oldest first. One that vanishes while we look is left out."""
    found: list[tuple[int, Path, os.stat_result]] = []
    try:
        entries = list(os.scandir(directory / stream))
    except FileNotFoundError:
        return ()
    for entry in entries:
        if not _NAME.fullmatch(entry.name):
            continue
        try:
            found.append((sequence_of(entry.name), Path(entry.path), entry.stat(follow_symlinks=False)))
        except FileNotFoundError:
            continue
    found.sort(key=lambda item: (item[0], item[1].name))
    newest = len(found) - 1
    return tuple(
        Segment(stream, sequence, path, stat.st_size, stat.st_mtime_ns, index == newest)
        for index, (sequence, path, stat) in enumerate(found)
    )


def read_items(
    file_descriptor: int, salt: int, offset: int, *, complete: bool
) -> Iterator[Frame | Damage | Incomplete]:
    """Every frame and damage from `offset` to the end of the file, in big reads.

    Not a memory map: the writer may truncate the file under us, and a map would then kill the process. One stretch of
    bytes without a header comes as one damage, however many reads it takes. `Incomplete` is the last item, if there
    is one.
    """
    want = _CHUNK_BYTES
    damage: Damage | None = None
    while True:
        data = os.pread(file_descriptor, want, offset)
        at_end = len(data) < want
        needed = 0
        for item in scan(data, base=offset, salt=salt, complete=complete and at_end):
            if isinstance(item, Damage) and item.reason != "body":
                damage = item if damage is None else Damage(damage.offset, item.end, damage.reason)
                offset = item.end
                continue
            if damage is not None and (at_end or not isinstance(item, Incomplete)):
                yield damage
                damage = None
            if not isinstance(item, Incomplete):
                yield item
                offset = item.end
                continue
            if at_end:
                yield item
                return
            offset, needed = item.offset, item.needed
        if at_end:
            if damage is not None:
                yield damage
            return
        want = max(_CHUNK_BYTES, needed)


def open_segment(path: Path) -> tuple[int, Preamble | None] | None:
    """(descriptor, preamble); None when retention has removed it."""
    try:
        file_descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return file_descriptor, read_preamble(file_descriptor)
    except BaseException:
        os.close(file_descriptor)
        raise


def count_records(path: Path) -> int:
    """The frames of one segment, those with a damaged body too; 0 when it cannot be read."""
    opened = open_segment(path)
    if opened is None:
        return 0
    file_descriptor, preamble = opened
    try:
        if preamble is None:
            return 0
        items = read_items(file_descriptor, preamble.salt, PREAMBLE_BYTES, complete=True)
        return sum(isinstance(item, Frame) or (isinstance(item, Damage) and item.reason == "body") for item in items)
    finally:
        os.close(file_descriptor)
