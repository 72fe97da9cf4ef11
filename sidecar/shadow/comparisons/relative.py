"""Numbers whose size varies over orders of magnitude: prices, counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...rows import Value
from .base import EQUAL, Compared, distance_of, divergence, worst
from .nested import Parting, numbers


@dataclass(frozen=True, slots=True)
class Relative:
    """A number or a list of numbers: the difference as a share of the primary's size, which counts as at least `scale`.

    Near zero a share means nothing, so say from which size on it does; the difference beyond `tolerance` is the score.
    """

    kind: ClassVar[str] = "relative"

    tolerance: float = 1e-6
    scale: float = 1e-9

    def compare(self, primary: Value, candidate: Value) -> Compared:
        worst_yet = EQUAL._replace(score=max(-1.0, -self.tolerance))
        try:
            for left, right, path in numbers(primary, candidate):
                distance = distance_of(left, right)
                if distance:
                    size = abs(left) if math.isfinite(left) else 0.0
                    distance /= max(size, self.scale)
                found = divergence(distance, self.tolerance, 1.0, path)
                if (found.score, found.difference) > (worst_yet.score, worst_yet.difference):
                    worst_yet = found
        except Parting as parting:
            return worst(parting.kind, parting.path)
        return worst_yet


MEMBER = Relative
