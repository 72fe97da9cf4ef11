"""A batch row by row: what enforcing the contract does with each of them, for readers of records."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..verdict import MAX_LISTED_VIOLATIONS, Action, Outcome
from .judge import Judgement, weight_of

_OUTCOMES: Final = {
    weight_of(Action.REJECT): Outcome.REJECTED,
    weight_of(Action.FALLBACK): Outcome.FALLBACK,
    weight_of(Action.DROP): Outcome.REJECTED,
    weight_of(Action.CLAMP): Outcome.REPAIRED,
    weight_of(Action.WARN): Outcome.OBSERVED,
}


class Broken(NamedTuple):
    """One broken check of a row; `enforced` False: it only observes."""

    code: str
    feature: str
    action: Action
    enforced: bool


class RowVerdict(NamedTuple):
    """One row by itself: the word for what is done with it, and why (at most as many as a record lists)."""

    outcome: Outcome
    broken: tuple[Broken, ...] = ()


CLEAN: Final = RowVerdict(Outcome.OK)


def by_row(judgement: Judgement, count: int, bad_rows: Action, *, everything: bool = False) -> list[RowVerdict]:
    """One verdict a row; with `everything`, rules that only observe count, too. A rejected row of several
    falls back where `bad_rows` says so; what the batch then means for the other rows is left out."""
    if not judgement.found:
        return [CLEAN] * count
    broken: dict[int, list[Broken]] = {}
    for found in sorted(judgement.found, key=lambda one: one[:3]):
        of_row = broken.setdefault(found.row, [])
        if len(of_row) < MAX_LISTED_VIOLATIONS:
            of_row.append(Broken(found.code, found.feature, found.action, found.enforced))
    falls_back = bad_rows is Action.FALLBACK and count > 1
    verdicts = []
    for row in range(count):
        weight, observed = judgement.worst.get(row, 0), judgement.observed.get(row, 0)
        if everything:
            weight = max(weight, observed)
        outcome = _OUTCOMES.get(weight, Outcome.OK)
        if outcome is Outcome.OK and _OUTCOMES.get(observed, Outcome.OK) is not Outcome.OK:
            outcome = Outcome.OBSERVED
        if outcome is Outcome.REJECTED and falls_back and weight == weight_of(Action.REJECT):
            outcome = Outcome.FALLBACK
        verdicts.append(RowVerdict(outcome, tuple(broken.get(row, ()))))
    return verdicts
