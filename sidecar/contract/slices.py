"""Groups of rows: those for which a condition holds, or one group a value of a feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..expression import Expression
from ..rows import MISSING, Value
from .cell import INVALID
from .compiled import Compiled


@dataclass(frozen=True, slots=True)
class CompiledSlice:
    """One slice: `condition`, or `feature` where it is by value."""

    name: str
    condition: Expression | None = None
    feature: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads."""
        return self.condition.names if self.condition is not None else (self.feature,)


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of one policy, over the rows that its contract settles."""

    slices: tuple[CompiledSlice, ...]
    contract: Compiled

    def of(self, row: Mapping[str, Value], now_seconds: float) -> dict[str, Value]:
        """Slice → True, False, None (undecided), or the feature's value (None where it is null or missing)."""
        asked = {name for each in self.slices for name in each.names}
        settled = self.contract.settled(row, asked, now_seconds)
        found: dict[str, Value] = {}
        for each in self.slices:
            if each.condition is not None:
                found[each.name] = each.condition.row(settled)
                continue
            value = settled.get(each.feature, row.get(each.feature))
            value = row.get(each.feature) if value is INVALID else value
            found[each.name] = None if value is MISSING else value
        return found
