"""What an expression means, once it is checked: every operand of a known kind, everything constant worked out.

Both ways to answer (row by row, and over columns) are made from this tree and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..rows import Value
from .types import Kind


@dataclass(frozen=True, slots=True)
class Const:
    """A value known before any row; None = undecided. Timestamps are seconds."""

    kind: Kind
    value: Value


@dataclass(frozen=True, slots=True)
class Load:
    """A cell of the row; what is not of its kind is undecided."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Cast:
    """A cell of any kind where one kind is wanted; another one is undecided."""

    kind: Kind
    operand: Meaning


@dataclass(frozen=True, slots=True)
class Minus:
    """The number below zero."""

    kind: Kind
    operand: Meaning


@dataclass(frozen=True, slots=True)
class Compute:
    """+ - * / % of doubles. What is not finite is undecided."""

    kind: Kind
    sign: str
    left: Meaning
    right: Meaning


@dataclass(frozen=True, slots=True)
class Compare:
    """Two operands, compared as `by`; exact, also beyond 2^53."""

    kind: Kind
    sign: str
    by: Kind
    left: Meaning
    right: Meaning


@dataclass(frozen=True, slots=True)
class Contains:
    """Whether one of several texts is one of these."""

    kind: Kind
    operand: Meaning
    texts: frozenset[str]
    negated: bool


@dataclass(frozen=True, slots=True)
class Member:
    """Whether the operand is one of these; for a kind that none of them has it is undecided, unless by MIXED."""

    kind: Kind
    by: Kind
    operand: Meaning
    numbers: frozenset[Value]
    texts: frozenset[str]
    truths: frozenset[bool]
    negated: bool


@dataclass(frozen=True, slots=True)
class Null:
    """Whether the cell is null or missing: always decided."""

    kind: Kind
    name: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Inverse:
    """Not."""

    kind: Kind
    operand: Meaning


@dataclass(frozen=True, slots=True)
class Every:
    """And, as Kleene has it: false where one is, else undecided where one is."""

    kind: Kind
    operands: tuple[Meaning, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Or: true where one is, else undecided where one is."""

    kind: Kind
    operands: tuple[Meaning, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """A function; undecided where an argument is."""

    kind: Kind
    function: str
    arguments: tuple[Meaning, ...]


Meaning: TypeAlias = (
    Const | Load | Cast | Minus | Compute | Compare | Contains | Member | Null | Inverse | Every | Some | Apply
)

TRUE: Final = Const(Kind.TRUTH, True)
FALSE: Final = Const(Kind.TRUTH, False)


def parts(meaning: Meaning) -> tuple[Meaning, ...]:
    """The operands."""
    match meaning:
        case Const() | Load() | Null():
            return ()
        case Compute() | Compare():
            return (meaning.left, meaning.right)
        case Every() | Some():
            return meaning.operands
        case Apply():
            return meaning.arguments
        case _:
            return (meaning.operand,)


def walk(meaning: Meaning) -> Iterator[Meaning]:
    """The tree in the order written."""
    yield meaning
    for part in parts(meaning):
        yield from walk(part)


def names_of(meaning: Meaning) -> tuple[str, ...]:
    """The cells it reads, in the order written."""
    return tuple(dict.fromkeys(node.name for node in walk(meaning) if isinstance(node, Load | Null)))


def every(operands: tuple[Meaning, ...]) -> Meaning:
    """And, without what is known already."""
    left = tuple(operand for operand in operands if operand != TRUE)
    if FALSE in left:
        return FALSE
    if not left:
        return TRUE
    return left[0] if len(left) == 1 else Every(Kind.TRUTH, left)


def some(operands: tuple[Meaning, ...]) -> Meaning:
    """Or, without what is known already."""
    left = tuple(operand for operand in operands if operand != FALSE)
    if TRUE in left:
        return TRUE
    if not left:
        return FALSE
    return left[0] if len(left) == 1 else Some(Kind.TRUTH, left)


def inverse(operand: Meaning) -> Meaning:
    """Not."""
    if isinstance(operand, Const):
        return Const(Kind.TRUTH, None if operand.value is None else not operand.value)
    return operand.operand if isinstance(operand, Inverse) else Inverse(Kind.TRUTH, operand)
