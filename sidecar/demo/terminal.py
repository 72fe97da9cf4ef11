"""What the demo looks like: aligned lines; colour, marks and a moving sign only where they can be seen."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TextIO

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII: Final = {"✓": "+", "✗": "x", "→": "->", "…": "...", "·": "|"}
_TICK_SECONDS: Final = 0.08


class Terminal:
    """Writes lines to `out` and, on a terminal, what is going on to `talk`."""

    def __init__(self, out: TextIO, talk: TextIO, environment: Mapping[str, str], columns: int) -> None:
        self._out = out
        self._talk = talk
        self.columns = max(60, min(columns, 120))
        self._colour = out.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        self._moving = talk.isatty() and environment.get("TERM") != "dumb"
        self._unicode = "utf" in (out.encoding or "").lower()

    def paint(self, text: str, style: str) -> str:
        """`text` in a style of the closed set above, where colour is wanted."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour else text

    def say(self, line: str = "") -> None:
        """One line, cut to the width of the terminal (colour codes take no room) and flushed."""
        if not self._unicode:
            for sign, plain in _ASCII.items():
                line = line.replace(sign, plain)
            line = line.encode("ascii", "replace").decode()
        print(line, file=self._out, flush=True)

    def cut(self, text: str, indent: int) -> str:
        """`text` on one line, short enough to stand after `indent` columns."""
        room = self.columns - indent
        return text if len(text) <= room else text[: room - 1] + "…"

    def wrap(self, text: str, indent: int, further: int) -> list[str]:
        """`text` in lines that fit: the first behind `indent` columns, the others behind `further`."""
        return textwrap.wrap(
            text, self.columns, initial_indent=" " * indent, subsequent_indent=" " * further, break_on_hyphens=False
        )

    @contextmanager
    def busy(self, label: str) -> Iterator[Callable[[], None]]:
        """Show `label` with a moving sign; the block calls what it gets while it waits."""
        started = time.monotonic()
        turns = 0

        def tick() -> None:
            nonlocal turns
            if self._moving:
                frame = _FRAMES[turns % len(_FRAMES)] if self._unicode else "|/-\\"[turns % 4]
                seconds = time.monotonic() - started
                print(f"\r  {frame} {label} {seconds:.0f} s\x1b[K", end="", file=self._talk, flush=True)
            turns += 1
            time.sleep(_TICK_SECONDS)

        try:
            yield tick
        finally:
            if self._moving:
                print("\r\x1b[K", end="", file=self._talk, flush=True)
