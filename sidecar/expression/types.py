"""What a name may stand for, and who knows it: the declared types that an expression is checked against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from ..rows import Value
from ..yamldoc import nearest
from .fault import UnknownNameError


class Kind(StrEnum):
    """The kind of an operand, known before any row."""

    NUMBER = "number"
    TEXT = "text"
    TRUTH = "truth"
    TIME = "time"  # RFC 3339 text, compared as a moment
    LIST = "list"  # can be counted
    BYTES = "bytes"  # can be counted
    TEXTS = "texts"  # several texts in one cell: equal to a text that is among them
    MIXED = "mixed"  # a category whose values are not of one kind
    COUNTED = "counted"  # a cell of any kind, read as its length
    ANY = "any"  # nobody has declared it: what it is shows in each row


CALLED: Final[dict[Kind, str]] = {
    Kind.NUMBER: "a number",
    Kind.TEXT: "text",
    Kind.TRUTH: "true or false",
    Kind.TIME: "a timestamp",
    Kind.LIST: "a list",
    Kind.BYTES: "bytes",
    Kind.TEXTS: "a list of texts",
    Kind.MIXED: "a category",
    Kind.COUNTED: "a length",
    Kind.ANY: "a value",
}


@dataclass(frozen=True, slots=True)
class Type:
    """A declared type. `values` are the only ones it has; `ordered` is false where smaller and greater mean nothing."""

    kind: Kind
    values: tuple[Value, ...] | None = None
    ordered: bool = True


NUMBER: Final = Type(Kind.NUMBER)
TEXT: Final = Type(Kind.TEXT)
TRUTH: Final = Type(Kind.TRUTH, ordered=False)
TIME: Final = Type(Kind.TIME)
LIST: Final = Type(Kind.LIST, ordered=False)
BYTES: Final = Type(Kind.BYTES, ordered=False)
TEXTS: Final = Type(Kind.TEXTS, ordered=False)
ANY: Final = Type(Kind.ANY)


def category(values: Sequence[Value]) -> Type:
    """One of these texts, numbers and truths. Categories have no order, unless all are numbers."""
    classes = {value.__class__ for value in values}
    if classes == {str}:
        return Type(Kind.TEXT, tuple(values), ordered=False)
    if classes == {bool}:
        return Type(Kind.TRUTH, tuple(values), ordered=False)
    if classes and classes <= {int, float}:
        return Type(Kind.NUMBER, tuple(values))
    return Type(Kind.MIXED, tuple(values), ordered=False)


class Environment(Protocol):
    """Who knows what names stand for."""

    def find(self, path: tuple[str, ...]) -> tuple[str, Type]:
        """The key and type of a name as written, cut at its points (`a.b` is two parts, `` `a.b` `` is one).

        UnknownNameError with a sentence for a name that stands for nothing.
        """
        ...


class Declared:
    """Names with declared types; `what` calls them in messages."""

    def __init__(self, types: Mapping[str, Type], what: str = "feature") -> None:
        self.types = types
        self.what = what

    def find(self, path: tuple[str, ...]) -> tuple[str, Type]:
        name = ".".join(path)
        found = self.types.get(name)
        if found is not None:
            return name, found
        near = nearest(name, self.types)
        if near:
            raise UnknownNameError(f"there is no {self.what} `{name}`; did you mean `{near}`?")
        known = ", ".join(list(self.types)[:8]) + (", …" if len(self.types) > 8 else "")
        hint = f"there are {known}; text goes in quotes" if known else "text goes in quotes"
        raise UnknownNameError(f"there is no {self.what} `{name}`", hint)
