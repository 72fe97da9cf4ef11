"""How long does one call take?"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any, Final

SAMPLE_SECONDS: Final = 0.05
SAMPLES: Final = 7


def best_microseconds(call: Callable[[], Any]) -> float:
    """Microseconds of one call: the best of several samples, since whatever disturbs a sample only makes it slower."""
    timer = timeit.Timer(call)
    tried, took = timer.autorange()
    number = max(1, int(tried * SAMPLE_SECONDS / took))
    return min(timer.repeat(SAMPLES, number)) / number * 1e6
