"""Which exchanges are exported."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.telemetry.sampling import Sampling

from ..observers.calls import exchange


def trace(low: int) -> str:
    return f"{0xA:016x}{low:016x}"


def test_a_share_of_the_traces_that_begin_here() -> None:
    sampling = Sampling(0.25)
    step = 2**64 // 1000 + 1
    kept = sum(sampling.keeps(exchange(trace_id=trace(n * step))) for n in range(1000))
    assert kept == 250
    assert not Sampling(0.0).keeps(exchange(trace_id=trace(0)))
    assert Sampling(1.0).keeps(exchange(trace_id="f" * 32))


def test_a_trace_that_the_caller_began_goes_on_as_the_caller_decided() -> None:
    caller = {"parent_span_id": "b" * 16, "trace_id": trace(0)}
    assert Sampling(0.0).keeps(exchange(**caller, trace_flags=1))
    assert not Sampling(1.0).keeps(exchange(**caller, trace_flags=0))


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"verdict": "rejected", "status": 422}, True),
        ({"status": 503}, True),
        ({"status": 200, "upstream_status": 500, "verdict": "fallback"}, True),
        ({"status": 200, "upstream_status": 0, "error": "reset", "verdict": "fallback"}, True),
        ({"total_ns": 1_000_000_000}, True),
        ({"total_ns": 999_999_999}, False),
        ({"verdict": "repaired"}, False),
        ({"status": 404}, False),
        ({"status": 0, "error": "client_abort"}, False),
    ],
)
def test_what_was_refused_failed_or_slow_is_always_there(changes: dict[str, Any], kept: bool) -> None:
    assert Sampling(0.0).keeps(exchange(**changes)) is kept
    assert Sampling(0.0).keeps(exchange(**changes, parent_span_id="b" * 16, trace_flags=0)) is kept
    assert not Sampling(0.0, always=()).keeps(exchange(**changes))


def test_what_is_always_there_is_the_platforms_choice() -> None:
    sampling = Sampling(0.0, always=("repaired", "fallback"), slow_seconds=5.0)
    assert sampling.keeps(exchange(verdict="repaired"))
    assert not sampling.keeps(exchange(verdict="rejected", total_ns=10**11, status=500))
