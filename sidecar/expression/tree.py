"""The syntax tree of an expression: what was written, before anybody asks whether it can be meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..rows import Value


@dataclass(frozen=True, slots=True)
class Literal:
    """Text, a number, true or false; `at` and `end` cut the source text."""

    at: int
    end: int
    value: Value


@dataclass(frozen=True, slots=True)
class Name:
    """A name, cut at its points."""

    at: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """`-x`."""

    at: int
    end: int
    operand: Node


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left + right`, and so with - * / %."""

    at: int
    end: int
    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first < second <= third`: each neighbour compared, all must hold."""

    at: int
    end: int
    operands: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Among:
    """`x in ['a', 'b']`."""

    at: int
    end: int
    operand: Node
    values: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """`x is null`."""

    at: int
    end: int
    operand: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Not:
    """`not x`."""

    at: int
    end: int
    operand: Node


@dataclass(frozen=True, slots=True)
class And:
    """`a and b and c`."""

    at: int
    end: int
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """`a or b or c`."""

    at: int
    end: int
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """`function(a, b)`."""

    at: int
    end: int
    function: str
    arguments: tuple[Node, ...]


Node: TypeAlias = Literal | Name | Negative | Arithmetic | Comparison | Among | IsNull | Not | And | Or | Call
