"""A contract ready to judge: immutable, shared by all requests of one policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..expression import Declared
from ..problem import Disclosure
from ..rows import MISSING, Rows, RowTest, TypedFeature, Value
from ..verdict import ACCEPTED, Action, Outcome, Verdict, Violation
from . import judge
from .cell import INVALID, Cell
from .rowwise import RowVerdict, by_row
from .rules import CompiledRule, find_broken, row_test
from .sections import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One contract. All methods are pure and raise nothing for bad data.

    `features` maps names to their `from:` in policy order; `predictions` names what answers hold, checked or set by
    fallback; `closed` says that the exact path must see unknown names; `on_guard_error` counts where enforcing.
    """

    features: Mapping[str, str]
    predictions: tuple[str, ...]
    closed: bool
    stripped_headers: tuple[str, ...]
    fallback_values: Mapping[str, Value] | None
    fallback_on: frozenset[str]
    on_guard_error: Literal["pass", "reject"]
    errors: Disclosure
    default_mode: Mode
    caller_modes: Mapping[str, Mode]
    cells: tuple[Cell, ...]
    answers: tuple[Cell, ...]
    unknown: Action
    bad_rows: Action  # REJECT, FALLBACK or DROP: what a bad row does to its batch
    request_proof: Mapping[str, TypedFeature] | None
    reply_proof: Mapping[str, TypedFeature] | None
    rules: tuple[CompiledRule, ...] = ()
    named_by_rules: frozenset[str] = frozenset()
    feature_names: Declared = field(default_factory=lambda: Declared({}))  # what expressions may say of a row

    def mode(self, caller: str) -> Mode:
        """The mode in force for a caller by name."""
        return self.caller_modes.get(caller, self.default_mode)

    @property
    def compares_rows(self) -> bool:
        """Whether a row can be bad because of another row of its request: types prove rows one by one only."""
        return any(cell.unique for cell in self.cells)

    @property
    def may_enforce(self) -> bool:
        """Whether any caller's verdicts are applied."""
        return self.default_mode is Mode.ENFORCE or Mode.ENFORCE in self.caller_modes.values()

    def request_types(self) -> Mapping[str, TypedFeature] | None:
        """Types that prove a request clean: no violation and no change, in any mode. None: no types can.

        Where the contract `compares_rows` that holds for requests of one row.
        """
        return self.request_proof

    def reply_types(self) -> Mapping[str, TypedFeature] | None:
        """As `request_types`, for answers; {} where predictions are not checked."""
        return self.reply_proof

    def settled(self, row: Mapping[str, Value], names: Collection[str], now_seconds: float) -> dict[str, Value]:
        """The values that expressions see of one row as it came or as it was repaired."""
        found: dict[str, Value] = {}
        for cell in self.cells:
            if cell.name in names:
                value = row.get(cell.name, MISSING)
                found[cell.name] = cell.settled(value, cell.examine(value, now_seconds))
        return found

    def request_rules(self) -> tuple[RowTest, ...]:
        """What every row must hold besides `request_types` for a request to be proven clean."""
        return tuple([row_test(rule) for rule in self.rules])

    def judge_request(self, rows: Rows, *, caller: str, now_seconds: float) -> Verdict:
        """The verdict on the rows of a request. `now_seconds` is wall time since the epoch."""
        mode = self.mode(caller)
        judgement = judge.only_strips(self.cells, rows) if mode is Mode.OFF else self._examined(rows, now_seconds)
        if rows.numbers is not None:
            judge.renumber(judgement, rows.numbers)
        return judge.decide(judgement, rows, mode, bad_rows=self.bad_rows)

    def _examined(self, rows: Rows, now_seconds: float, unseen: frozenset[str] = frozenset()) -> judge.Judgement:
        cells = [cell for cell in self.cells if cell.name not in unseen] if unseen else self.cells
        judgement = judge.examine(cells, rows, now_seconds, self.named_by_rules)
        for name in unseen & self.named_by_rules:
            judgement.settled[name] = [INVALID] * rows.count
        if self.rules:
            find_broken(judgement, self.rules, rows, len(self.cells))
        if self.closed and rows.unknown:
            judge.name_unknown(judgement, rows.unknown, self.unknown, len(self.cells) + len(self.rules))
        return judgement

    def by_row(
        self,
        rows: Rows,
        *,
        now_seconds: float,
        answer: bool = False,
        unseen: frozenset[str] = frozenset(),
        everything: bool = False,
    ) -> list[RowVerdict]:
        """What enforcing does with each row of a request, or of an `answer`, whatever the mode is; with `everything`,
        what enforcing the rules that only observe would do, too.

        Of `unseen` features nothing is known any more: they are not judged, and rules about them are undecided.
        """
        if answer:
            judgement = judge.examine(self.answers, rows, now_seconds)
        else:
            judgement = self._examined(rows, now_seconds, unseen)
        return by_row(judgement, rows.count, self.bad_rows, everything=everything)

    def judge_reply(self, rows: Rows, *, sent_rows: int, caller: str, now_seconds: float) -> Verdict:
        """The verdict on an answer to `sent_rows` rows. Fallback rows carry their values as changes."""
        mode = self.mode(caller)
        if mode is Mode.OFF or not self.answers:
            return ACCEPTED
        if rows.count != sent_rows:
            return self.wrong_count(sent_rows, caller)
        return judge.decide(
            judge.examine(self.answers, rows, now_seconds),
            rows,
            mode,
            bad_rows=self.bad_rows,
            fallback_values=self.fallback_values,
        )

    def wrong_count(self, sent_rows: int, caller: str) -> Verdict:
        """An answer whose rows cannot be told apart: refused whole, for no row of it has a known place."""
        sentence = f"must have one row for each of the {sent_rows} rows sent"
        violations = (Violation("prediction.rows", "", 0, "", Action.REJECT, sentence),)
        if self.mode(caller) is not Mode.ENFORCE:
            return Verdict(Outcome.OBSERVED, Outcome.REJECTED, violations, 1)
        return Verdict(Outcome.REJECTED, Outcome.REJECTED, violations, 1, rejected_rows=tuple(range(sent_rows)))
