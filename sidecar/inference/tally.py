"""Counts of distinct values: exact up to a cap, an estimate beyond it. Tallies merge by addition.

Beyond the cap only the smallest hashes are kept (k minimum values: Bar-Yossef et al. 2002, Beyer et al. 2007): the
estimate (k - 1) / the k-th smallest hash has a relative standard error of about 1 / sqrt(k - 2), here 6 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from hashlib import blake2b
from heapq import nsmallest
from typing import Any, Final

HASHES: Final = 256
LONGEST_KEPT: Final = 200  # characters of a text that is kept as it is
_SPACE: Final = 2.0**64


class Tally:
    """How often each value was seen. `counts` is None once there were more than `cap` distinct ones."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.total = 0
        self.counts: Counter[Any] | None = Counter()
        self.spilled: Counter[Any] | None = None  # the exact counts of the moment they became too many; take them
        self._smallest: set[int] = set()

    def add(self, counts: Mapping[Any, int]) -> None:
        """Add values with their counts."""
        self.total += sum(counts.values())
        if self.counts is None:
            self._hash(counts)
            return
        self.counts.update({_kept(value): count for value, count in counts.items()})
        if len(self.counts) > self.cap:
            self._overflow()

    def merge(self, other: Tally) -> None:
        """Add another tally."""
        self.total += other.total
        if self.counts is not None and other.counts is not None:
            self.counts.update(other.counts)
            if len(self.counts) > self.cap:
                self._overflow()
            return
        if self.counts is not None:
            self._overflow()
        if other.counts is not None:
            self._hash(other.counts)
        else:
            self._keep(other._smallest)

    @property
    def distinct(self) -> int:
        """How many distinct values; exact while `counts` is there."""
        if self.counts is not None:
            return len(self.counts)
        if len(self._smallest) < HASHES:
            return len(self._smallest)
        return min(round((HASHES - 1) / ((max(self._smallest) + 1) / _SPACE)), self.total)

    @property
    def once(self) -> int:
        """How many values were seen once; 0 when that is no longer known."""
        return sum(count == 1 for count in self.counts.values()) if self.counts is not None else 0

    def _overflow(self) -> None:
        self.spilled, self.counts = self.counts, None
        self._hash(self.spilled or ())

    def _hash(self, values: Iterable[Hashable]) -> None:
        edge = max(self._smallest) if len(self._smallest) >= HASHES else 1 << 64
        self._keep({found for value in values if (found := _hashed(_kept(value))) < edge})

    def _keep(self, hashes: set[int]) -> None:
        self._smallest |= hashes
        if len(self._smallest) > HASHES:
            self._smallest = set(nsmallest(HASHES, self._smallest))


def _kept(value: Any) -> Any:
    """The value, or a stand-in of a text that is too long to be kept."""
    if type(value) is str and len(value) > LONGEST_KEPT:
        return ("long", _hashed(value))
    return value


def _hashed(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)  # 1.0 and 1 are one value
    text = f"{type(value).__name__}:{value!r}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
