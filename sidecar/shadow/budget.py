"""Calls a day, paced: a bucket that fills evenly, and a count that ends with the day (UTC)."""

from __future__ import annotations

from typing import Final

import msgspec

_DAY_SECONDS: Final = 86_400.0
_BURSTS_A_DAY: Final = 96  # a quarter of an hour's worth may be spent at once


class Budget(msgspec.Struct):
    """What one candidate has left. Plain state: kept with the rest, changed by `take` alone."""

    tokens: float = -1.0  # -1 = never used
    at_unix: float = 0.0
    day: int = 0
    spent: int = 0

    def take(self, per_day: float, now_unix: float) -> bool:
        """Spend one call, or say that there is none to spend now."""
        burst = max(1.0, per_day / _BURSTS_A_DAY)
        day = int(now_unix // _DAY_SECONDS)
        if self.tokens < 0:
            self.tokens = burst
        elif now_unix > self.at_unix:
            self.tokens = min(burst, self.tokens + (now_unix - self.at_unix) * per_day / _DAY_SECONDS)
        self.at_unix = now_unix
        if day != self.day:
            self.day, self.spent = day, 0
        if self.tokens < 1.0 or self.spent + 1 > max(1.0, per_day):
            return False
        self.tokens -= 1.0
        self.spent += 1
        return True
