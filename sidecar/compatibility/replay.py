"""Recorded rows under both contracts: which verdicts change, for which callers and slices, by which codes.

Each row is judged alone, as it was received, at the time it was received, with the mode of its own caller. A feature
that the record hides (hashed, dropped, taken out) is left out of both contracts and counted.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from ..contract import Compiled, Mode, compile_contract
from ..errors import PolicyError
from ..policy import Policy
from ..policy.slicing import slices_of
from ..rows import MISSING, Rows, Value
from ..verdict import Action, Outcome, Verdict
from .change import Change, Evidence
from .sides import renames, side_of

MOST_EXAMPLES: Final = 5
WOULD: Final = "would be "  # of a verdict that the mode does not apply

InOrOut: TypeAlias = Literal["input", "output"]
_REFUSING: Final = (Action.REJECT, Action.DROP)


@dataclass(frozen=True, slots=True)
class Received:
    """One row as it was received. What `values` has not was missing; `unknown` are names without a known value.

    `hidden` are features of which the record says nothing true. `prediction` is what the model answered, if it did.
    `slices` are those that were recorded: slice → True, False, None, or the value it is by.
    """

    id: str
    values: Mapping[str, Value]
    caller: str = ""
    seconds: float = 0.0
    row: int = 0
    unknown: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    prediction: Mapping[str, Value] | None = None
    slices: Mapping[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What finds it again: the prediction id, and which of its rows where it is not the first."""
        return f"{self.id}#{self.row}" if self.row else self.id


@dataclass(slots=True)
class Transition:
    """Rows that had one verdict and have another."""

    side: InOrOut
    before: str
    after: str
    rows: int = 0
    calls: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    callers: Counter[str] = field(default_factory=Counter)
    slices: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    last: str = ""


@dataclass(slots=True)
class Share:
    """Rows of one caller or slice, and how many of them change verdict."""

    rows: int = 0
    changed: int = 0


@dataclass(slots=True)
class _Touched:
    changed: int = 0
    refused: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Contract:
    """One contract, twice: as it is, and enforced for everybody."""

    section: Policy
    compiled: Compiled
    enforced: Compiled
    names: Mapping[str, str]  # feature → the name it has in rows of the other side's day
    positional: frozenset[str]


def _contract(policy: Policy, positional: Mapping[str, str], names: Mapping[str, str]) -> _Contract:
    compiled, _ = compile_contract(policy.contract)
    enforced, _ = compile_contract(dataclasses.replace(policy.contract, mode=Mode.ENFORCE))
    if compiled is None or enforced is None:
        raise PolicyError(f"{policy.name} does not compile")
    return _Contract(policy, compiled, enforced, names, frozenset(positional))


@dataclass(frozen=True, slots=True)
class _Judged:
    """One row under one contract: the verdict's word, what was violated, what was changed; as enforced."""

    word: str
    refused: bool
    codes: frozenset[tuple[str, Action]]
    touches: Mapping[str, tuple[object, ...]]
    refuses: frozenset[str]


class Replay:
    """Counts what changes, row by row: `add` each, then read."""

    def __init__(self, old: Policy, new: Policy) -> None:
        before, after = side_of(old), side_of(new)
        in_place = {
            name: before_name
            for name, before_name in renames(old.contract, new.contract).items()
            if before_name in before.places and before.places[before_name] == after.places.get(name)
        }
        self._old = _contract(old, before.places, {})
        self._new = _contract(new, after.places, in_place)
        self.rows = 0
        self.calls = 0
        self.changed = 0
        self.refused = 0
        self.examples: list[str] = []
        self.hidden: Counter[str] = Counter()
        self.unread: Counter[str] = Counter()
        self.transitions: dict[tuple[InOrOut, str, str], Transition] = {}
        self.callers: dict[str, Share] = {}
        self.slices: dict[str, Share] = {}
        self._touched: dict[str, _Touched] = {}
        self._masked: dict[tuple[int, frozenset[str]], Compiled] = {}
        self._left_out: Counter[str] = Counter()
        self._slices = slices_of(new, self._new.compiled)
        self._last = ""

    def skip(self, why: str) -> None:
        """Count a row that cannot be judged."""
        self.unread[why] += 1

    def add(self, row: Received) -> None:
        """Judge one row under both."""
        self.rows += 1
        if row.id != self._last or not row.id:
            self.calls += 1
            self._last = row.id
        self.hidden.update(row.hidden)
        self._left_out.update(row.hidden | _blind(self._old, row.hidden) | _blind(self._new, row.hidden))
        slices = self._sliced(row)
        moved = self._compare("input", row, slices, self._request(self._old, row), self._request(self._new, row))
        if row.prediction is not None:
            moved |= self._compare("output", row, slices, self._reply(self._old, row), self._reply(self._new, row))
        self.changed += moved
        for shares, names in ((self.callers, (row.caller,)), (self.slices, slices)):
            for name in names:
                share = shares.setdefault(name, Share())
                share.rows += 1
                share.changed += moved

    def evidence(self, change: Change) -> Evidence:
        """What the rows say of one change; of all rows together where no code tells of it."""
        name = change.code or change.feature
        if not name:
            return Evidence(self.rows, self.changed, self.refused, tuple(self.examples))
        touched = self._touched.get(name, _Touched())
        rows = self.rows - self._left_out[change.feature]
        return Evidence(rows, touched.changed, touched.refused, tuple(touched.examples))

    def _request(self, contract: _Contract, row: Received) -> _Judged:
        named = {contract.names.get(name, name): name for name in contract.compiled.features}
        columns = {name: [row.values.get(other, MISSING)] for other, name in named.items()}
        names = [name for name in row.values if name not in named and name not in contract.positional]
        unknown = dict.fromkeys([*names, *[name for name in row.unknown if name not in named]], (0,))
        # A name that the record only counted has a value that nobody knows: it cannot be judged.
        hidden = frozenset(row.hidden) | {named[name] for name in row.unknown if name in named}
        rows = Rows(1, columns, _nowhere, unknown)
        verdict = self._mask(contract, hidden).judge_request(rows, caller="", now_seconds=row.seconds)
        return _judged(verdict, contract.compiled.mode(row.caller), "")

    def _reply(self, contract: _Contract, row: Received) -> _Judged:
        prediction = row.prediction or {}
        columns = {name: [prediction.get(name, MISSING)] for name in contract.compiled.predictions}
        rows = Rows(1, columns, _nowhere)
        verdict = contract.enforced.judge_reply(rows, sent_rows=1, caller="", now_seconds=row.seconds)
        return _judged(verdict, contract.compiled.mode(row.caller), "prediction.")

    def _mask(self, contract: _Contract, hidden: frozenset[str]) -> Compiled:
        """The contract without the features that the record hides, and without the rules that name them."""
        if not hidden:
            return contract.enforced
        key = (id(contract), hidden)
        if key not in self._masked:
            blind = _blind(contract, hidden)
            cells = tuple(cell for cell in contract.enforced.cells if cell.name not in hidden)
            rules = tuple(rule for rule in contract.enforced.rules if rule.code not in blind)
            self._masked[key] = dataclasses.replace(contract.enforced, cells=cells, rules=rules)
        return self._masked[key]

    def _sliced(self, row: Received) -> list[str]:
        """The slices of the new policy that a row is in; as recorded where they are about what the record hides."""
        found = dict(row.slices)
        if self._slices is not None:
            blind = {each.name for each in self._slices.slices if row.hidden.intersection(each.names)}
            told = self._slices.of(row.values, row.seconds)
            found = {name: found.get(name) if name in blind else value for name, value in told.items()}
        shown = ((name, value) for name, value in found.items() if value is not None and value is not False)
        return [name if value is True else f"{name}={value}" for name, value in shown]

    def _compare(self, side: InOrOut, row: Received, slices: list[str], old: _Judged, new: _Judged) -> bool:
        refused = new.refused and not old.refused
        if refused:
            self.refused += 1
        for name in {*old.touches, *new.touches}:
            if old.touches.get(name) != new.touches.get(name):
                touched = self._touched.setdefault(name, _Touched())
                touched.changed += 1
                touched.refused += refused and name in new.refuses
                _keep(touched.examples, row.name)
        if old.word == new.word:
            return False
        key = (side, old.word, new.word)
        transition = self.transitions.get(key)
        if transition is None:
            transition = self.transitions[key] = Transition(side, old.word, new.word)
        transition.rows += 1
        if transition.last != row.id or not row.id:
            transition.calls += 1
            transition.last = row.id
        transition.codes.update({code for code, _ in old.codes ^ new.codes})
        transition.callers[row.caller] += 1
        transition.slices.update(slices)
        _keep(transition.examples, row.name)
        _keep(self.examples, row.name)
        return True


def _judged(verdict: Verdict, mode: Mode, side: str) -> _Judged:
    word = verdict.outcome.value
    if mode is Mode.OFF:
        word = Outcome.OK.value
    elif mode is Mode.OBSERVE and verdict.outcome not in (Outcome.OK, Outcome.OBSERVED):
        word = f"{WOULD}{word}"
    mended = {f"{side}{each.feature}": repr(each.value) for each in verdict.changes}
    touches: dict[str, tuple[object, ...]] = {name: (value,) for name, value in mended.items()}
    refuses = set()
    for violation in verdict.violations:
        code = violation.code
        name = f"{side}{violation.feature}"
        touches[code] = (violation.applied, violation.enforced, mended.get(name))
        for subject in ("unknown", name) if code.startswith("unknown.") else (name,):
            touches[subject] = (*touches.get(subject, ()), code, violation.applied)
        if violation.enforced and violation.applied in _REFUSING:
            refuses |= {code, name} | ({"unknown"} if code.startswith("unknown.") else set())
    codes = frozenset((violation.code, violation.applied) for violation in verdict.violations)
    return _Judged(word, verdict.refused, codes, touches, frozenset(refuses))


def _blind(contract: _Contract, hidden: frozenset[str]) -> frozenset[str]:
    """Rules that cannot be judged without these features."""
    return frozenset(rule.code for rule in contract.enforced.rules if hidden.intersection(rule.expression.names))


def _keep(examples: list[str], name: str) -> None:
    if name and len(examples) < MOST_EXAMPLES and name not in examples:
        examples.append(name)


def _nowhere(feature: str, row: int) -> str:
    return ""
