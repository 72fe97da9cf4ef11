"""Which answers an expression can have at all, given the ranges of its numbers: for saying that a rule says nothing.

Sound, not complete: an answer that is left out never comes; one that is named may still be impossible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from .meaning import Apply, Compare, Compute, Const, Every, Inverse, Load, Meaning, Minus, Some
from .types import Kind

# The smallest and the largest value, both possible.
Range = tuple[float, float]

BOTH: Final = frozenset({True, False})
_ALL: Final[Range] = (-math.inf, math.inf)
_NEGATED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def possible(meaning: Meaning, ranges: Mapping[str, Range]) -> frozenset[bool]:
    """The answers, of True and False, that some row within the ranges may get."""
    match meaning:
        case Const():
            return BOTH if meaning.value is None else frozenset({bool(meaning.value)})
        case Inverse():
            return frozenset(not answer for answer in possible(meaning.operand, ranges))
        case Every():
            found = [possible(operand, ranges) for operand in meaning.operands]
            holds = all(True in each for each in found) and not _excluded(meaning.operands, ranges, negated=False)
            return _of(holds, any(False in each for each in found))
        case Some():
            found = [possible(operand, ranges) for operand in meaning.operands]
            fails = all(False in each for each in found) and not _excluded(meaning.operands, ranges, negated=True)
            return _of(any(True in each for each in found), fails)
        case Compare(by=Kind.NUMBER):
            return _compared(meaning.sign, _range(meaning.left, ranges), _range(meaning.right, ranges))
        case _:
            return BOTH


def _of(holds: bool, fails: bool) -> frozenset[bool]:
    return frozenset(answer for answer, can in ((True, holds), (False, fails)) if can)


def _compared(sign: str, left: Range, right: Range) -> frozenset[bool]:
    (low, high), (bottom, top) = left, right
    match sign:
        case "<":
            return _of(low < top, high >= bottom)
        case "<=":
            return _of(low <= top, high > bottom)
        case ">" | ">=":
            return _compared(_TURNED[sign], right, left)
        case "==":
            return _of(low <= top and bottom <= high, not low == high == bottom == top)
    return frozenset(not answer for answer in _compared("==", left, right))


def _range(node: Meaning, ranges: Mapping[str, Range]) -> Range:
    match node:
        case Const():
            return (node.value, node.value) if node.value is not None else _ALL
        case Load():
            return ranges.get(node.name, _ALL)
        case Minus():
            low, high = _range(node.operand, ranges)
            return -high, -low
        case Compute(sign="+" | "-" | "*"):
            return _computed(node.sign, _range(node.left, ranges), _range(node.right, ranges))
        case Apply(function="len"):
            return 0, math.inf
        case Apply(function="abs"):
            low, high = _range(node.arguments[0], ranges)
            return (0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        case Apply(function="min" | "max"):
            pick = min if node.function == "min" else max
            found = [_range(argument, ranges) for argument in node.arguments]
            return pick(low for low, _ in found), pick(high for _, high in found)
        case _:
            return _ALL


def _computed(sign: str, left: Range, right: Range) -> Range:
    """Doubles round in one direction only, so the ends of a range go to the ends of the result."""
    try:
        one, other = [float(end) for end in left], [float(end) for end in right]
    except OverflowError:
        return _ALL
    if sign == "+":
        ends = [one[0] + other[0], one[1] + other[1]]
    elif sign == "-":
        ends = [one[0] - other[1], one[1] - other[0]]
    else:
        ends = [first * second for first in one for second in other]
    return _ALL if any(math.isnan(end) for end in ends) else (min(ends), max(ends))


def _excluded(operands: Sequence[Meaning], ranges: Mapping[str, Range], *, negated: bool) -> bool:
    """Whether no number meets all of these comparisons with it (or none of them), like x < 1 and x > 2."""
    allowed: dict[str, tuple[float, bool, float, bool]] = {}
    for name, sign, bound in _bounds(operands, negated=negated):
        start, end = ranges.get(name, _ALL)
        low, above, high, below = allowed.get(name, (start, False, end, False))
        if sign in (">", ">=", "==") and (bound > low or (bound == low and sign == ">")):
            low, above = bound, sign == ">"
        if sign in ("<", "<=", "==") and (bound < high or (bound == high and sign == "<")):
            high, below = bound, sign == "<"
        if low > high or (low == high and (above or below)):
            return True
        allowed[name] = (low, above, high, below)
    return False


def _bounds(operands: Sequence[Meaning], *, negated: bool) -> Iterator[tuple[str, str, float]]:
    for node in operands:
        if isinstance(node, Every) and not negated:  # a chain inside a conjunction
            yield from _bounds(node.operands, negated=False)
            continue
        if not isinstance(node, Compare) or node.by is not Kind.NUMBER:
            continue
        sign = _NEGATED[node.sign] if negated else node.sign
        match node.left, node.right:
            case Load(name=name), Const(value=value) if value is not None:
                yield name, sign, value
            case Const(value=value), Load(name=name) if value is not None:
                yield name, _TURNED[sign], value
