"""How far a candidate agrees with the primary: sums, so that any number of replicas and days add up to one."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import msgspec

from ..exchange import Shadow
from .outcomes import FAILED, OUTSIDE, Outcome

LATENCY_BOUNDS_MS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


class OutputSums(msgspec.Struct):
    """One output over all units compared."""

    units: int = 0
    agree: int = 0
    score_sum: float = 0.0
    score_squares: float = 0.0
    difference_sum: float = 0.0
    difference_max: float = 0.0
    types: dict[str, int] = {}  # of the differences listed in the records

    def merge(self, other: OutputSums) -> None:
        """Add another's sums to these."""
        self.units += other.units
        self.agree += other.agree
        self.score_sum += other.score_sum
        self.score_squares += other.score_squares
        self.difference_sum += other.difference_sum
        self.difference_max = max(self.difference_max, other.difference_max)
        _add(self.types, other.types)


class Sums(msgspec.Struct):
    """One candidate under one set of comparison settings. Everything adds; first, last and largest are kept."""

    outcomes: dict[str, int] = {}  # exchanges
    units_compared: int = 0
    units_agree: int = 0  # in every output
    units_failed: int = 0  # the candidate was asked and failed: worst in every output
    rows: int = 0
    outputs: dict[str, OutputSums] = {}
    latency_counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_MS) + 1))
    latency_ns: int = 0
    latency_max_ns: int = 0
    answers: int = 0  # that took this long
    first_unix_ns: int = 0
    last_unix_ns: int = 0

    def count(self, outcome: Outcome) -> None:
        """An exchange that leaves no record of its own."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def add(self, record: Shadow) -> None:
        """Fold one record. An outcome that this version does not know is counted and not interpreted."""
        self.outcomes[record.outcome] = self.outcomes.get(record.outcome, 0) + 1
        self.first_unix_ns = min(self.first_unix_ns or record.at_unix_ns, record.at_unix_ns)
        self.last_unix_ns = max(self.last_unix_ns, record.at_unix_ns)
        if record.outcome in FAILED:
            self.units_failed += len(record.units)
        if record.outcome != Outcome.COMPARED:
            return
        self.rows += record.rows
        self.answers += 1
        self.latency_ns += record.latency_ns
        self.latency_max_ns = max(self.latency_max_ns, record.latency_ns)
        self.latency_counts[bisect_left(LATENCY_BOUNDS_MS, record.latency_ns / 1e6)] += 1
        agrees: dict[str, bool] = {}
        for score in record.scores:
            sums = self.outputs.setdefault(score.output, OutputSums())
            sums.units += 1
            sums.agree += score.agrees
            sums.score_sum += score.score
            sums.score_squares += score.score * score.score
            sums.difference_sum += score.difference
            sums.difference_max = max(sums.difference_max, score.difference)
            agrees[score.unit] = agrees.get(score.unit, True) and score.agrees
        self.units_compared += len(agrees)
        self.units_agree += sum(agrees.values())
        for difference in record.differences:
            types = self.outputs.setdefault(difference.output, OutputSums()).types
            types[difference.type] = types.get(difference.type, 0) + 1

    def merge(self, other: Sums) -> None:
        """Add another replica's sums, or another stretch of time, to these."""
        _add(self.outcomes, other.outcomes)
        self.units_compared += other.units_compared
        self.units_agree += other.units_agree
        self.units_failed += other.units_failed
        self.rows += other.rows
        for name, sums in other.outputs.items():
            self.outputs.setdefault(name, OutputSums()).merge(sums)
        self.latency_counts = [a + b for a, b in zip(self.latency_counts, other.latency_counts, strict=True)]
        self.latency_ns += other.latency_ns
        self.latency_max_ns = max(self.latency_max_ns, other.latency_max_ns)
        self.answers += other.answers
        firsts = [first for first in (self.first_unix_ns, other.first_unix_ns) if first]
        self.first_unix_ns = min(firsts, default=0)
        self.last_unix_ns = max(self.last_unix_ns, other.last_unix_ns)

    @property
    def sampled(self) -> int:
        """Exchanges for which an answer of the candidate was wanted."""
        return sum(count for outcome, count in self.outcomes.items() if outcome not in OUTSIDE)

    @property
    def coverage(self) -> float | None:
        """The share of those that could be compared; None where there are none."""
        return self.outcomes.get(Outcome.COMPARED, 0) / self.sampled if self.sampled else None

    def latency_below_ms(self, share: float) -> int | None:
        """The smallest bound that this share of the answers keeps; None = above the largest, or no answers."""
        wanted, seen = share * self.answers, 0
        for bound, count in zip(LATENCY_BOUNDS_MS, self.latency_counts, strict=False):
            seen += count
            if self.answers and seen >= wanted:
                return bound
        return None


def _add(into: dict[str, int], other: dict[str, int]) -> None:
    for name, count in other.items():
        into[name] = into.get(name, 0) + count
