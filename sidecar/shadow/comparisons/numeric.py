"""Numbers, one a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...rows import Value
from .base import Compared, Difference, distance_of, divergence, is_number, worst


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number: the absolute difference, beyond `tolerance`, in units of `scale`."""

    kind: ClassVar[str] = "numeric"

    tolerance: float = 1e-6
    scale: float = 1.0

    def compare(self, primary: Value, candidate: Value) -> Compared:
        if not (is_number(primary) and is_number(candidate)):
            return worst(Difference.TYPE)
        return divergence(distance_of(primary, candidate), self.tolerance, self.scale)


MEMBER = Numeric
