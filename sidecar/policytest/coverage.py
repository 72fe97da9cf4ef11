"""Which checks, rules and actions of a contract the tests have seen at work: each check once holding and once broken.

`stated` checks are those the policy writes down (min, values, pattern, missing_values, …); `implied` ones come with a
type and with what may not be missing or null. Coverage asks for the stated ones; the implied ones are told beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from ..contract import Compiled, Mode
from ..contract.cell import Cell
from ..guard import Guard
from ..rows import MISSING, Rows
from ..verdict import Action
from .play import Played
from .rules import BROKEN, HELD, judged_rules, rule_ids
from .trace import DEPRECATED, MISSING_VALUES, implied, stated, trace

Kind: TypeAlias = Literal["check", "implied", "rule", "action"]
UNKNOWN: Final = "unknown_features"
BAD_ROWS: Final = "on_bad_rows"


@dataclass(slots=True)
class Item:
    """One thing to be seen at work. An action has no `held`: to be applied once is enough."""

    kind: Kind
    code: str
    held: int = 0
    broken: int = 0

    @property
    def covered(self) -> bool:
        """Whether the tests have seen all of it."""
        return self.broken > 0 and (self.kind == "action" or self.held > 0)

    @property
    def missing(self) -> str:
        """What no test has seen, in a few words; "" = nothing."""
        if self.covered:
            return ""
        if self.kind == "action":
            return "never applied"
        if not self.held and not self.broken:
            return "never judged"
        return "never broken" if self.held else "never held"


@dataclass(frozen=True, slots=True)
class Coverage:
    """All items of one policy, in policy order."""

    items: tuple[Item, ...]

    def uncovered(self, *, everything: bool = False) -> tuple[Item, ...]:
        """Stated checks, rules and actions that are not covered; with `everything` the implied checks too."""
        return tuple(item for item in self.items if not item.covered and (everything or item.kind != "implied"))

    def counts(self, *, everything: bool = False) -> tuple[int, int]:
        """(covered, all)."""
        asked = [item for item in self.items if everything or item.kind != "implied"]
        return sum(item.covered for item in asked), len(asked)


@dataclass(slots=True)
class Tally:
    """The items of one contract, and what has been seen of them so far."""

    contract: Compiled
    items: dict[str, Item] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for cell in (*self.contract.cells, *self.contract.answers):
            for name in stated(cell):
                self._new("check", cell.prefix + name)
            if cell.unique:
                self._new("check", f"{cell.prefix}unique")
            for name in implied(cell):
                if cell.prefix + name not in self.items:
                    self._new("implied", cell.prefix + name)
            for name in _actions(cell):
                self._new("action", name)
        for rule in rule_ids(self.contract):
            self._new("rule", f"rule.{rule}")
        if self.contract.closed:
            self._new("action", f"{UNKNOWN}: {self.contract.unknown}")
        if self.contract.bad_rows is not Action.REJECT:
            self._new("action", _bad_rows(self.contract))

    def _new(self, kind: Kind, code: str) -> None:
        self.items[code] = Item(kind, code)

    def coverage(self) -> Coverage:
        """What has been seen, as it stands."""
        return Coverage(tuple(self.items.values()))

    def add(self, guard: Guard, played: Played) -> None:
        """One call. Only what was judged counts: not a body that could not be read, nor `mode: off`."""
        asked = played.asked
        if guard.mode(asked.caller) is Mode.OFF:
            return
        if played.rows is not None and played.judged.fault is None:
            self._cells(self.contract.cells, played.rows, asked.now_seconds)
            self._batch(played, played.rows)
        answer = played.answer
        if answer is not None and played.reply is not None and "prediction.rows" not in played.reply.verdict.codes:
            self._cells(self.contract.answers, answer, asked.now_seconds)

    def _cells(self, cells: Sequence[Cell], rows: Rows, now_seconds: float) -> None:
        for cell in cells:
            for value in rows.columns.get(cell.name, ()):
                examined, ran = trace(cell, value, now_seconds)
                for check in ran:
                    self._seen(cell.prefix + check.check, held=check.held)
                for _, action in examined.broken:
                    self._seen(_action(cell, action), held=False)

    def _batch(self, played: Played, rows: Rows) -> None:
        verdict, contract = played.judged.verdict, self.contract
        for cell in contract.cells:
            if cell.unique and rows.count > 1:
                self._seen(f"{cell.prefix}unique", held=f"{cell.prefix}unique" not in verdict.codes)
        if rows.unknown:
            self._seen(f"{UNKNOWN}: {contract.unknown}", held=False)
        moved = verdict.fallback_rows if contract.bad_rows is Action.FALLBACK else verdict.dropped_rows
        refused = {violation.row for violation in verdict.violations if violation.applied is Action.REJECT}
        if rows.count > 1 and refused.intersection(moved):
            self._seen(_bad_rows(contract), held=False)
        for judged in judged_rules(contract, rows, asked=played.asked):
            if judged.outcome in (HELD, BROKEN):
                self._seen(f"rule.{judged.id}", held=judged.outcome == HELD)

    def _seen(self, code: str, *, held: bool) -> None:
        item = self.items.get(code)
        if item is None:
            return
        if held:
            item.held += 1
        else:
            item.broken += 1


def _actions(cell: Cell) -> Iterator[str]:
    """What the policy does about this value: its own action where a check is stated, and a default."""
    if cell.default is not MISSING:
        yield _action(cell, Action.DEFAULT)
    if [name for name in stated(cell) if name not in (MISSING_VALUES, DEPRECATED)]:
        yield _action(cell, cell.action)


def _action(cell: Cell, action: Action) -> str:
    return f"{cell.prefix}{'default' if action is Action.DEFAULT else f'on_violation: {action}'}"


def _bad_rows(contract: Compiled) -> str:
    return f"{BAD_ROWS}: {'drop_rows' if contract.bad_rows is Action.DROP else contract.bad_rows}"
