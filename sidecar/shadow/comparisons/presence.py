"""Outputs whose values may differ freely, as long as they are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...rows import Value
from .base import EQUAL, Compared, Difference, worst


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether it is there: any value agrees with any other, null only with null."""

    kind: ClassVar[str] = "presence"

    def compare(self, primary: Value, candidate: Value) -> Compared:
        if (primary is None) == (candidate is None):
            return EQUAL
        return worst(Difference.MISSING if candidate is None else Difference.EXTRA)


MEMBER = Presence
