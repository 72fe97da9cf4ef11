"""Text that matches a pattern: for the everyday part of RE2's syntax; the caller checks what comes out.

A walk over the pattern that takes the first way everywhere: the first alternative, the first character of a class, the
least of a repeat. What it does not know gives None, and a person is asked for an example.
"""

from __future__ import annotations

from typing import Final

_CLASSES: Final = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
_LITERALS: Final = {"n": "\n", "t": "\t", "r": "\r"}
_MOST: Final = 10_000


class _UnknownError(Exception):
    """A construct that is not walked."""


def matching(pattern: str) -> str | None:
    """The simplest text that the pattern should match, or None."""
    walk = _Walk(pattern)
    try:
        text = walk.alternatives()
    except (_UnknownError, IndexError, ValueError):
        return None
    return text if walk.at == len(pattern) and len(text) <= _MOST else None


class _Walk:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def alternatives(self) -> str:
        first = self._sequence()
        while self._next("|"):
            self._sequence()
        return first

    def _sequence(self) -> str:
        parts: list[str] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return "".join(parts)

    def _atom(self) -> str:
        sign = self._take()
        if sign == "(":
            if self._next("?"):
                kind = self._take()
                if kind != ":":
                    raise _UnknownError
            inner = self.alternatives()
            if not self._next(")"):
                raise _UnknownError
            return inner
        if sign == "[":
            return self._character_of_class()
        if sign == "\\":
            return self._escaped()
        if sign in "^$":
            return ""
        return "a" if sign == "." else sign

    def _escaped(self) -> str:
        sign = self._take()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign in _LITERALS:
            return _LITERALS[sign]
        if sign.isalnum():
            raise _UnknownError
        return sign

    def _character_of_class(self) -> str:
        if self.pattern[self.at] in "^[":
            raise _UnknownError
        found = self._escaped() if self._next("\\") else self._take()
        while self._take() != "]":
            self._next("\\]")
        return found

    def _repeated(self, unit: str) -> str:
        if self.at >= len(self.pattern):
            return unit
        least = 1
        if self._next("*") or self._next("?"):
            least = 0
        elif self._next("+"):
            least = 1
        elif self._next("{"):
            end = self.pattern.index("}", self.at)
            least = int(self.pattern[self.at : end].partition(",")[0])
            self.at = end + 1
        self._next("?")
        if least * len(unit) > _MOST:
            raise _UnknownError
        return unit * least

    def _take(self) -> str:
        sign = self.pattern[self.at]
        self.at += 1
        return sign

    def _next(self, sign: str) -> bool:
        found = self.pattern.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found
