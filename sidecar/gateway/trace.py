"""W3C Trace Context: read what a caller sent, say what the model server gets."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ZERO_TRACE: Final = b"0" * 32
_ZERO_SPAN: Final = b"0" * 16
_SAMPLED_FLAG: Final = 0x01
_RANDOM_FLAG: Final = 0x02  # Level 2: the trace id's right-most 56 bits are random
_KNOWN_FLAGS: Final = 0x03


class TraceContext(NamedTuple):
    """`continued` = the caller's trace goes on, so its `tracestate` is forwarded untouched; otherwise it is dropped."""

    trace_id: str
    parent_span_id: str
    span_id: str
    client_span_id: str
    flags: int
    continued: bool

    @property
    def traceparent(self) -> bytes:
        """The header of the upstream leg: a new parent-id, the same trace, version 00."""
        return f"00-{self.trace_id}-{self.client_span_id}-{self.flags:02x}".encode()


def trace_context(traceparents: list[bytes], random_hex: str, *, trust: bool, sampled_below: str = "") -> TraceContext:
    """Continue a valid single `traceparent`, start a new trace otherwise; `random_hex` has 64 random digits.

    A trace that begins here is sampled when its id's low 64 bits are below `sampled_below`
    (`telemetry.sampling.sampled_below`), so that the model server, the candidate and our own spans agree; "" = never.
    A higher version is read as 00, unknown flags become 0 (W3C Trace Context sections 3.2.2 and 4.3).
    """
    span, client_span = random_hex[32:48], random_hex[48:64]
    if traceparents and trust and len(traceparents) == 1:
        match = _TRACEPARENT.fullmatch(traceparents[0])
        if match is not None:
            version, trace_id, parent, flags, rest = match.groups()
            known = version != b"ff" and not (version == b"00" and rest)
            if known and trace_id != _ZERO_TRACE and parent != _ZERO_SPAN:
                kept = int(flags, 16) & _KNOWN_FLAGS
                return TraceContext(trace_id.decode(), parent.decode(), span, client_span, kept, True)
    begun = _RANDOM_FLAG | _SAMPLED_FLAG if random_hex[16:32] < sampled_below else _RANDOM_FLAG
    return TraceContext(random_hex[:32], "", span, client_span, begun, False)
