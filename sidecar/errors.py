"""Every error this package raises on purpose. None of them knows HTTP.

    SidecarError
    ├── WireError           a body does not speak the protocol it was sent as
    ├── PolicyError         a policy or platform file cannot be used
    ├── JournalError        the journal cannot be opened or read
    └── RuntimeSetupError   a port, a lock, a key or a flag stops us from starting

Outcomes of a check are values (`verdict.Verdict`), and so is what goes wrong upstream (`UpstreamFault`).
"""

from __future__ import annotations

from enum import StrEnum


class SidecarError(Exception):
    """The root: catch this to catch all that we raise on purpose."""


class WireFault(StrEnum):
    """Why a body could not be turned into rows: the closed set of `unchecked;reason=…`."""

    MALFORMED = "malformed"  # not the protocol's syntax at all
    AMBIGUOUS = "ambiguous"  # two readers could read it differently: duplicate keys, duplicate tensors
    SHAPE = "shape"  # syntax is right, the arithmetic is not: shape and data disagree, ragged rows
    UNSUPPORTED = "unsupported"  # an encoding, content type or feature we cannot look into
    TOO_LARGE = "too_large"  # deeper, longer or bigger than a check may spend on


class WireError(SidecarError):
    """A body that cannot be read as rows.

    `pointer` is the RFC 6901 pointer of the culprit ("" = the whole body), `offset` its byte position where known.
    The message never holds a value from the body.
    """

    def __init__(self, fault: WireFault, message: str, *, pointer: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.pointer = pointer
        self.offset = offset


class PolicyError(SidecarError):
    """A policy that cannot be used; the findings say why."""


class JournalError(SidecarError):
    """The journal cannot be opened, or a reader was asked for what is not there."""


class UpstreamFault(StrEnum):
    """What went wrong on the upstream leg: a closed set, used in records and metrics."""

    CONNECT = "connect_error"  # refused, unreachable, no name: nothing was sent
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    RESET = "reset"  # closed or reset after the request was sent, before an answer
    TRUNCATED = "truncated"  # closed in the middle of an answer
    BAD_ANSWER = "bad_answer"  # not HTTP, or framing we refuse
    SHED = "shed"  # max_in_flight reached: nothing was sent


class RuntimeSetupError(SidecarError):
    """We cannot start or go on: the message says what, where and how to fix it."""
