"""The values of the series made from records: bounded, and one value that can be kept with a cursor.

In: additions and observations. Out: families for a scrape; bytes, and the same store from them. A series that was there
before is there afterwards with at least its value, so a counter never runs backwards.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from typing import Final

import msgspec

from .exposition import Buckets, Exemplar, Family, Value
from .series import COLLAPSED, LIMITS, MOST_SERIES, OTHER, RECORD_TABLE, RecordMetric

_EXEMPLAR_SECONDS: Final = 10.0  # a bucket's exemplar is replaced by one that is this much younger


class Counter:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self, value: int = 0) -> None:
        self.value = value


class Histogram:
    """One series of a histogram; `total` in nanoseconds, so that adding never rounds."""

    __slots__ = ("_bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = tuple(round(bound * 1e9) for bound in bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self.total = 0

    def observe(self, nanoseconds: int, trace_id: str = "", span_id: str = "", unix_seconds: float = 0.0) -> None:
        """Count one duration; with a trace id, as an example of its bucket."""
        nanoseconds = max(0, nanoseconds)
        at = bisect_left(self._bounds, nanoseconds)
        self.counts[at] += 1
        self.total += nanoseconds
        if trace_id:
            held = self.exemplars[at]
            if held is None or unix_seconds - held.unix_seconds >= _EXEMPLAR_SECONDS:
                self.exemplars[at] = Exemplar(trace_id, span_id, nanoseconds / 1e9, unix_seconds)


class _Kept(msgspec.Struct, array_like=True):
    """One family as kept; its series mean something only under the same labels and bounds."""

    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    counters: list[tuple[tuple[str, ...], int]]
    histograms: list[tuple[tuple[str, ...], list[int], int, list[Exemplar | None]]]


_decode: Final = msgspec.msgpack.Decoder(dict[str, _Kept]).decode


class Store:
    """All series. A series is looked up once and then added to; the objects stay valid as long as the store."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[tuple[str, ...], Counter]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {}
        self._known: dict[str, set[str]] = {label: set() for label in LIMITS}

    def word(self, label: str, value: str) -> str:
        """The value as it may be used under this label: itself, or `other` once the label has too many."""
        known = self._known.get(label)
        if known is None or value in known or value in ("", OTHER):
            return value
        if len(known) >= LIMITS[label]:
            self._collapsed(label)
            return OTHER
        known.add(value)
        return value

    def values(self, label: str) -> set[str]:
        """The values this label has taken."""
        return set(self._known[label])

    def counter(self, metric: RecordMetric, *values: str) -> Counter:
        """The series with these label values, made when it is new."""
        series = self._counters.setdefault(metric.name, {})
        key = self._key(metric, values, series)
        found = series.get(key)
        if found is None:
            found = series[key] = Counter()
        return found

    def histogram(self, metric: RecordMetric, *values: str) -> Histogram:
        """The series with these label values, made when it is new."""
        series = self._histograms.setdefault(metric.name, {})
        key = self._key(metric, values, series)
        found = series.get(key)
        if found is None:
            found = series[key] = Histogram(metric.bounds)
        return found

    def families(self) -> list[Family]:
        """All declared families, those without a series too."""
        found = []
        for metric in RECORD_TABLE:
            series: list[tuple[tuple[str, ...], Value]] = [
                (key, counter.value) for key, counter in sorted(self._counters.get(metric.name, {}).items())
            ]
            series += [
                (key, Buckets(each.counts, each.total / 1e9, each.exemplars))
                for key, each in sorted(self._histograms.get(metric.name, {}).items())
            ]
            found.append(Family(metric.name, metric.type, metric.help, metric.labels, series, metric.bounds))
        return found

    def dump(self) -> bytes:
        """Everything, for `load`."""
        kept = {}
        for metric in RECORD_TABLE:
            counters = [(key, each.value) for key, each in self._counters.get(metric.name, {}).items()]
            histograms = [
                (key, each.counts, each.total, each.exemplars)
                for key, each in self._histograms.get(metric.name, {}).items()
            ]
            kept[metric.name] = _Kept(metric.labels, metric.bounds, counters, histograms)
        return msgspec.msgpack.encode(kept)

    @classmethod
    def load(cls, state: bytes) -> Store:
        """What `dump` made; b"" is a new store. A family that is declared differently now starts anew.

        ValueError for bytes that are no store.
        """
        store = cls()
        kept = _decode(state) if state else {}
        for metric in RECORD_TABLE:
            family = kept.get(metric.name)
            if family is None or (family.labels, family.bounds) != (metric.labels, metric.bounds):
                continue
            for key, value in family.counters:
                store._learn(metric, key)
                store._counters.setdefault(metric.name, {})[key] = Counter(value)
            for key, counts, total, exemplars in family.histograms:
                store._learn(metric, key)
                histogram = store._histograms.setdefault(metric.name, {})[key] = Histogram(metric.bounds)
                histogram.counts, histogram.total, histogram.exemplars = counts, total, exemplars
        return store

    def _learn(self, metric: RecordMetric, key: tuple[str, ...]) -> None:
        for label, value in zip(metric.labels, key, strict=True):
            if label in self._known and value not in ("", OTHER):
                self._known[label].add(value)

    def _key(
        self, metric: RecordMetric, values: tuple[str, ...], series: Collection[tuple[str, ...]]
    ) -> tuple[str, ...]:
        """The label values to count under: as given, bounded per label, and all open ones `other` in a full family."""
        if values in series:
            return values
        key = tuple(self.word(label, value) for label, value in zip(metric.labels, values, strict=True))
        if key in series or len(series) < MOST_SERIES:
            return key
        for label, value in zip(metric.labels, key, strict=True):
            if label in LIMITS and value not in ("", OTHER):
                self._collapsed(label)
        return tuple(
            OTHER if label in LIMITS and value else value for label, value in zip(metric.labels, key, strict=True)
        )

    def _collapsed(self, label: str) -> None:
        self.counter(COLLAPSED, label).value += 1
