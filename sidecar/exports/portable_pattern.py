"""RE2 patterns → patterns that mean the same in ECMA 262 (JSON Schema) and in Python, or None where none can.

RE2's classes are ASCII, its `.` stops at a line feed alone, and a contract's pattern must match the whole value; all
three are spelled out. What the dialects read differently (word boundaries, Unicode and POSIX classes, flags) is None.
"""

from __future__ import annotations

from typing import Final

_END: Final = r"(?![\s\S])"  # the end of the text in both dialects; `$` is not, in Python
_CLASSES: Final = {"d": "0-9", "w": "A-Za-z0-9_", "s": r"\t\n\f\r "}
_CONTROLS: Final = frozenset("tnrf")
_SYNTAX: Final = frozenset("^$\\.*+?()[]{}|/")


def portable(pattern: str) -> str | None:
    """An unanchored pattern that matches exactly the strings that `pattern` matches whole."""
    try:
        return f"^(?:{_Reader(pattern).all()}){_END}"
    except _DiffersError:
        return None


class _DiffersError(Exception):
    """The dialects disagree about this construct."""


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def all(self) -> str:
        parts: list[str] = []
        while self.at < len(self.pattern):
            parts.append(self._one())
        return "".join(parts)

    def _next(self) -> str:
        if self.at >= len(self.pattern):
            raise _DiffersError
        self.at += 1
        return self.pattern[self.at - 1]

    def _one(self) -> str:
        sign = self._next()
        if sign == "\\":
            return self._escape()
        if sign == "[":
            return self._class()
        if sign == "(":
            if self.pattern.startswith("?", self.at):
                if not self.pattern.startswith("?:", self.at):
                    raise _DiffersError
                self.at += 2
            return "(?:"
        if sign == ".":
            return "[^\\n]"
        if sign == "$":
            return _END
        if sign == "{":
            return self._repeat()
        if sign in "}]":
            return "\\" + sign
        if sign in "*+?" and self.pattern.startswith("+", self.at):
            raise _DiffersError  # a possessive repeat elsewhere
        return self._plain(sign)

    def _plain(self, sign: str) -> str:
        if ord(sign) > 0xFFFF:  # two units where a validator reads UTF-16
            raise _DiffersError
        return "\\/" if sign == "/" else sign

    def _repeat(self) -> str:
        end = self.pattern.find("}", self.at)
        body = self.pattern[self.at : end] if end >= 0 else ""
        low, comma, high = body.partition(",")
        if not low.isdigit() or not low.isascii() or (high and not (high.isdigit() and high.isascii())):
            return "\\{"
        self.at = end + 1
        return f"{{{low}{comma}{high}}}"

    def _escape(self) -> str:
        sign = self._next()
        if sign in _CLASSES:
            return f"[{_CLASSES[sign]}]"
        if sign.lower() in _CLASSES:
            return f"[^{_CLASSES[sign.lower()]}]"
        if sign in _CONTROLS:
            return "\\" + sign
        if sign.isalnum() or not sign.isascii():
            raise _DiffersError
        return "\\" + sign if sign in _SYNTAX else sign

    def _class(self) -> str:
        parts = ["["]
        if self.pattern.startswith("^", self.at):
            self.at += 1
            parts.append("^")
        first = True
        while True:
            sign = self._next()
            if sign == "]" and not first:
                return "".join((*parts, "]"))
            first = False
            if sign == "[" and self.pattern.startswith(":", self.at):
                raise _DiffersError
            if sign == "\\":
                parts.append(self._class_escape())
            elif sign in "[]^":
                parts.append("\\" + sign)
            else:
                parts.append(self._plain(sign) if sign != "/" else "/")

    def _class_escape(self) -> str:
        sign = self._next()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign in _CONTROLS:
            return "\\" + sign
        if sign.isalnum() or not sign.isascii():
            raise _DiffersError
        return "\\" + sign if sign in "\\]^[-" else sign
