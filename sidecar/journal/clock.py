"""The two clocks the journal reads; the module `time` is one."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def time_ns(self) -> int:
        """Wall time since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int: ...
