"""How each rule of a contract ended for each row: held, broken, undecided, or not asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..contract import Compiled
from ..contract.cell import INVALID
from ..contract.judge import examine
from ..contract.rules import PREFIX, CompiledRule
from ..expression import Expression
from ..rows import MISSING, Rows, Value
from .play import Asked

HELD, BROKEN, UNDECIDED, NOT_ASKED = "held", "broken", "undecided", "not asked"


class JudgedRule(NamedTuple):
    """One rule on one row.

    `outcome` is held, broken, undecided or not asked (its `when` does not hold); `because` names the features without a
    usable value that left it undecided. `applied` is the action of a broken rule; `enforced` False: it only observes.
    """

    id: str
    row: int
    outcome: str
    when: str
    expect: str
    because: tuple[str, ...]
    applied: str | None
    enforced: bool


def rule_ids(contract: Compiled) -> tuple[str, ...]:
    """The rules in force, by id, in policy order."""
    return tuple(rule.code.removeprefix(PREFIX) for rule in contract.rules)


def judged_rules(contract: Compiled, rows: Rows, *, asked: Asked) -> Iterator[JudgedRule]:
    """Every rule on every row, on the values that rules see: repaired ones."""
    if not contract.rules:
        return
    settled = examine(contract.cells, rows, asked.now_seconds, contract.named_by_rules).settled
    for rule in contract.rules:
        for row in range(rows.count):
            yield _judged(rule, row, settled)


def _judged(rule: CompiledRule, row: int, settled: Mapping[str, Sequence[Value]]) -> JudgedRule:
    values = {name: settled[name][row] for name in rule.expression.names}
    answer = rule.expression.row(values)
    chosen = rule.when.row(values) if rule.when is not None else True
    if answer is False:
        outcome = BROKEN
    elif chosen is False:
        outcome = NOT_ASKED
    else:
        outcome = HELD if answer else UNDECIDED
    because: tuple[str, ...] = ()
    if outcome is UNDECIDED:
        because = tuple(name for name, value in values.items() if value is None or value in (MISSING, INVALID))
    return JudgedRule(
        id=rule.code.removeprefix(PREFIX),
        row=row,
        outcome=outcome,
        when=_text(rule.when),
        expect=_text(rule.expect),
        because=because,
        applied=rule.action.value if outcome is BROKEN else None,
        enforced=rule.enforced,
    )


def _text(expression: Expression | None) -> str:
    return expression.text if expression is not None else ""
