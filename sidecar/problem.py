"""What is told to a caller who does not get the model's answer; wire members give it their protocol's shape."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .verdict import Violation


class Disclosure(StrEnum):
    """How much of a violation callers may see."""

    FULL = "full"  # codes, pointers and the sentence of each check
    CODES = "codes"  # codes and pointers
    MINIMAL = "minimal"  # that it was refused, and the request id


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is the last segment of the RFC 9457 type (`contract-violation`); values from the body are never in it."""

    status: int
    kind: str
    title: str
    detail: str
    request_id: str = ""
    trace_id: str = ""
    policy: str = ""
    contact: str = ""
    violations: tuple[Violation, ...] = ()
    violations_total: int = 0
    rows: int = 0
    rows_refused: int = 0
    disclosure: Disclosure = Disclosure.CODES
    retry_after_seconds: int | None = None
