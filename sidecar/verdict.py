"""What a check found, as values: violations, the changes that mend them, one verdict per request or answer.

No HTTP, no I/O, no clock. The same verdict is applied (enforce) or only recorded (observe).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .rows import Change


class Action(StrEnum):
    """What a violated check asks for. Precedence per row: reject > fallback > drop > repairs > warn."""

    REJECT = "reject"
    FALLBACK = "fallback"
    DROP = "drop"
    CLAMP = "clamp"
    REPLACE = "replace"
    DEFAULT = "default"
    SET_NULL = "set_null"
    STRIP = "strip"
    WARN = "warn"
    IGNORE = "ignore"


class Outcome(StrEnum):
    """The word in `x-contract-verdict` and in the record."""

    OK = "ok"
    OBSERVED = "observed"  # violations were seen and nothing was done about them
    REPAIRED = "repaired"
    FALLBACK = "fallback"
    UNCHECKED = "unchecked"  # could not be looked at; never silently fine
    REJECTED = "rejected"


# Where several outcomes meet, the one of the highest rank tells of them all.
RANK: Final[dict[Outcome, int]] = {
    outcome: rank
    for rank, outcome in enumerate(
        (Outcome.OK, Outcome.OBSERVED, Outcome.REPAIRED, Outcome.UNCHECKED, Outcome.FALLBACK, Outcome.REJECTED)
    )
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken check on one row.

    `code` is stable (`age.min`, `prediction.score.max`, `contract.rows`); `applied` is the action the policy asks
    for; `pointer` the RFC 6901 pointer in the body as sent; `message` says what is expected, never the value seen.
    `enforced` False: the check only observes, whatever the contract does; it is told and counted, never acted upon.
    """

    code: str
    feature: str
    row: int
    pointer: str
    applied: Action
    message: str
    enforced: bool = True


MAX_LISTED_VIOLATIONS = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one request (or one answer), and why.

    `outcome` is what is applied in the mode in force; `would` is what enforce would have done. `changes` are the
    cell changes to apply (in observe mode only those that hold in every mode, like taking slice_only features out).
    `fallback_rows` are not sent (request) or answered with the policy's fallback values (reply); `dropped_rows` are
    left out of a batch whose other rows go on, and answered by null; `total` counts all violations, of which at most
    `MAX_LISTED_VIOLATIONS` are listed; `repaired_rows` counts rows that a repair touched.
    """

    outcome: Outcome
    would: Outcome = Outcome.OK
    violations: tuple[Violation, ...] = ()
    total: int = 0
    changes: tuple[Change, ...] = ()
    fallback_rows: tuple[int, ...] = ()
    rejected_rows: tuple[int, ...] = ()
    repaired_rows: int = 0
    reason: str = ""  # for UNCHECKED: the WireFault or another word of a closed set
    dropped_rows: tuple[int, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the whole is refused; REJECTED with `dropped_rows` is a batch that goes on without these."""
        return self.outcome is Outcome.REJECTED and not self.dropped_rows

    @property
    def codes(self) -> tuple[str, ...]:
        """Distinct codes in order of first appearance."""
        return tuple(dict.fromkeys(violation.code for violation in self.violations))


ACCEPTED = Verdict(Outcome.OK)
