"""How long does one call take?"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Mapping
from typing import Any, Final

SAMPLE_SECONDS: Final = 0.05
SAMPLES: Final = 7


def best_microseconds(call: Callable[[], Any]) -> float:
    """Microseconds of one call: the best of several samples, since whatever disturbs a sample only makes it slower."""
    timer = timeit.Timer(call)
    tried, took = timer.autorange()
    number = max(1, int(tried * SAMPLE_SECONDS / took))
    return min(timer.repeat(SAMPLES, number)) / number * 1e6


def best_together(calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """As `best_microseconds` for several, a sample of each in turn: a slow minute of the machine is everybody's."""
    timers = {name: timeit.Timer(call) for name, call in calls.items()}
    numbers = {}
    for name, timer in timers.items():
        tried, took = timer.autorange()
        numbers[name] = max(1, int(tried * SAMPLE_SECONDS / took))
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(SAMPLES):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(numbers[name]) / numbers[name] * 1e6)
    return best
