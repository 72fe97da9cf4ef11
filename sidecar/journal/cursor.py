"""How far a reader has come: one position per stream, small enough to be kept inside the reader's own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import JournalError
from .segment import sequence_of


@dataclass(frozen=True, slots=True)
class Position:
    """The next byte to read of one stream, and how many of the stream's records lie before it."""

    segment: str
    offset: int
    records: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """stream → position. A stream that is not in it is read from its oldest record."""

    positions: Mapping[str, Position] = field(default_factory=dict)

    def to_plain(self) -> dict[str, list[str | int]]:
        """JSON-ready: `{"hot-0": ["0000000003-20260102T030405Z.seg", 5120, 17]}`."""
        return {
            stream: [position.segment, position.offset, position.records]
            for stream, position in sorted(self.positions.items())
        }

    @classmethod
    def from_plain(cls, plain: Any) -> Cursor:
        """JournalError when it is not what `to_plain` made."""
        positions: dict[str, Position] = {}
        try:
            for stream, (segment, offset, records) in plain.items():
                sequence_of(segment)
                if not (isinstance(offset, int) and isinstance(records, int) and offset >= 0 and records >= 0):
                    raise ValueError("offset and records are whole numbers from 0 on")
                positions[str(stream)] = Position(segment, offset, records)
        except (AttributeError, TypeError, ValueError) as error:
            raise JournalError(f"not a cursor: {error}") from error
        return cls(positions)
