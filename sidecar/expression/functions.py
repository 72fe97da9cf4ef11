"""The functions of the language: what each takes and gives, and its line in the documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .types import Kind


@dataclass(frozen=True, slots=True)
class Function:
    """`takes` ANY: what can be counted. `any_number`: the last argument may be repeated."""

    takes: tuple[Kind, ...]
    gives: Kind
    written: str
    doc: str
    any_number: bool = False


FUNCTIONS: Final[dict[str, Function]] = {
    "abs": Function((Kind.NUMBER,), Kind.NUMBER, "abs(x)", "the number without its sign"),
    "min": Function((Kind.NUMBER, Kind.NUMBER), Kind.NUMBER, "min(x, y)", "the smallest number", True),
    "max": Function((Kind.NUMBER, Kind.NUMBER), Kind.NUMBER, "max(x, y)", "the largest number", True),
    "len": Function((Kind.ANY,), Kind.NUMBER, "len(x)", "characters of text, items of a list, bytes"),
    "lower": Function((Kind.TEXT,), Kind.TEXT, "lower(x)", "the text in lower case"),
    "startswith": Function((Kind.TEXT, Kind.TEXT), Kind.TRUTH, "startswith(x, 'a')", "whether the text begins so"),
    "year": Function((Kind.TIME,), Kind.NUMBER, "year(t)", "the year of a timestamp (UTC)"),
    "days_between": Function(
        (Kind.TIME, Kind.TIME), Kind.NUMBER, "days_between(t, u)", "days from t to u, below zero where u is earlier"
    ),
    "is_weekday": Function((Kind.TIME,), Kind.TRUTH, "is_weekday(t)", "Monday to Friday (UTC)"),
}


def signature(name: str) -> str:
    """How it is written, for messages."""
    return f"`{FUNCTIONS[name].written}`"
