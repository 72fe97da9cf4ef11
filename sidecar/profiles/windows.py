"""Counts of a feature over tumbling windows, and how long it has had its latest value. O(1) a row, merged exactly.

Windows begin at multiples of their length since the epoch, so replicas count into the same ones without talking.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from ..rows import Value

_NOTHING: Final = b""


@dataclass(slots=True)
class Counts:
    """One feature in one window. `nulls` are null or missing; `unseen` outside `values`; `repaired` changed by us."""

    rows: int = 0
    nulls: int = 0
    unseen: int = 0
    repaired: int = 0

    def merge(self, other: Counts) -> None:
        """Add what somebody else counted."""
        self.rows += other.rows
        self.nulls += other.nulls
        self.unseen += other.unseen
        self.repaired += other.repaired


@dataclass(slots=True)
class Run:
    """The latest value, as a fingerprint, and since when it has been the only one. Times in seconds since the epoch.

    `changed` is the time of the last row with another value (-inf: there was none), `first` and `until` those of the
    first and the last row with any value. `rows` counts rows since the change; after a merge it may count a few rows of
    the older run too.
    """

    fingerprint: bytes = _NOTHING
    changed: float = -math.inf
    first: float = math.inf
    until: float = -math.inf
    rows: int = 0

    def add(self, fingerprint: bytes, at_seconds: float) -> None:
        """One more row with a value, in any order."""
        self.merge(Run(fingerprint, -math.inf, at_seconds, at_seconds, 1))

    def merge(self, other: Run) -> None:
        """What both together saw: exact whoever saw which row, but for `rows`."""
        if not other.rows:
            return
        if not self.rows:
            self.fingerprint, self.changed, self.rows = other.fingerprint, other.changed, other.rows
        elif other.fingerprint == self.fingerprint:
            self.changed = max(self.changed, other.changed)
            self.rows += other.rows
        elif (other.until, other.fingerprint) > (self.until, self.fingerprint):
            self.changed = max(other.changed, self.until)
            self.fingerprint, self.rows = other.fingerprint, other.rows
        else:
            self.changed = max(self.changed, other.until)
        self.first = min(self.first, other.first)
        self.until = max(self.until, other.until)

    @property
    def since(self) -> float:
        """From when on no other value has been seen."""
        return max(self.first, self.changed)

    @property
    def held_seconds(self) -> float:
        """For how long there has been one value; 0 without rows."""
        return max(self.until - self.since, 0.0) if self.rows else 0.0


def fingerprint(value: Value) -> bytes:
    """Eight bytes, the same for equal JSON values: 1 and 1.0 are equal, true is neither."""
    return blake2b(_spelled(value).encode(errors="surrogatepass"), digest_size=8).digest()


def _spelled(value: Value) -> str:
    kind = value.__class__
    if kind is int or kind is float:
        whole = kind is float and value.is_integer()
        return repr(int(value)) if whole else repr(value)
    if kind is list:
        return f"[{','.join(map(_spelled, value))}]"
    if kind is dict:
        return f"{{{','.join(f'{name!r}:{_spelled(value[name])}' for name in sorted(value))}}}"
    return repr(value)


@dataclass(slots=True)
class _Latest:
    """The value behind a run, so that a row with the same one costs a comparison."""

    kind: type = object
    value: Value = None
    fingerprint: bytes = _NOTHING


@dataclass(slots=True)
class Profile:
    """All features of one policy. `counts` is by window start (seconds) and feature; `runs` by feature."""

    window_seconds: float
    counts: dict[float, dict[str, Counts]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    _latest: dict[str, _Latest] = field(default_factory=dict)

    def add(
        self,
        feature: str,
        value: Value,
        *,
        at_seconds: float,
        null: bool = False,
        unseen: bool = False,
        repaired: bool = False,
    ) -> None:
        """One row. `null`: there is no value (missing, null, or one that stands for null)."""
        self.count(feature, Counts(1, int(null), int(unseen), int(repaired)), at_seconds=at_seconds)
        if not null:
            self.hold(feature, value, at_seconds=at_seconds)

    def count(self, feature: str, counts: Counts, *, at_seconds: float) -> None:
        """Rows that came at one time."""
        self.counts.setdefault(self.start(at_seconds), {}).setdefault(feature, _none()).merge(counts)

    def hold(self, feature: str, value: Value, *, at_seconds: float, rows: int = 1) -> None:
        """Rows of one time that have the same value."""
        latest = self._latest.setdefault(feature, _Latest())
        if not (latest.fingerprint and value.__class__ is latest.kind and value == latest.value):
            latest.kind, latest.value, latest.fingerprint = value.__class__, value, fingerprint(value)
        run = Run(latest.fingerprint, -math.inf, at_seconds, at_seconds, rows)
        self.runs.setdefault(feature, Run()).merge(run)

    def start(self, at_seconds: float) -> float:
        """When the window of a time began."""
        return math.floor(at_seconds / self.window_seconds) * self.window_seconds

    def merge(self, other: Profile) -> None:
        """Add what another replica counted. ValueError when its windows have another length."""
        if other.window_seconds != self.window_seconds:
            raise ValueError(f"windows of {other.window_seconds:g}s do not add to those of {self.window_seconds:g}s")
        for start, features in other.counts.items():
            mine = self.counts.setdefault(start, {})
            for feature, counts in features.items():
                mine.setdefault(feature, _none()).merge(counts)
        for feature, run in other.runs.items():
            self.runs.setdefault(feature, Run()).merge(run)

    def windows(self, feature: str) -> Iterator[tuple[float, Counts]]:
        """(start, counts) of the windows that have rows of a feature, oldest first."""
        for start in sorted(self.counts):
            if feature in self.counts[start]:
                yield start, self.counts[start][feature]

    def forget(self, before_seconds: float) -> None:
        """Drop windows that ended by then; how long values have been held is kept."""
        for start in [start for start in self.counts if start + self.window_seconds <= before_seconds]:
            del self.counts[start]


def _none() -> Counts:
    return Counts()
