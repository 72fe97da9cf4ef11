"""Patterns run on RE2 alone: a caller's value can never make one slow. What RE2 refuses is explained, not emulated."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import re2

# Construct → (its name, what to write instead), tried in order against the pattern RE2 refused.
_CONSTRUCTS: Final[Sequence[tuple[re.Pattern[str], str, str]]] = (
    (re.compile(r"\(\?<?[=!]"), "look-around", "say what the whole value looks like instead, or use `values`"),
    (re.compile(r"\\[1-9]|\(\?P="), "a back-reference", "RE2 cannot compare a value with itself; leave it out"),
    (re.compile(r"\(\?>"), "an atomic group", "use a plain group (?:…): RE2 never backtracks"),
    (re.compile(r"[*+?}]\+"), "a possessive repeat", "drop the second `+`: RE2 never backtracks"),
    (re.compile(r"\(\?#"), "a comment group", "put the comment into `description`"),
    (re.compile(r"\(\?\("), "a conditional group", "write both cases with `|`"),
    (re.compile(r"\\Z"), "\\Z", "leave it out: the whole value must match anyway"),
    (re.compile(r"\{[0-9]*,?[0-9]{4,}\}"), "a repeat above 1000", "use `max_length` and `*`"),
)


class PatternError(ValueError):
    """A pattern RE2 refuses; `hint` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def matcher(pattern: str) -> Callable[[str], bool]:
    """A function that says whether the whole of a string matches. PatternError when RE2 cannot run the pattern."""
    options = re2.Options()
    options.log_errors = False
    try:
        encoded = pattern.encode()
        exact = re2.compile(encoded, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise _explained(pattern, error) from None
    # A set of one answers "yes" without building a match object; its "no" may only mean that its automaton grew too
    # large, so it is asked again of the full engine.
    quick = re2.Set.FullMatchSet(options)
    quick.Add(encoded)
    quick.Compile()
    quick_match, exact_match = quick.Match, exact.fullmatch

    def matches(text: str) -> bool:
        try:
            data = text.encode()
        except UnicodeEncodeError:  # a lone surrogate: not text at all
            return False
        return bool(quick_match(data)) or exact_match(data) is not None

    return matches


def _explained(pattern: str, error: Exception) -> PatternError:
    for construct, name, hint in _CONSTRUCTS:
        if construct.search(pattern):
            return PatternError(f"the pattern uses {name}, which RE2 does not run", hint)
    said = error.args[0] if error.args else ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return PatternError(f"the pattern is not RE2 syntax: {text}", "see the RE2 syntax page; quote it in YAML")
