"""What is said about an expression that cannot be meant: one sentence, its place, and what to write instead."""

from __future__ import annotations

from typing import Final

from ..errors import SidecarError

_SHOWN: Final = 100  # characters around the place
_BLANKS: Final = str.maketrans(dict.fromkeys("\n\r\t\v\f", " "))


class ExpressionError(SidecarError):
    """An expression that cannot be read or cannot be meant. `position` counts characters from 0."""

    def __init__(self, message: str, text: str, position: int, hint: str = "") -> None:
        start = max(0, position - _SHOWN // 2)
        shown = text[start : start + _SHOWN].translate(_BLANKS)
        tail = f"\n  {hint}" if hint else ""
        caret = " " * (position - start) + "^"
        super().__init__(f"{message} (at character {position + 1})\n  {shown}\n  {caret}{tail}")
        self.message = message
        self.text = text
        self.position = position
        self.hint = hint


class UnknownNameError(Exception):
    """What an environment says of a name it does not have; the reader adds the place."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
