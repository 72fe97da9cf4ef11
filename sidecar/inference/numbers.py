"""The numbers of one column: exact while there are few distinct ones, a sketch beyond; sentinels kept apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias

from .sketch import Bucket, Sketch
from .tally import Tally

Number: TypeAlias = int | float

EXACT_DISTINCT: Final = 1024
# What systems write where a number is not known. They stay apart until all others are known.
SENTINELS: Final[frozenset[Number]] = frozenset(
    {sign * (10**digits - 1) for digits in range(3, 13) for sign in (1, -1)}
    | {-(2**31), 2**31 - 1, -(10**9), 10**10 - 1}
)
_MANY: Final = 20  # numbers that are never negative, beside which a negative sentinel is none of them
_LARGEST: Final = 1.7976931348623157e308


class Numbers:
    """Additive counts of the finite numbers of a column. `low` and `high` are exact, sentinels and NaN left out."""

    def __init__(self) -> None:
        self.tally = Tally(EXACT_DISTINCT)
        self.sketch: Sketch | None = None
        self.apart: Counter[Number] = Counter()
        self.nan = 0
        self.infinite: Counter[float] = Counter()
        self.huge = 0  # whole numbers that no double can hold
        self.floats = 0  # numbers written with a point
        self.low: Number | None = None
        self.high: Number | None = None

    @property
    def count(self) -> int:
        """Finite numbers, sentinels left out."""
        return self.tally.total

    def add(self, counts: Mapping[Number, int]) -> None:
        """Numbers and how often each was seen."""
        good: Counter[Number] = Counter()
        for value, count in counts.items():
            if type(value) is float and not math.isfinite(value):
                if math.isnan(value):
                    self.nan += count
                else:
                    self.infinite[value] += count
            elif type(value) is int and abs(value) > _LARGEST:
                self.huge += count
            elif value in SENTINELS:
                self.apart[value] += count
            else:
                good[value] += count
        self.take_in(good)

    def take_in(self, good: Mapping[Number, int]) -> None:
        """Numbers that are no sentinels, or turned out to be none."""
        if not good:
            return
        low, high = min(good), max(good)
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        self.floats += sum(count for value, count in good.items() if type(value) is float)
        self.tally.add(good)
        if self.sketch is not None:
            self._into_sketch(good)
        elif self.tally.spilled is not None:
            everything, self.tally.spilled = self.tally.spilled, None
            self.sketch = Sketch(_middle(everything))
            self._into_sketch(everything)

    def merge(self, other: Numbers) -> None:
        """Add the numbers of another part of the column. ValueError when both were too many to be kept exactly."""
        self.apart.update(other.apart)
        self.nan += other.nan
        self.infinite.update(other.infinite)
        self.huge += other.huge
        if other.tally.counts is not None:
            self.take_in(other.tally.counts)
            return
        assert other.sketch is not None
        self.floats += other.floats
        self.low = other.low if self.low is None or other.low is None else min(self.low, other.low)
        self.high = other.high if self.high is None or other.high is None else max(self.high, other.high)
        if self.sketch is None:
            self.sketch = Sketch(other.sketch.pivot)
            self._into_sketch(self.tally.counts or {})
        self.sketch.merge(other.sketch)
        self.tally.merge(other.tally)
        self.tally.spilled = None

    def quantile(self, share: float) -> Number:
        """Exact while there are few distinct numbers; never outside `low` … `high`."""
        assert self.low is not None
        assert self.high is not None
        if self.sketch is not None:
            return min(max(self.sketch.quantile(share), self.low), self.high)
        rank, seen = math.ceil(share * self.count), 0
        counts: Mapping[Number, int] = self.tally.counts or {}
        for value, count in sorted(counts.items()):
            seen += count
            if seen >= rank:
                return value
        return self.high

    def spread(self) -> list[Bucket]:
        """All numbers in order: one bucket a number while they are known, else the sketch's."""
        if self.sketch is not None:
            return list(self.sketch.buckets())
        counts = sorted((self.tally.counts or {}).items())
        return [Bucket(float(value), float(value), count) for value, count in counts]

    def settle(self) -> dict[Number, int]:
        """Decide which sentinels stand apart from all other numbers; the others become numbers like any other.

        Apart: further from all others than these are from each other, or the only negative among many. Alone in its
        column, a value is what it is.
        """
        rest = {value: count for value, count in self.apart.items() if not self._stands_apart(value)}
        for value in rest:
            del self.apart[value]
        self.take_in(rest)
        return dict(sorted(self.apart.items()))

    def _stands_apart(self, value: Number) -> bool:
        if self.low is None or self.high is None:
            return False
        if value < 0 <= self.low and self.count >= _MANY:
            return True
        span = max(self.high - self.low, abs(self.high), abs(self.low))
        return value < self.low - span or value > self.high + span

    def _into_sketch(self, counts: Mapping[Number, int]) -> None:
        assert self.sketch is not None
        if counts:
            self.sketch.add([float(value) for value in counts], list(counts.values()))


def _middle(counts: Mapping[Number, int]) -> float:
    half, seen = sum(counts.values()) / 2, 0
    for value, count in sorted(counts.items()):
        seen += count
        if seen >= half:
            return float(value)
    return 0.0
