"""Cells over rows → one verdict: all checks for all rows; the worst action decides a row, rows decide the request.

Precedence per row: reject > fallback > drop > repair > warn. All violations are counted; the weightiest are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from itertools import takewhile
from operator import itemgetter
from typing import Final, NamedTuple

from ..rows import MISSING, Change, Rows, Value
from ..verdict import ACCEPTED, MAX_LISTED_VIOLATIONS, Action, Outcome, Verdict, Violation
from .cell import INVALID, Cell
from .duplicates import UNIQUE, repeats
from .sections import Mode

_WEIGHT: Final[dict[Action, int]] = {
    Action.REJECT: 5,
    Action.FALLBACK: 4,
    Action.DROP: 3,
    Action.CLAMP: 2,
    Action.REPLACE: 2,
    Action.DEFAULT: 2,
    Action.SET_NULL: 2,
    Action.STRIP: 2,
    Action.WARN: 1,
    Action.IGNORE: 0,
}
_REJECT, _FALLBACK, _DROP, _REPAIR, _WARN = 5, 4, 3, 2, 1


def weight_of(action: Action) -> int:
    """How heavy an action is: the heaviest one decides a row."""
    return _WEIGHT[action]


# Codes travel in headers, metrics and records; a name that a caller made up must not.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_LENGTH: Final = 64
_LISTED_LENGTH: Final = 256  # of a feature's name where it is told: a caller may have made it up


class _Found(NamedTuple):
    """One violation, sortable: the heaviest first, then by row, then in policy order."""

    lightness: int
    row: int
    order: int
    code: str
    feature: str
    action: Action
    sentence: str
    in_body: bool
    enforced: bool
    between: tuple[str, ...]  # the features of the body that a rule is about


@dataclass(slots=True)
class Judgement:
    """What all cells of a batch say, before the batch is decided."""

    found: list[_Found] = field(default_factory=list)
    worst: dict[int, int] = field(default_factory=dict)  # row → the weight of its heaviest action
    observed: dict[int, int] = field(default_factory=dict)  # the same of checks that only observe
    repairs: list[Change] = field(default_factory=list)
    strips: list[Change] = field(default_factory=list)  # hold in every mode
    settled: dict[str, Sequence[Value]] = field(default_factory=dict)  # of the features that rules name

    def note(
        self,
        row: int,
        order: int,
        code: str,
        feature: str,
        action: Action,
        sentence: str,
        in_body: bool,
        enforced: bool = True,
        between: tuple[str, ...] = (),
    ) -> None:
        """One violation; `enforced` False: it is told and counted, and decides nothing."""
        weight = _WEIGHT[action]
        self.found.append(_Found(-weight, row, order, code, feature, action, sentence, in_body, enforced, between))
        worst = self.worst if enforced else self.observed
        if weight > worst.get(row, -1):
            worst[row] = weight


def examine(cells: Sequence[Cell], rows: Rows, now_seconds: float, wanted: frozenset[str] = frozenset()) -> Judgement:
    """Every cell of every row; of the features `wanted` by rules, the values that rules see are kept."""
    judgement = Judgement()
    columns = rows.columns
    for order, cell in enumerate(cells):
        column = columns[cell.name]
        if cell.slice_only and not cell.from_header:
            judgement.strips += strips_of(cell, column)
        settled: list[Value] | None = None
        if cell.name in wanted:
            settled = list(column)
            judgement.settled[cell.name] = settled
        for row in cell.screen(column):
            value = column[row]
            examined = cell.examine(value, now_seconds)
            if settled is not None:
                settled[row] = cell.settled(value, examined)
            if not examined.broken:
                continue
            for check, action in examined.broken:
                sentence = cell.sentences[check]
                judgement.note(row, order, cell.prefix + check, cell.name, action, sentence, not cell.from_header)
            if examined.repaired is not MISSING:
                judgement.repairs.append(Change(row, cell.name, examined.repaired))
        if cell.unique and rows.count > 1:
            _note_repeats(judgement, cell, order, column, now_seconds, settled)
    return judgement


def _note_repeats(
    judgement: Judgement,
    cell: Cell,
    order: int,
    column: Sequence[Value],
    now_seconds: float,
    settled: list[Value] | None,
) -> None:
    action = cell.action
    for row in repeats(cell, column, now_seconds):
        judgement.note(row, order, cell.prefix + UNIQUE, cell.name, action, cell.sentences[UNIQUE], True)
        if action is Action.SET_NULL:
            judgement.repairs.append(Change(row, cell.name, None))
        if settled is not None:
            settled[row] = None if action is Action.SET_NULL else INVALID


def renumber(judgement: Judgement, numbers: Sequence[int]) -> None:
    """From positions among the rows that were read to positions in the body."""
    judgement.found = [found._replace(row=numbers[found.row]) for found in judgement.found]
    judgement.worst = {numbers[row]: weight for row, weight in judgement.worst.items()}
    judgement.observed = {numbers[row]: weight for row, weight in judgement.observed.items()}
    judgement.repairs = [replace(change, row=numbers[change.row]) for change in judgement.repairs]
    judgement.strips = [replace(change, row=numbers[change.row]) for change in judgement.strips]


def only_strips(cells: Sequence[Cell], rows: Rows) -> Judgement:
    """Nothing is judged: only what is taken out in every mode."""
    judgement = Judgement()
    for cell in cells:
        if cell.slice_only and not cell.from_header:
            judgement.strips += strips_of(cell, rows.columns[cell.name])
    return judgement


def strips_of(cell: Cell, column: Sequence[Value]) -> list[Change]:
    """Changes that take one column out of the body."""
    return [Change(row, cell.name, MISSING) for row, value in enumerate(column) if value is not MISSING]


def name_unknown(judgement: Judgement, unknown: Mapping[str, Iterable[int]], action: Action, order: int) -> None:
    """Names that the body has and the contract has not."""
    for name, where in unknown.items():
        code = "unknown." + _UNSAFE.sub("_", name[:_NAME_LENGTH])
        for row in where:
            judgement.note(row, order, code, name, action, "is not a feature of this contract", True)
            if action is Action.STRIP:
                judgement.repairs.append(Change(row, name, MISSING))


class _Decided(NamedTuple):
    """What the rows of a batch ask for together; rows in order."""

    outcome: Outcome
    rejected: tuple[int, ...]
    fallback: tuple[int, ...]
    dropped: tuple[int, ...]
    repaired: int


def _decided(worst: Mapping[int, int], count: int, bad_rows: Action) -> _Decided:
    rejected = {row for row, weight in worst.items() if weight == _REJECT}
    fallback = {row for row, weight in worst.items() if weight == _FALLBACK}
    dropped = {row for row, weight in worst.items() if weight == _DROP}
    repaired = sum(1 for weight in worst.values() if weight == _REPAIR)
    if rejected and count > 1:
        if bad_rows is Action.FALLBACK:
            fallback |= rejected
            rejected = set()
        elif bad_rows is Action.DROP:
            dropped |= rejected
            rejected = set()
    if rejected or len(dropped) == count:  # a batch without a row to answer is refused, as a single row is
        rejected |= dropped
        dropped = set()
    if rejected or dropped:
        outcome = Outcome.REJECTED
    elif fallback:
        outcome = Outcome.FALLBACK
    elif repaired:
        outcome = Outcome.REPAIRED
    else:
        outcome = Outcome.OBSERVED if _WARN in worst.values() else Outcome.OK
    return _Decided(outcome, tuple(sorted(rejected)), tuple(sorted(fallback)), tuple(sorted(dropped)), repaired)


def decide(
    judgement: Judgement,
    rows: Rows,
    mode: Mode,
    *,
    bad_rows: Action,
    fallback_values: Mapping[str, Value] | None = None,
) -> Verdict:
    """The verdict of a batch. `bad_rows` is what a rejected row of several means: REJECT (the batch), FALLBACK or DROP.

    With `fallback_values` (answers) fallback rows get these as changes.
    """
    found, worst = judgement.found, judgement.worst
    strips = tuple(judgement.strips)
    if not found:
        return Verdict(Outcome.OK, changes=strips) if strips else ACCEPTED
    decided = _decided(worst, rows.count, bad_rows)
    would = decided.outcome
    if judgement.observed:
        everything = {
            row: max(worst.get(row, -1), judgement.observed.get(row, -1)) for row in {*worst, *judgement.observed}
        }
        would = _decided(everything, rows.count, bad_rows).outcome
    listed = _listed(found, rows)
    if mode is not Mode.ENFORCE:
        outcome = Outcome.OK if would is Outcome.OK else Outcome.OBSERVED
        return Verdict(outcome, would, listed, len(found), strips)
    if decided.rejected:
        return Verdict(Outcome.REJECTED, would, listed, len(found), rejected_rows=decided.rejected)
    outcome = Outcome.OBSERVED if decided.outcome is Outcome.OK and would is not Outcome.OK else decided.outcome
    fallback = decided.fallback
    changes: list[Change] = judgement.strips + judgement.repairs
    if fallback or decided.dropped:
        left = {*fallback, *decided.dropped}
        changes = [change for change in changes if change.row not in left]
    if fallback and fallback_values is not None:
        changes += [Change(row, name, value) for row in fallback for name, value in fallback_values.items()]
    return Verdict(
        outcome,
        would,
        listed,
        len(found),
        tuple(changes),
        fallback_rows=fallback,
        repaired_rows=decided.repaired,
        dropped_rows=decided.dropped,
    )


_weightiest: Final = itemgetter(0, 1, 2)


def _listed(found: list[_Found], rows: Rows) -> tuple[Violation, ...]:
    return tuple(
        [
            Violation(
                one.code,
                one.feature[:_LISTED_LENGTH],
                one.row,
                _pointer(one, rows),
                one.action,
                one.sentence,
                one.enforced,
            )
            for one in nsmallest(MAX_LISTED_VIOLATIONS, found, key=_weightiest)
        ]
    )


def _pointer(one: _Found, rows: Rows) -> str:
    """The place of the cell; of a rule, the deepest place that holds all its features."""
    if not one.in_body:
        return ""
    if not one.between:
        return rows.pointer(one.feature, one.row)
    tokens = [rows.pointer(name, one.row).split("/") for name in one.between]
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*tokens, strict=False))
    return "/".join(column[0] for column in shared)
