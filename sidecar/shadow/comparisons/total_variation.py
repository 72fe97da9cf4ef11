"""Class probabilities as one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...rows import Value
from .base import Compared, distance_of, divergence, worst
from .nested import Parting, numbers


@dataclass(frozen=True, slots=True)
class TotalVariation:
    """Class probabilities: half the sum of the absolute differences, the share of probability that has moved."""

    kind: ClassVar[str] = "total_variation"

    tolerance: float = 1e-6

    def compare(self, primary: Value, candidate: Value) -> Compared:
        try:
            distance = 0.5 * sum(distance_of(left, right) for left, right, _ in numbers(primary, candidate))
        except Parting as parting:
            return worst(parting.kind, parting.path)
        return divergence(distance, self.tolerance, 1.0)


MEMBER = TotalVariation
