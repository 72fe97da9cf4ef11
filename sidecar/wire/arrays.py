"""numpy for counting in long bodies: loaded once the first of them has come, elsewhere than on an event loop.

Its import takes a tenth of a second, which every caller would wait for. Until it is here, and where it cannot be had,
bodies are counted without it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

WANTED_FROM_BYTES: Final = 1 << 17

numpy: ModuleType | None = None
_long_body_seen = False
_asked = False


def long_body_seen() -> None:
    """A body was counted for which arrays would have been worth an import."""
    global _long_body_seen
    _long_body_seen = True


def wanted() -> bool:
    """Whether somebody should `load` now, in a thread; True once."""
    global _asked
    if not _long_body_seen or _asked:
        return False
    _asked = True
    return True


def load() -> None:
    """Blocks for the import. Nothing is raised: without arrays counting takes longer, and that is all."""
    global numpy
    try:
        import numpy as found
    except Exception:  # a broken installation, no memory for it, no threads
        return
    numpy = found
