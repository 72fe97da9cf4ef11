"""Quantiles of many numbers in little memory: DDSketch (Masson, Rim, Lee 2019) around a pivot.

A number is counted in the bucket of its distance to the pivot; buckets grow by `GAMMA`, so a quantile is off by at most
0.5 % of its distance to the pivot: numbers far from zero but close to one another keep their shape. Sketches with one
pivot merge exactly, by adding counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

RELATIVE_ERROR: Final = 0.005
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG: Final = math.log(GAMMA)
_LARGEST: Final = float(np.finfo(np.float64).max)
_TINIEST: Final = 1e-300  # a distance below it is none


class Bucket(NamedTuple):
    """Numbers between two values."""

    low: float
    high: float
    rows: int


class Sketch:
    """Counts by distance from `pivot`."""

    def __init__(self, pivot: float) -> None:
        self.pivot = pivot
        self.total = 0
        self._at = 0
        self._above: Counter[int] = Counter()
        self._below: Counter[int] = Counter()

    def add(self, values: Any, counts: Any) -> None:
        """Finite numbers and how often each was seen: arrays of one length, or lists."""
        with np.errstate(over="ignore"):
            away = np.nan_to_num(np.asarray(values, dtype=np.float64) - self.pivot, posinf=_LARGEST, neginf=-_LARGEST)
        weights = np.asarray(counts, dtype=np.int64)
        size = np.abs(away)
        at = size < _TINIEST
        self._at += int(weights[at].sum())
        self.total += int(weights.sum())
        for side, chosen in ((self._above, (away > 0) & ~at), (self._below, (away < 0) & ~at)):
            if chosen.any():
                index = np.ceil(np.log(size[chosen]) / _LOG).astype(np.int64)
                keys, places = np.unique(index, return_inverse=True)
                sums = np.bincount(places, weights=weights[chosen])
                side.update(dict(zip(keys.tolist(), (int(number) for number in sums), strict=True)))

    def merge(self, other: Sketch) -> None:
        """Add another sketch. ValueError when its pivot is another one."""
        if other.pivot != self.pivot:
            raise ValueError("sketches around different pivots cannot be added")
        self.total += other.total
        self._at += other._at
        self._above.update(other._above)
        self._below.update(other._below)

    def buckets(self) -> Iterator[Bucket]:
        """From the lowest to the highest; what one ends with, the next may begin with."""
        for index in sorted(self._below, reverse=True):
            yield Bucket(self.pivot - _power(index), self.pivot - _power(index - 1), self._below[index])
        if self._at:
            yield Bucket(self.pivot, self.pivot, self._at)
        for index in sorted(self._above):
            yield Bucket(self.pivot + _power(index - 1), self.pivot + _power(index), self._above[index])

    def quantile(self, share: float) -> float:
        """The value up to which this share lies (nearest rank); the middle of its bucket."""
        rank, seen = math.ceil(share * self.total), 0
        bucket = Bucket(self.pivot, self.pivot, 0)
        for bucket in self.buckets():
            seen += bucket.rows
            if seen >= rank:
                break
        return bucket.low / 2 + bucket.high / 2


def _power(index: int) -> float:
    try:
        return min(math.exp(index * _LOG), _LARGEST)
    except OverflowError:
        return _LARGEST
