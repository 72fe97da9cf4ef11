"""How findings speak: what a shape expects, an example of it, the key that was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Final

from .shapes import Anything, ListOf, MapOf, Number, OneOf, SectionOf, Shape, Text, Truth, Words, section
from .vocabulary import Matches, Unit

_UNIT_WORDS: Final = {Unit.DURATION: "a duration", Unit.SIZE: "a size", Unit.SHARE: "a share"}
_UNIT_EXAMPLES: Final = {
    Unit.DURATION: "durations are written 250ms, 30s, 5m, 48h, 30d",
    Unit.SIZE: "sizes are written 64MiB, 1GiB, 500kB",
    Unit.SHARE: "shares are written 5% or 0.05",
}


def expects(shape: Shape) -> str:
    """What may stand there, in a few words."""
    match shape:
        case Text(rule):
            return rule.says if rule is not None else "text"
        case Truth():
            return "true or false"
        case Number():
            return _UNIT_WORDS[shape.unit] if shape.unit else "a whole number" if shape.whole else "a number"
        case Words(values):
            words = [word for word, _ in values]
            return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
        case Anything():
            return "a value"
        case ListOf(item):
            return f"a list of {_plural(item)}"
        case MapOf():
            return "a section of names"
        case SectionOf(cls):
            named = list(section(cls).fields)
            return f"a section with {', '.join(named[:4])}{', …' if len(named) > 4 else ''}"
        case OneOf(options):
            return " or ".join(dict.fromkeys(expects(option) for option in options))


def _plural(shape: Shape) -> str:
    plurals = {"text": "texts", "a number": "numbers", "a whole number": "whole numbers", "a value": "values"}
    return "sections" if isinstance(shape, SectionOf | MapOf) else plurals.get(expects(shape), expects(shape))


def examples(shape: Shape) -> str:
    """A hint on spelling, or nothing."""
    match shape:
        case Number(unit=Unit() as unit):
            return _UNIT_EXAMPLES[unit]
        case ListOf():
            return "lists are written [a, b], or one `- item` a line"
        case SectionOf() | MapOf():
            return "sections are written {key: value}, or one `key: value` a line, indented"
        case OneOf(options) if len(options) == 1:
            return examples(options[0])
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or nothing."""
    words = {each.lower(): each for each in reversed(list(known))}
    meant = word[:80].lower()
    swapped = [each for each in reversed(words) if sorted(each) == sorted(meant)]  # two keys hit in the wrong order
    found = swapped or difflib.get_close_matches(meant, words, n=1, cutoff=0.6)
    return words[found[0]] if found else ""


def matches(rule: Matches, text: str) -> bool:
    """Whether the whole text matches."""
    return len(text) <= 4096 and re.fullmatch(rule.pattern, text) is not None


def _homes(root: type[Any]) -> dict[str, str]:
    """Key → the section it belongs to, where one only is nearest to the top."""
    homes: dict[str, list[str]] = {}

    def walk(shape: Shape, name: str, seen: frozenset[type[Any]]) -> None:
        match shape:
            case SectionOf(cls) if cls not in seen:
                for field in section(cls).fields.values():
                    homes.setdefault(field.name, []).append(name)
                    walk(field.shape, f"{name}.{field.name}" if name else field.name, seen | {cls})
            case ListOf(inner) | MapOf(inner):
                walk(inner, f"{name}[…]", seen)
            case OneOf(options):
                for option in options:
                    walk(option, name, seen)

    walk(SectionOf(root), "", frozenset())
    nearest_home: dict[str, str] = {}
    for key, found in homes.items():
        depths = {home: home.count(".") + home.count("[") for home in found}
        top = {home for home, depth in depths.items() if depth == min(depths.values())}
        if len(top) == 1:
            (nearest_home[key],) = top
    return nearest_home


def elsewhere(root: type[Any], name: str) -> str:
    """The section of the same document whose key this is, or nothing."""
    home = _homes(root).get(name)
    return "" if home is None else f"`{home}:`" if home else "the document's top level"
