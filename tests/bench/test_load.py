"""What wrk says, read."""

from __future__ import annotations

import pytest

from bench.failure import BenchError
from bench.load import Saturation, parse_wrk

SAID = """Running 3s test @ http://127.0.0.1:1
BENCH {"requests": 300, "seconds": 3.0, "p50_ms": 0.5, "p99_ms": 2.5, "errors": {"connect": 0, "status": 7}}
"""


def test_errors_that_happened_are_kept_by_kind() -> None:
    run = parse_wrk(SAID)
    assert run == Saturation(300, 3.0, 0.5, 2.5, {"status": 7})
    assert run.requests_per_second == 100


def test_a_run_without_an_answer_is_no_measurement() -> None:
    with pytest.raises(BenchError, match=r"no answer at all: \{'status': 7\}"):
        parse_wrk(SAID.replace('"requests": 300', '"requests": 0'))


def test_silence_is_no_measurement() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1")
