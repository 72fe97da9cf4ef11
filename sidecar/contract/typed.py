"""A compiled cell as a msgspec type: a body that decodes with it holds only clean values. Proof, or no type at all.

JSON numbers are decoded as doubles. A double stands for the number in the body only up to 2^53, so there proof ends:
whole numbers and bounds beyond it are left to the exact path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Optional

from msgspec import Meta

from ..rows import MISSING, TypedFeature, Value
from .cell import BOUNDS, Cell
from .kinds import Scalar

_EXACT: Final = 2**53 - 1  # the largest whole number whose double no other whole number shares
_TIMED: Final = frozenset({"not_in_future", "max_age"})
_NOTHING: Final[frozenset[str]] = frozenset()


def _never(value: Value) -> bool:
    return False


# Only its absence is clean.
NEVER: Final = TypedFeature(Any, required=False, check=_never)
# Not looked at.
ANYTHING: Final = TypedFeature(Any, required=False)


class _Proof(NamedTuple):
    """A msgspec type, the checks it proves by itself, and whether a missing_values value can still pass it."""

    annotation: Any
    checks: frozenset[str]
    sentinels: bool


def typed(cell: Cell, allowed: Sequence[Value] | None) -> TypedFeature | None:
    """The type of one cell, or None when only the exact path can judge it. `allowed` is what `values` lists."""
    must = cell.required or cell.default is not MISSING
    names = {check.name for check in cell.checks.all}
    proof = None
    if not (cell.from_header or cell.slice_only or cell.deprecated or names & _TIMED):
        proof = _proof(cell, allowed)
    if proof is None:
        return None if must or cell.from_header else NEVER
    # A default answers null too: null is then a change, whatever `nullable` says.
    null = cell.nullable and cell.default is MISSING
    plain = names <= proof.checks and not proof.sentinels and (proof.annotation is not Any or null)
    annotation = Optional[proof.annotation] if null else proof.annotation  # noqa: UP045 - Any has no `|`
    return TypedFeature(annotation, required=must, check=None if plain else _remaining(cell, null))


def _remaining(cell: Cell, null: bool) -> Callable[[Any], bool]:
    checks, sentinels = cell.checks, cell.sentinels

    def clean(value: Any) -> bool:
        if value is None:
            return null
        return value not in sentinels and not checks.broken(value, 0.0)

    return clean


def _proof(cell: Cell, allowed: Sequence[Value] | None) -> _Proof | None:
    kind, sentinels = cell.checks.kind, cell.sentinels
    match kind.scalar:
        case Scalar.INT | Scalar.FLOAT:
            proof = _number(cell)
        case Scalar.STRING | Scalar.CATEGORY if allowed is not None and all(one.__class__ is str for one in allowed):
            texts = tuple(one for one in allowed if one not in sentinels)
            proof = _Proof(Literal[texts], frozenset({"values"}), False) if texts else None
        case Scalar.STRING:
            lengths = {} if kind.shape else _lengths(cell)
            proof = _Proof(
                Annotated[str, _meta(lengths)] if lengths else str, frozenset(lengths), bool(sentinels.texts)
            )
        case Scalar.BOOL:
            proof = _Proof(bool, _NOTHING, bool(sentinels.bools))
        case Scalar.TIMESTAMP:
            proof = _Proof(str, frozenset(), True)  # the type itself is left to the check
        case Scalar.BYTES:
            proof = _Proof(str, _NOTHING, bool(sentinels.texts))
        case Scalar.CATEGORY:
            proof = _Proof(Any, _NOTHING, True)
        case _:
            proof = _Proof(Any, _NOTHING, bool(sentinels))
    if proof is None or not kind.shape:
        return proof
    annotation: Any = proof.annotation
    for size in reversed(kind.shape):
        annotation = list[annotation] if size is None else _sized(annotation, size)
    # A free inner dimension may be ragged, which no type can say: the check decides.
    return _Proof(annotation, proof.checks, proof.sentinels or None in kind.shape[1:] or proof.annotation is Any)


def _sized(item: Any, size: int) -> Any:
    return Annotated[list[item], Meta(min_length=size, max_length=size)]


def _meta(limits: Mapping[str, Any]) -> Meta:
    return Meta(**limits)


def _lengths(cell: Cell) -> dict[str, int]:
    return {
        check.name: int(check.bound)
        for check in cell.checks.all
        if check.name in ("min_length", "max_length") and check.bound is not None
    }


def _number(cell: Cell) -> _Proof | None:
    checks, sentinels = cell.checks, cell.sentinels
    whole = checks.kind.scalar is Scalar.INT
    low, high = -math.inf, math.inf
    for check in checks.all:
        bound = check.bound
        if bound is None:
            continue
        match check.name:
            case "min":
                low = max(low, _inward(bound, -_EXACT, whole, up=True))
            case "exclusive_min":
                low = max(low, _beyond(bound, whole, up=True))
            case "max":
                high = min(high, _inward(bound, _EXACT, whole, up=False))
            case "exclusive_max":
                high = min(high, _beyond(bound, whole, up=False))
    # Checks that compare more than order would see the rounded number: stay where doubles are exact.
    if whole or sentinels.numbers or not BOUNDS.issuperset(check.name for check in checks.all):
        low, high = max(low, -_EXACT), min(high, _EXACT)
    if low > high or low > _EXACT or high < -_EXACT:
        return None
    limits: dict[str, float] = {}
    if low != -math.inf:
        limits["ge"] = float(low)
    if high != math.inf:
        limits["le"] = float(high)
    if whole:
        limits["multiple_of"] = 1.0
    annotation = Annotated[float, _meta(limits)] if limits else float
    return _Proof(annotation, BOUNDS, any(low <= number <= high for number in sentinels.numbers))


def _inward(bound: float, edge: int, whole: bool, *, up: bool) -> float:
    """An inclusive bound as an exact double on the safe side."""
    if whole:
        bound = math.ceil(bound) if up else math.floor(bound)
    return max(bound, edge) if up else min(bound, edge)


def _beyond(bound: float, whole: bool, *, up: bool) -> float:
    """An exclusive bound as an inclusive one."""
    if whole:
        return _inward(math.floor(bound) + 1 if up else math.ceil(bound) - 1, -_EXACT if up else _EXACT, True, up=up)
    if abs(bound) > _EXACT:
        return _inward(bound, -_EXACT, False, up=True) if up else _inward(bound, _EXACT, False, up=False)
    return math.nextafter(bound, math.inf if up else -math.inf)
