"""The order of the runs, with a generator that only writes down what it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.load import Saturation
from bench.openloop import Paced
from bench.rounds import MAX_RATE, Timing, paced_rate, paced_seconds, run_rounds
from bench.stage import Instance
from bench.systems import Place
from bench.systems.direct import Direct


@dataclass
class FakeLoad:
    """Says that port N does N requests per second."""

    asked: list[str] = field(default_factory=list)

    def saturate(self, port: int, seconds: float) -> Saturation:
        self.asked.append(f"saturate {port}")
        return Saturation(int(port * seconds), seconds, 1.0, 2.0, {})

    def pace(self, port: int, rate: float, seconds: float) -> Paced:
        self.asked.append(f"pace {port} at {rate:g}")
        return Paced(rate, rate, int(rate * seconds), 1.0, 1.5, 2.0, 0.1, {})


def instances(**ports: int) -> dict[str, Instance]:
    return {label: Instance(label, Direct(), Place(port, 0, 0, (), Path()), None) for label, port in ports.items()}


def test_a_round_is_everybody_saturated_then_everybody_paced_beside_the_direct_upstream() -> None:
    load = FakeLoad()
    results = run_rounds(instances(direct=8000, envoy=2000, other=400), load, Timing(2, 6.0, 3.0))
    assert load.asked == [
        *("saturate 8000", "saturate 2000", "saturate 400"),  # warming up
        *("saturate 8000", "saturate 2000", "saturate 400"),
        *("pace 8000 at 1000", "pace 2000 at 1000"),
        *("pace 8000 at 200", "pace 400 at 200"),
        *("saturate 8000", "saturate 400", "saturate 2000"),
        *("pace 400 at 200", "pace 8000 at 200"),
        *("pace 2000 at 1000", "pace 8000 at 1000"),
    ]
    assert [len(rounds) for rounds in results.values()] == [2, 2, 2]
    assert results["other"][0].paced is not None
    assert results["direct"][0].paced is None


def test_without_latency_only_saturation_is_measured() -> None:
    load = FakeLoad()
    results = run_rounds(instances(direct=8000, envoy=2000), load, Timing(1, 6.0, 0.0))
    assert not [asked for asked in load.asked if asked.startswith("pace")]
    assert results["envoy"][0].saturation.requests_per_second == 2000


def test_the_rate_stays_where_the_generator_can_be_trusted() -> None:
    assert paced_rate(1000.0) == 500.0
    assert paced_rate(80_000.0) == MAX_RATE


@pytest.mark.parametrize(("rate", "expected"), [(10_000.0, 3.0), (100.0, 5.0), (10.0, 15.0)])
def test_slow_systems_run_longer_within_bounds(rate: float, expected: float) -> None:
    assert paced_seconds(rate, 3.0) == expected
