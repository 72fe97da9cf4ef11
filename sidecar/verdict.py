"""What a check found, as values: violations, the changes that mend them, one verdict per request or answer.

No HTTP, no I/O, no clock. The same verdict is applied (enforce) or only recorded (observe).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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


# Every word for what became of a row or a call, by gravity: where several meet, the gravest tells of them all.
_WORDS: Final = ("ok", "observed", "repaired", "unchecked", "dropped", "fallback", "rejected", "interrupted")
RANK: Final[dict[str, int]] = {word: rank for rank, word in enumerate(_WORDS, 1)}


def gravest(words: Iterable[str]) -> str:
    """The gravest of these words, at least one; a word that is none of ours weighs nothing."""
    return max(words, key=lambda word: RANK.get(word, 0))


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


def in_request(reply: Verdict, rows: int, left_out: Sequence[int]) -> Verdict:
    """A verdict on an answer, its rows counted as the request's `rows`, of which `left_out` were not sent."""
    if not left_out or not (reply.fallback_rows or reply.rejected_rows or reply.dropped_rows):
        return reply
    absent = frozenset(left_out)
    sent = [row for row in range(rows) if row not in absent]
    return replace(
        reply,
        fallback_rows=tuple([sent[row] for row in reply.fallback_rows if row < len(sent)]),
        rejected_rows=tuple([sent[row] for row in reply.rejected_rows if row < len(sent)]),
        dropped_rows=tuple([sent[row] for row in reply.dropped_rows if row < len(sent)]),
    )


def both(request: Verdict, reply: Verdict) -> Verdict:
    """One verdict for a call: the graver outcome of its two sides, with what was found on both.

    Rows of both count the request's (`in_request`). A call that is refused has no dropped rows: nothing is answered.
    """
    if reply is ACCEPTED:
        return request
    dropped = () if request.refused or reply.refused else (*request.dropped_rows, *reply.dropped_rows)
    graver = reply if RANK[reply.outcome] >= RANK[request.outcome] else request
    return Verdict(
        outcome=graver.outcome,
        would=reply.would if RANK[reply.would] >= RANK[request.would] else request.would,
        violations=request.violations + reply.violations,
        total=request.total + reply.total,
        fallback_rows=tuple(sorted({*request.fallback_rows, *reply.fallback_rows})),
        rejected_rows=tuple(sorted({*request.rejected_rows, *reply.rejected_rows})),
        repaired_rows=max(request.repaired_rows, reply.repaired_rows),
        reason=graver.reason,
        dropped_rows=tuple(sorted(dropped)),
    )


def fallen_back(verdict: Verdict, rows: int, dropped_rows: tuple[int, ...]) -> Verdict:
    """The same call, answered with fallback values for each of its `rows` that was not dropped."""
    absent = frozenset(dropped_rows)
    left = tuple([row for row in range(rows) if row not in absent])
    outcome = Outcome.REJECTED if dropped_rows else Outcome.FALLBACK
    return replace(verdict, outcome=outcome, fallback_rows=left, dropped_rows=dropped_rows, rejected_rows=())
