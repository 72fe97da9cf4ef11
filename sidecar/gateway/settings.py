"""What the platform's owner sets for the data port; durations in seconds, sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STAMPS: Final = frozenset(
    {"x-prediction-id", "x-request-id", "x-model-version", "x-policy", "x-contract-verdict", "server-timing"}
)


@dataclass(frozen=True, slots=True)
class UpstreamTimeouts:
    """None = off. `idle` is the longest silence inside an answer; `total` runs from the request's first byte."""

    first_byte_seconds: float | None = None
    idle_seconds: float | None = None
    total_seconds: float | None = None

    @property
    def on(self) -> bool:
        """Whether any of them is."""
        return any(limit is not None for limit in (self.first_byte_seconds, self.idle_seconds, self.total_seconds))


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The limits marked [enforce] refuse only while a policy enforces; before that they are counted as would_refuse."""

    max_body_bytes: int = 16 * 1024 * 1024  # [enforce] of one request body that must be judged
    max_answer_bytes: int = 16 * 1024 * 1024  # of one answer that must be judged; a larger one is `unchecked`
    buffered_bytes_budget: int = 256 * 1024 * 1024  # [enforce] of all bodies held at a time
    max_in_flight: int | None = None  # [enforce]
    max_connections: int = 16_384
    when_full: str = "drop_oldest"
    durability: str = "written"  # "fsync": an answer waits until its record is on the disk
    max_payload_bytes: int = 256 * 1024  # of a body kept in the record; beyond: digest and size
    judge_in_thread_bytes: int = 32 * 1024  # bodies above this are explained off the event loop
    head_timeout_seconds: float = 20.0
    body_timeout_seconds: float = 60.0
    keepalive_timeout_seconds: float = 75.0
    write_timeout_seconds: float = 60.0
    linger_seconds: float = 2.0
    upstream: UpstreamTimeouts = UpstreamTimeouts()
    trust_trace: bool = True
    trace_sampled_below: str = ""  # which traces that begin here are sampled: `telemetry.sampling.sampled_below`
    caller_header: str = "x-caller"
    via: str = "sidecar"
    recorded_headers: frozenset[str] = frozenset({"user-agent", "content-type", "x-shadow"})
    stamps: frozenset[str] = STAMPS
    feedback_token: str = ""
    environment: str = ""
