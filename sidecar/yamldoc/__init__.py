"""Strict YAML text → frozen dataclasses; every problem with file:line:column at once.

In: text, and a dataclass whose annotations say what may stand there. Out: a value, or findings. Never: an exception
for bad text, a guess (scalars are typed by the field, not by YAML), an alias, a key nobody asked for.
"""

from __future__ import annotations

from .vocabulary import (
    Bounds,
    ByteSize,
    Finding,
    Matches,
    Plain,
    Seconds,
    Share,
    Unit,
    Variants,
    key,
    keys_of,
)

__all__ = [
    "Bounds",
    "ByteSize",
    "Finding",
    "Matches",
    "Plain",
    "Seconds",
    "Share",
    "Unit",
    "Variants",
    "key",
    "keys_of",
]
