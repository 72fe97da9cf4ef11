"""Records that could not be written and are not told yet: a gap by reason, until a frame of it is in the journal."""

from __future__ import annotations

from dataclasses import dataclass

from ..exchange import Gap


@dataclass(slots=True)
class _Open:
    first_unix_ns: int
    last_unix_ns: int
    records: int = 0


class Gaps:
    """In the order in which their reasons came up. True where there is one."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def note(self, reason: str, now_unix_ns: int) -> None:
        """One more record is lost."""
        gap = self._open.setdefault(reason, _Open(now_unix_ns, now_unix_ns))
        gap.last_unix_ns = now_unix_ns
        gap.records += 1

    def untold(self) -> list[Gap]:
        """What the journal must say."""
        return [
            Gap(from_unix_ns=gap.first_unix_ns, to_unix_ns=gap.last_unix_ns, records=gap.records, reason=reason)
            for reason, gap in self._open.items()
        ]

    def told(self, gap: Gap) -> None:
        """It is in the journal now."""
        del self._open[gap.reason]
