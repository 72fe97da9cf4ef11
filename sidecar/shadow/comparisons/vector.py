"""Lists of numbers, nested or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...rows import Value
from .base import EQUAL, Compared, distance_of, divergence, worst
from .nested import Parting, numbers


@dataclass(frozen=True, slots=True)
class Vector:
    """A list of numbers: the largest absolute difference of any place, beyond `tolerance`, in units of `scale`."""

    kind: ClassVar[str] = "vector"

    tolerance: float = 1e-6
    scale: float = 1.0

    def compare(self, primary: Value, candidate: Value) -> Compared:
        worst_yet = EQUAL._replace(score=max(-1.0, -self.tolerance / self.scale))
        try:
            for left, right, path in numbers(primary, candidate):
                found = divergence(distance_of(left, right), self.tolerance, self.scale, path)
                if (found.score, found.difference) > (worst_yet.score, worst_yet.difference):
                    worst_yet = found
        except Parting as parting:
            return worst(parting.kind, parting.path)
        return worst_yet


MEMBER = Vector
