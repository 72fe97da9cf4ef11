"""That records begin to be lost, and that they are kept again: said once each, looked at each second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..journal import StatsPage, Writer
from ..telemetry import metrics

STEADY_LOOKS: Final = 10  # without a loss: a disk that takes one record and not the next is not well yet
_OF_THE_DISK: Final = [reason for reason in metrics.JOURNAL_DROP_REASONS if reason not in ("too_large", "closed")]


class Dropping:
    """Of one stream. `look` is called about once a second."""

    def __init__(self, writer: Writer, page: StatsPage, say: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._writer = writer
        self._page = page
        self._say = say
        self._before = self._lost()  # the page may be older than this process
        self._began: dict[str, int] | None = None
        self._quiet = 0

    def look(self) -> None:
        """Compare with the look before."""
        lost = self._lost()
        reasons = [reason for reason, count in lost.items() if count != self._before[reason]]
        if self._writer.failing and self._writer.why not in reasons:
            reasons.append(self._writer.why)
        if reasons:
            self._quiet = 0
            if self._began is None:
                self._began = self._before
                self._say("journal.dropping", {"stream": self._writer.stream, "reasons": reasons})
        elif self._began is not None:
            self._quiet += 1
            if self._quiet >= STEADY_LOOKS:
                dropped = sum(lost.values()) - sum(self._began.values())
                self._began = None
                self._say("journal.recovered", {"stream": self._writer.stream, "dropped": dropped})
        self._before = lost

    def _lost(self) -> dict[str, int]:
        return {reason: int(self._page.counters[metrics.JOURNAL_DROPPED.at(reason)]) for reason in _OF_THE_DISK}
