"""Nested lists walked side by side: the places of both, or the first place where their forms part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...rows import Value
from .base import Difference, is_number


class Parting(Exception):  # noqa: N818 - an early return out of a recursion, never seen outside
    """Two values are not of one form."""

    def __init__(self, kind: Difference, path: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.path = path


class Leaves(NamedTuple):
    """Two numbers in one place."""

    primary: float
    candidate: float
    path: str


def numbers(primary: Value, candidate: Value, path: str = "") -> Iterator[Leaves]:
    """Every pair of numbers. `Parting` where a length differs or something is no number."""
    if isinstance(primary, list | tuple) and isinstance(candidate, list | tuple):
        if len(primary) != len(candidate):
            raise Parting(Difference.SHAPE, path)
        for index, (left, right) in enumerate(zip(primary, candidate, strict=True)):
            yield from numbers(left, right, f"{path}/{index}")
    elif is_number(primary) and is_number(candidate):
        yield Leaves(primary, candidate, path)
    else:
        listed = isinstance(primary, list | tuple) != isinstance(candidate, list | tuple)
        raise Parting(Difference.SHAPE if listed else Difference.TYPE, path)
