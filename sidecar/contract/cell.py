"""One feature or prediction, compiled: what is wrong with one value, and what mends it.

The order is contract.md's: missing values → null → default → coercion → checks → repair, re-checked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..rows import MISSING, Value
from ..verdict import Action
from .checks import Checks
from .kinds import Bad, Scalar, parse_text
from .literals import ValueSet

BOUNDS: Final = frozenset({"min", "max", "exclusive_min", "exclusive_max"})

# What stands for a value that breaks its own checks: it is not null, and no rule can use it.
INVALID: Final = Bad.TYPE

REPAIRS: Final = frozenset({Action.CLAMP, Action.REPLACE, Action.SET_NULL})

# Rows of a column that may not be clean; every other row is.
Screen: TypeAlias = Callable[[Sequence[Value]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Examined:
    """What one value breaks: (check name, applied action) in order, and its new value (MISSING = unchanged)."""

    broken: tuple[tuple[str, Action], ...]
    repaired: Value = MISSING


CLEAN: Final = Examined(())


@dataclass(frozen=True, slots=True)
class Cell:
    """One compiled feature or prediction. `prefix` begins its codes (`age.`, `prediction.score.`).

    `fixed` cells are never changed (keys, slice_only features, headers). `default` is MISSING where there is none;
    `low` and `high` are what clamp sets, None where unbounded.
    """

    name: str
    prefix: str
    checks: Checks
    sentences: dict[str, str]
    sentinels: ValueSet
    nullable: bool
    required: bool
    default: Value
    action: Action
    replacement: Value
    low: Value
    high: Value
    fixed: bool
    slice_only: bool
    from_header: bool
    deprecated: bool
    screen: Screen
    unique: bool = False  # no two rows of a request have the same value

    def examine(self, value: Value, now_seconds: float) -> Examined:
        """Judge one value as it came. Never raises, whatever the value is."""
        if self.from_header and value.__class__ is str:
            value = parse_text(value, self.checks.kind.scalar)
        noted: list[tuple[str, Action]] = []
        repaired: Value = MISSING
        if self.deprecated and value is not MISSING:
            noted.append(("deprecated", Action.WARN))
        sentinel = value in self.sentinels
        if sentinel:
            value = None
        broken: tuple[str, ...]
        if value is not None and value is not MISSING:
            broken = self.checks.broken(value, now_seconds)
        elif self.default is not MISSING:
            noted.append((self._absence(value), Action.DEFAULT))
            value = repaired = self.default
            broken = self.checks.broken(value, now_seconds)
        elif value is MISSING:
            broken = ("required",) if self.required else ()
        elif not self.nullable:
            broken = ("null",)
        else:
            broken = ()
            if sentinel and not self.fixed:
                noted.append(("missing_values", Action.SET_NULL))
                repaired = None
        if not broken:
            return Examined(tuple(noted), repaired) if noted else CLEAN
        action = self.action
        if action in REPAIRS:
            mended = self._mend(value, broken, now_seconds)
            if mended is MISSING:
                action = Action.REJECT
            else:
                repaired = mended
        return Examined((*noted, *[(check, action) for check in broken]), repaired)

    def settled(self, value: Value, examined: Examined) -> Value:
        """The value that rules see: as repaired, typed; None for null, missing and sentinels, INVALID for a bad one."""
        if examined.repaired is not MISSING:
            return examined.repaired
        kind = self.checks.kind
        if self.from_header and value.__class__ is str:
            value = parse_text(value, kind.scalar)
        if value is None or value is MISSING or value in self.sentinels:
            return None
        if any(check != "deprecated" for check, _ in examined.broken):
            return INVALID
        return self.checks.coerce(value) if kind.scalar is Scalar.INT and not kind.shape else value

    def _absence(self, value: Value) -> str:
        if value is MISSING:
            return "required" if self.required else "default"
        return "default" if self.nullable else "null"

    def _mend(self, value: Value, broken: tuple[str, ...], now_seconds: float) -> Value:
        """The repaired value, or MISSING when the repair cannot mend what is broken: then the row is rejected."""
        if self.action is Action.SET_NULL:
            return None  # nullable, or the contract would not have compiled
        if self.action is Action.REPLACE:
            mended = self.replacement
        else:
            if not BOUNDS.issuperset(broken):
                return MISSING
            mended = self.low if "min" in broken or "exclusive_min" in broken else self.high
        return MISSING if self.checks.broken(mended, now_seconds) else mended


def everything(column: Sequence[Value]) -> Sequence[int]:
    """The screen that proves nothing."""
    return range(len(column))


def numeric_screen(low: Value, high: Value, sentinels: ValueSet, *, whole: bool) -> Screen:
    """Numbers within inclusive bounds that are no sentinel. NaN and infinities fail the comparison."""
    numbers = sentinels.numbers
    if whole and numbers:
        return lambda column: [
            row
            for row, value in enumerate(column)
            if not (value.__class__ is int and low <= value <= high and value not in numbers)
        ]
    if whole:
        return lambda column: [
            row for row, value in enumerate(column) if not (value.__class__ is int and low <= value <= high)
        ]
    if numbers:
        return lambda column: [
            row
            for row, value in enumerate(column)
            if not (
                (value.__class__ is float or value.__class__ is int) and low <= value <= high and value not in numbers
            )
        ]
    return lambda column: [
        row
        for row, value in enumerate(column)
        if not ((value.__class__ is float or value.__class__ is int) and low <= value <= high)
    ]


def member_screen(texts: frozenset[str]) -> Screen:
    """Strings of a set (its sentinels taken out)."""
    return lambda column: [row for row, value in enumerate(column) if value.__class__ is not str or value not in texts]


def text_screen(checks: Checks, sentinels: ValueSet) -> Screen:
    """Strings that hold all checks; each distinct string of a batch is looked at once."""
    refused = sentinels.texts

    def screen(column: Sequence[Value]) -> Sequence[int]:
        suspects: list[int] = []
        seen: dict[str, bool] = {}
        for row, value in enumerate(column):
            if value.__class__ is not str:
                suspects.append(row)
                continue
            good = seen.get(value)
            if good is None:
                good = seen[value] = value not in refused and not checks.broken(value, 0.0)
            if not good:
                suspects.append(row)
        return suspects

    return screen


def bool_screen(column: Sequence[Value]) -> Sequence[int]:
    """Booleans."""
    return [row for row, value in enumerate(column) if value.__class__ is not bool]


def screen_for(checks: Checks, sentinels: ValueSet, low: Value, high: Value, allowed: frozenset[str] | None) -> Screen:
    """The fastest screen that is right for these checks. `low` and `high` are what clamp would set."""
    kind = checks.kind
    names = {check.name for check in checks.all}
    if kind.shape:
        return everything
    if kind.scalar is Scalar.INT and names <= BOUNDS:
        return numeric_screen(_or(low, -_INFINITY), _or(high, _INFINITY), sentinels, whole=True)
    if kind.scalar is Scalar.FLOAT and names <= BOUNDS:
        return numeric_screen(_or(low, -_LARGEST), _or(high, _LARGEST), sentinels, whole=False)
    if kind.scalar in (Scalar.STRING, Scalar.CATEGORY) and allowed is not None and names == {"values"}:
        return member_screen(allowed - sentinels.texts)
    if kind.scalar is Scalar.STRING:
        return text_screen(checks, sentinels)
    if kind.scalar is Scalar.BOOL and not names and not sentinels:
        return bool_screen
    return everything


_INFINITY: Final = float("inf")
_LARGEST: Final = 1.7976931348623157e308


def _or(bound: Value, unbounded: float) -> Value:
    return unbounded if bound is None else bound
