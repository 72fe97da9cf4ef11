"""The figures of `bench shadow`: a difference is held against what two equal sidecars differ by."""

from __future__ import annotations

import pytest

from bench.shadow import OFF, TWIN, Plan, table


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        ([0.2, -0.2] * 5, "inside"),
        ([0.5, 0.6] * 5, "OUTSIDE"),
        ([-0.5, -0.6] * 5, "OUTSIDE"),  # faster than two equal ones ever are: not the same conditions
        ([0.1] * 10, "SLOWER"),  # by little, and every time
        ([0.1] * 9 + [-0.1], "inside"),  # nine of ten happen by chance in one run of ninety
    ],
)
def test_a_candidate_is_judged_by_the_interval_and_the_signs_of_the_same_run(
    differences: list[float], word: str
) -> None:
    rounds = [1.0 + 0.1 * number for number in range(10)]
    p99: dict[str, list[float | None]] = {
        OFF: [*rounds],
        TWIN: [value + (0.4 if number % 2 else -0.4) for number, value in enumerate(rounds)],
        "hung": [value + slower for value, slower in zip(rounds, differences, strict=True)],
    }
    p50 = {label: [0.5] * 10 for label in p99}
    text = table(p99, p50, {OFF: {}, TWIN: {}, "hung": {"shadow_timeout": 7}}, Plan())
    row = next(line for line in text.splitlines() if line.startswith("hung"))
    assert f"   {word}" in row and "shadow_timeout 7" in row
    assert "A/A: median +0.000, from -0.400 to +0.400, half of the rounds from -0.400 to +0.400" in text
    assert "no claim" not in text


def test_too_few_rounds_claim_nothing() -> None:
    p99: dict[str, list[float | None]] = {OFF: [1.0], TWIN: [1.0]}
    text = table(p99, {OFF: [1.0], TWIN: [1.0]}, {OFF: {}, TWIN: {}}, Plan(rounds=1))
    assert "no claim about tails" in text
