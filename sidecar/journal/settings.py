"""The `journal:` section: how durable, how big, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ..yamldoc import ByteSize, Seconds, key

Durability: TypeAlias = Literal["written", "fsync"]
WhenFull: TypeAlias = Literal["drop_oldest", "refuse_traffic"]

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
LARGEST_SEGMENT_BYTES: Final = 64 * MIB
SMALLEST_SEGMENT_BYTES: Final = 16 * KIB
SEGMENTS_UNDER_CAP: Final = 16
SHORTEST_SEGMENT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """What is kept on local disk, and what happens when it is full."""

    durability: Durability = key(
        "written",
        doc="`written`: a record is in the page cache before its answer leaves and survives the death of the process; "
        "`fsync`: it is on the disk, too, and survives the death of the machine.",
    )
    max_bytes: ByteSize = key(1 * GIB, doc="The most that all streams together take on disk.")
    max_payload: ByteSize = key(
        256 * KIB, doc="The largest body kept with its record; of a larger one, its digest and size."
    )
    max_age: Seconds | None = key(
        3600.0,
        doc="How long a record is kept once every observer that must have it (archive, forward) has read it; "
        "`off` keeps it until `max_bytes` asks for its place.",
    )
    when_full: WhenFull = key(
        "drop_oldest",
        doc="At `max_bytes`: `drop_oldest` removes the oldest records, read or not, and counts them; "
        "`refuse_traffic` answers 503 until there is room.",
    )

    @property
    def segment_bytes(self) -> int:
        """The size at which a segment is closed and the next one opened: small beside the cap."""
        return segment_bytes(self.max_bytes)

    @property
    def segment_seconds(self) -> float:
        """The age at which a segment is closed, so that `max_age` can be kept to within a sixteenth."""
        if self.max_age is None:
            return float("inf")
        return max(SHORTEST_SEGMENT_SECONDS, self.max_age / SEGMENTS_UNDER_CAP)


def segment_bytes(max_bytes: int) -> int:
    """Segment size for a cap."""
    return max(SMALLEST_SEGMENT_BYTES, min(LARGEST_SEGMENT_BYTES, max_bytes // SEGMENTS_UNDER_CAP))
