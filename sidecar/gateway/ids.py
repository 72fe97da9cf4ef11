"""Our own ids: UUIDv7 (RFC 9562 section 5.7) and W3C trace and span ids. Clock and randomness are parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Ids:
    """One source of ids per process. `bits(n)` gives n random bits and must be seeded after the process was forked."""

    def __init__(self, bits: Callable[[int], int]) -> None:
        self._bits = bits

    def call_ids(self, unix_ns: int) -> tuple[str, str]:
        """(prediction id, 64 random hex digits) from one draw: what every call needs."""
        text = self._bits(336).to_bytes(42).hex()
        stamp = f"{unix_ns // 1_000_000:012x}"
        variant = _VARIANT[text[3]]
        return f"{stamp[:8]}-{stamp[8:]}-7{text[:3]}-{variant}{text[4:7]}-{text[7:19]}", text[19:83]

    def prediction_id(self, unix_ns: int) -> str:
        """A UUIDv7: 48 bits of milliseconds, 74 random bits."""
        return self.call_ids(unix_ns)[0]
