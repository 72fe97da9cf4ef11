"""What an action does to a value that breaks a check, and what it means that this changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ..contract.cell import BOUNDS, Cell
from ..contract.sections import Checks, Feature, Mode, ReplaceWith, Rule
from ..rows import MISSING, Value, same_value
from ..verdict import Action
from . import change
from .change import Verdicts
from .direction import Direction


class Effect(IntEnum):
    """What becomes of a row."""

    PASS = 0  # it goes on as it is
    CHANGE = 1  # it goes on changed
    FALLBACK = 2  # it is answered without the model
    DROP = 3  # refused when alone; of a batch the other rows are answered
    REFUSE = 4

    @property
    def refuses(self) -> bool:
        """Whether the row has no answer."""
        return self >= Effect.DROP


_WORDS: Final = {
    "reject": Effect.REFUSE,
    "drop": Effect.DROP,
    "fallback": Effect.FALLBACK,
    "set_null": Effect.CHANGE,
    "warn": Effect.PASS,
    "ignore": Effect.PASS,
}
DOES: Final = {
    Effect.PASS: "let through with a word",
    Effect.CHANGE: "changed",
    Effect.FALLBACK: "answered by the fallback",
    Effect.DROP: "refused alone and left out of a batch",
    Effect.REFUSE: "refused",
}


def word_of(keys: Checks) -> str:
    """The action in force: stated, or by default."""
    if isinstance(keys.on_violation, ReplaceWith):
        return "replace"
    return keys.on_violation or ("warn" if isinstance(keys, Feature) and keys.role == "slice_only" else "reject")


def effect(keys: Checks, check: str) -> Effect:
    """What becomes of a row whose value breaks this one check. Clamping mends bounds alone."""
    if isinstance(keys, Feature) and keys.role == "ignored":
        return Effect.PASS
    word = word_of(keys)
    if word == "replace":
        return Effect.CHANGE
    if word == "clamp":
        return Effect.CHANGE if check in BOUNDS else Effect.REFUSE
    return _WORDS[word]


def effect_of_rule(rule: Rule) -> Effect:
    """What becomes of a row that breaks this rule."""
    return Effect.PASS if rule.mode in (Mode.OBSERVE, Mode.OFF) else _WORDS[rule.on_violation]


def shift(before: Effect, after: Effect) -> Verdicts:
    """The verdicts on rows that met one effect and now meet another."""
    if before is after is not Effect.PASS:
        return change.TEXT
    if after.refuses and after > before:
        return change.BREAKING
    if before.refuses:
        return change.WIDENED
    return change.WATCHED if before is after else change.SEMANTIC


# (direction, effect of the check before, effect of it now) → the verdicts.
Side = Callable[[Direction, Effect, Effect], Verdicts]


def of_input(direction: Direction, before: Effect, after: Effect) -> Verdicts:
    """Inputs are contravariant: a narrower check refuses what was answered, a wider one lets more reach the model."""
    narrower, wider = shift(Effect.PASS, after), shift(before, Effect.PASS)
    if direction is Direction.NARROWER:
        return narrower
    if direction is Direction.WIDER:
        return wider
    return change.UNKNOWN if direction is Direction.UNDECIDED else change.worst(narrower, wider)


def of_output(direction: Direction, before: Effect, after: Effect) -> Verdicts:
    """Outputs are covariant: a wider check lets answers hold what callers never had to read.

    A check that lets everything through with a word promises nothing, so nothing is lost with it.
    """
    promised, promises = before is not Effect.PASS, after is not Effect.PASS
    if direction is Direction.UNDECIDED:
        return change.UNKNOWN_ANSWER
    if direction is Direction.NARROWER:
        return change.NARROWED_ANSWER if promises else change.WATCHED
    if not promised:
        return change.NARROWED_ANSWER if promises and direction is not Direction.WIDER else change.WATCHED
    return change.BREAKING_ANSWER


def shift_answer(before: Effect, after: Effect) -> Verdicts:
    """The verdicts on answers that break a check and met one effect and now meet another."""
    if before is after:
        return change.WATCHED if after is Effect.PASS else change.TEXT
    if after is Effect.PASS:
        return change.BREAKING_ANSWER
    if before is Effect.PASS and after.refuses:
        return change.NARROWED_ANSWER
    return change.SEMANTIC_ANSWER


# In the order in which they win.
_BY_ACTION: Final = (
    (Action.REJECT, Effect.REFUSE),
    (Action.FALLBACK, Effect.FALLBACK),
    (Action.DROP, Effect.DROP),
)


@dataclass(frozen=True, slots=True)
class Met:
    """What one value meets: the effect, and what it is changed to (MISSING = nothing)."""

    effect: Effect
    value: Value = MISSING


def met(cell: Cell | None, value: Value, now_seconds: float = 0.0) -> Met:
    """What one value meets in a compiled cell; None = it is not looked at."""
    if cell is None:
        return Met(Effect.PASS)
    examined = cell.examine(value, now_seconds)
    actions = {action for _, action in examined.broken}
    for action, found in _BY_ACTION:
        if action in actions:
            return Met(found)
    return Met(Effect.PASS) if examined.repaired is MISSING else Met(Effect.CHANGE, examined.repaired)


def shift_met(before: Met, after: Met) -> Verdicts | None:
    """The verdicts on one value; None where nothing is different for it."""
    if before.effect is after.effect:
        return None if same_value(before.value, after.value) else change.SEMANTIC
    return shift(before.effect, after.effect)
