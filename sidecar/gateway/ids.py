"""Our own ids: UUIDv7 (RFC 9562 section 5.7) and W3C trace and span ids. Clock and randomness are parameters."""

from __future__ import annotations

from collections.abc import Callable


class Ids:
    """One source of ids per process. `bits(n)` gives n random bits and must be seeded after the process was forked."""

    def __init__(self, bits: Callable[[int], int]) -> None:
        self._bits = bits

    def prediction_id(self, unix_ns: int) -> str:
        """A UUIDv7: 48 bits of milliseconds, 74 random bits."""
        bits = self._bits(74)
        text = f"{unix_ns // 1_000_000:012x}7{bits >> 62:03x}{bits & 0x3FFFFFFFFFFFFFFF | 0x8000000000000000:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def trace_id(self) -> str:
        """32 lower hex digits, never all zero."""
        return f"{self._bits(128) | 1:032x}"

    def span_id(self) -> str:
        """16 lower hex digits, never all zero."""
        return f"{self._bits(64) | 1:016x}"
