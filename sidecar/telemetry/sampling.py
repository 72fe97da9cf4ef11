"""Which exchanges become spans: pure, and the same in every process that asks about one trace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from ..errors import UpstreamFault
from ..exchange import Exchange, Shadow

_SAMPLED: Final = 0x01
_FAULTS: Final = frozenset(fault.value for fault in UpstreamFault)
ALWAYS: Final = ("rejected", "error", "slow")


def sampled_below(share: float) -> str:
    """The share as a bound for hexadecimal texts: traces whose id's last 16 digits sort before it are sampled.

    The gateway sets the flag of the traces that begin there with it: one comparison of texts a request.
    """
    bound = round(share * 2**64)
    return f"{bound:016x}" if bound < 2**64 else "g"  # after every digit


@dataclass(frozen=True, slots=True)
class Sampling:
    """`share` of the traces that begin here, what the caller samples, and `always`, whatever the share."""

    share: float = 0.05
    always: Collection[str] = ALWAYS  # rejected | error | slow | repaired | fallback
    slow_seconds: float = 1.0

    @classmethod
    def of(cls, section: Any) -> Sampling:
        """As the platform's `trace:` says, or the defaults."""
        if section is None:
            return cls()
        return cls(section.sample, section.always, section.slow)

    def keeps(self, record: Exchange) -> bool:
        """Whether this exchange is exported.

        The share is taken of the trace id's low 64 bits, as OpenTelemetry's TraceIdRatioBased takes it; the gateway has
        put it into the flag. A trace that the caller began goes on as the caller decided (ParentBased).
        """
        if record.parent_span_id:
            if record.trace_flags & _SAMPLED:
                return True
        elif record.trace_flags & _SAMPLED or int(record.trace_id[-16:], 16) < round(self.share * 2**64):
            return True
        return self._noteworthy(record)

    def keeps_copy(self, record: Shadow) -> bool:
        """Whether the span of a copy is exported: with the trace it was made of, or when it failed."""
        if not (record.sent_unix_ns and record.trace_id and record.link_trace_id):
            return False
        if "error" in self.always and (record.error or record.status >= 500):
            return True
        if record.trace_flags:  # as its `traceparent` said, after that of the call it is a copy of
            return bool(record.trace_flags & _SAMPLED)
        return int(record.link_trace_id[-16:], 16) < round(self.share * 2**64)  # a record that does not say

    def _noteworthy(self, record: Exchange) -> bool:
        always = self.always
        if record.verdict in always:  # rejected, repaired, fallback
            return True
        if "error" in always and (record.status >= 500 or record.upstream_status >= 500 or record.error in _FAULTS):
            return True
        return "slow" in always and record.total_ns >= self.slow_seconds * 1e9
