"""Our own ids: UUIDv7 (RFC 9562 section 5.7) and W3C trace and span ids. Clock and randomness are parameters.

A prediction id ends in the mark of the replica that made it, so that a label that comes back can be told from one of
another replica's without a look at any record. Looking it up would be exact, and would keep the caller and the loop
waiting for a disk; a set of all ids would not fit. The mark costs 16 of 74 random bits: in one millisecond a replica
may make 10,000 ids and meet one twice with a probability of 2e-10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from zlib import crc32

_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Ids:
    """One source of ids per process. `bits(n)` gives n random bits and must be seeded after the process was forked;
    `replica` is a name that every worker of this replica has, and no other one."""

    def __init__(self, bits: Callable[[int], int], replica: str = "") -> None:
        self._bits = bits
        self._mark = f"{crc32(replica.encode()) & 0xFFFF:04x}"

    def call_ids(self, unix_ns: int) -> tuple[str, str]:
        """(prediction id, 64 random hex digits) from one draw: what every call needs."""
        text = self._bits(320).to_bytes(40).hex()
        stamp = f"{unix_ns // 1_000_000:012x}"
        variant = _VARIANT[text[3]]
        return f"{stamp[:8]}-{stamp[8:]}-7{text[:3]}-{variant}{text[4:7]}-{text[7:15]}{self._mark}", text[15:79]

    def prediction_id(self, unix_ns: int) -> str:
        """A UUIDv7: 48 bits of milliseconds, 58 random bits, 16 of the replica."""
        return self.call_ids(unix_ns)[0]

    def made_here(self, prediction_id: str) -> bool:
        """Whether this replica made it. Of another replica's ids one in 65,536 looks as if."""
        return len(prediction_id) == 36 and prediction_id[14] == "7" and prediction_id[-4:] == self._mark
