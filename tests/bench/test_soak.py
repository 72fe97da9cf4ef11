"""Is it flat?"""

from __future__ import annotations

from bench.soak import verdict

POSITIONS = [100_000.0 * step for step in range(1, 11)]


def test_memory_that_filled_up_and_stayed_is_flat() -> None:
    memory = [30e6, 40e6, 45e6, 50e6, 50e6, *[50e6] * 5]
    assert verdict(POSITIONS, memory, 0) == "flat: +0.000 bytes a request over the second half; 0 errors"


def test_memory_that_keeps_growing_is_not() -> None:
    assert verdict(POSITIONS, [30e6 + 20 * at for at in POSITIONS], 3).startswith("NOT FLAT: +20.000 bytes a request")


def test_memory_given_back_is_said_so() -> None:
    assert verdict(POSITIONS, [30e6 - 20 * at for at in POSITIONS], 0).startswith("shrinking: -20.000")
