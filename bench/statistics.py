"""The arithmetic of the figures: pure.

Machines drift, so nothing is compared across rounds: a ratio is taken inside a round, then summarised over rounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Below this many interleaved pairs a ratio of tail latencies says nothing on a shared machine.
MIN_ROUNDS_FOR_TAIL_CLAIMS = 10


@dataclass(frozen=True, slots=True)
class Spread:
    """Median of the rounds with the smallest and largest of them."""

    median: float
    low: float
    high: float

    def covers(self, value: float) -> bool:
        return self.low <= value <= self.high


def median(values: Sequence[float]) -> float:
    """Middle value; the mean of the two middle ones for an even count. ValueError when there is none."""
    if not values:
        raise ValueError("median of nothing")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(values: Sequence[float]) -> Spread:
    """ValueError when there is no value."""
    return Spread(median(values), min(values), max(values))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """First and third, by linear interpolation between the two nearest values. ValueError when there is no value."""
    if not values:
        raise ValueError("quartiles of nothing")
    ordered = sorted(values)

    def at(share: float) -> float:
        below, part = divmod(share * (len(ordered) - 1), 1)
        low, high = ordered[int(below)], ordered[min(int(below) + 1, len(ordered) - 1)]
        return low + part * (high - low)

    return at(0.25), at(0.75)


def sign_test(differences: Sequence[float]) -> float:
    """How likely at least so many positive differences are where either sign is as likely: exact binomial, one-sided,
    ties left out. 1.0 when there is nothing but ties."""
    positive = sum(each > 0 for each in differences)
    trials = positive + sum(each < 0 for each in differences)
    return float(sum(math.comb(trials, count) for count in range(positive, trials + 1)) / 2**trials)


def round_ratios(values: Sequence[float | None], reference: Sequence[float | None]) -> list[float]:
    """values[i] / reference[i] for each round i that has both; a round that misses one is left out, never paired up."""
    if len(values) != len(reference):
        raise ValueError(f"{len(values)} rounds against {len(reference)}")
    return [v / r for v, r in zip(values, reference, strict=True) if v is not None and r]


def round_differences(values: Sequence[float | None], reference: Sequence[float | None]) -> list[float]:
    """values[i] - reference[i] for each round i that has both."""
    if len(values) != len(reference):
        raise ValueError(f"{len(values)} rounds against {len(reference)}")
    return [v - r for v, r in zip(values, reference, strict=True) if v is not None and r is not None]


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that at least `share` (0..1] of an ascending sequence does not exceed."""
    if not ordered:
        raise ValueError("percentile of nothing")
    if not 0 < share <= 1:
        raise ValueError(f"share {share} is not in (0, 1]")
    # 0.99 * 100 is 99.00000000000001 in floats on some counts: rounding first keeps the rank honest.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[rank - 1]


def corrected_latencies(due: Sequence[float], sent: Sequence[float], done: Sequence[float]) -> list[float]:
    """Latency counted from when a request was *due*, ascending.

    A closed loop stops asking while the server stalls and so measures one slow answer where a crowd would have waited
    (Tene, "coordinated omission"). Counting from the due time charges every request with the wait for its turn.
    ValueError when a request left before it was due or was answered before it left: the clock or the caller is wrong.
    """
    for was_due, left, came in zip(due, sent, done, strict=True):
        if left < was_due or came < left:
            raise ValueError(f"due {was_due}, sent {left}, done {came} are out of order")
    return sorted(came - was_due for was_due, came in zip(due, done, strict=True))


def slope(positions: Sequence[float], values: Sequence[float]) -> float:
    """Least-squares growth of `values` per unit of `positions`; 0.0 for fewer than two positions."""
    count = len(positions)
    if count != len(values):
        raise ValueError(f"{count} positions for {len(values)} values")
    if count < 2:
        return 0.0
    mean_position, mean_value = sum(positions) / count, sum(values) / count
    width = sum((p - mean_position) ** 2 for p in positions)
    if width == 0:
        return 0.0
    return sum((p - mean_position) * (v - mean_value) for p, v in zip(positions, values, strict=True)) / width


def round_order(labels: Sequence[str], round_number: int) -> list[str]:
    """The order of one round: everybody comes first in turn, and every other round runs backwards.

    So no place in a round favours anybody, and nobody always follows the one that left the disk busy.
    """
    if not labels:
        return []
    start = round_number % len(labels)
    order = [*labels[start:], *labels[:start]]
    return order[::-1] if round_number % 2 else order
