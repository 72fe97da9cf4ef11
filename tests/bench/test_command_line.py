"""What may be asked of `python -m bench`."""

from __future__ import annotations

import pytest

from bench.__main__ import FULL, QUICK, arguments, containers, labels, timing
from bench.failure import BenchError


def test_everything_is_measured_and_the_pairs_are_there() -> None:
    wanted, must_run = labels(None)
    assert wanted[:2] == ["direct", "envoy"]
    assert {"envoy/2", "sidecar/2", "naive", "mitmproxy", "nginx"} <= set(wanted)
    assert must_run == {"direct", "envoy"}


def test_named_systems_must_run_and_bring_the_references() -> None:
    wanted, must_run = labels("nginx, sidecar")
    assert wanted == ["direct", "envoy", "nginx", "sidecar", "envoy/2", "sidecar/2"]
    assert must_run == {"direct", "envoy", "nginx", "sidecar"}


def test_an_unknown_system_is_named_with_those_there_are() -> None:
    with pytest.raises(BenchError, match=r"unknown apache; there are direct, envoy"):
        labels("apache,nginx")


def test_timing() -> None:
    assert timing(arguments([])) == FULL
    assert timing(arguments(["--quick"])) == QUICK
    assert timing(arguments(["--rounds", "10", "--no-latency"])).paced_seconds == 0.0


@pytest.mark.parametrize("words", [["--rounds", "-1"], ["--seconds", "0.2"]])
def test_runs_that_could_not_measure_are_refused(words: list[str]) -> None:
    with pytest.raises(BenchError, match="at least 1"):
        timing(arguments(words))


def test_bodies_in_containers_are_offered_for_a_minute_or_as_told() -> None:
    plan = containers(arguments(["memory"]))
    assert (plan.seconds, plan.rate, plan.size, plan.compiled) == (60.0, 50.0, 10_000_000, True)
    plan = containers(arguments(["memory", "--quick", "--rate", "5", "--pure"]))
    assert (plan.seconds, plan.rate, plan.compiled) == (10.0, 5.0, False)
    with pytest.raises(BenchError, match="at least 1"):
        containers(arguments(["memory", "--rate", "0.1"]))
