"""What is told to a caller who does not get the model's answer; wire members give it their protocol's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .verdict import Violation


class Disclosure(StrEnum):
    """How much of a violation callers may see."""

    FULL = "full"  # codes, pointers and the sentence of each check
    CODES = "codes"  # codes and pointers
    MINIMAL = "minimal"  # that it was refused, and the request id


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is the last segment of the RFC 9457 type (`contract-violation`); values from the body are never in it.

    `fault` says who can mend it (caller | model); `contacts` who answers for a check where that is not `contact`: by
    feature, or by code (`rule.ID`); `headers` names the request header that a feature comes from, if not the body.
    """

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
    allow: str = ""  # the methods this path takes: every 405 says them (RFC 9110 section 15.5.6)
    fault: str = ""
    contacts: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def contact_of(self, violation: Violation) -> str:
        """Whom to ask about one violation."""
        return self.contacts.get(violation.code) or self.contacts.get(violation.feature) or self.contact

    def place_of(self, violation: Violation) -> str:
        """Where its value stands: an RFC 6901 pointer into the body as sent, `header NAME`, or "" for the whole."""
        header = "" if violation.pointer else self.headers.get(violation.feature, "")
        return f"header {header}" if header else violation.pointer
