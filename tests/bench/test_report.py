"""What a reader is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench.load import Saturation
from bench.openloop import Paced
from bench.report import document, summary, text
from bench.rounds import Measured, Timing
from bench.stage import Instance
from bench.systems import Place
from bench.systems.direct import Direct
from bench.systems.envoy import Envoy

TIMING = Timing(2, 6.0, 3.0)
PLACE = Place(1, 2, 3, (4, 5), Path())


class Counting(Envoy):
    """An Envoy that keeps an account."""

    def account(self, place: Place) -> Mapping[str, int]:
        return {"records written": 19_200}


INSTANCES = {
    "direct": Instance("direct", Direct(), PLACE, None),
    "envoy": Instance("envoy", Envoy(), PLACE, None),
    "envoy/2": Instance("envoy/2", Counting(), PLACE, None),
}


def measured(rate: float, cpu: float | None = None, errors: dict[str, int] | None = None) -> Measured:
    return Measured(Saturation(int(rate * 6), 6.0, 1.0, 2.0, errors or {}), cpu, 0.3, 0.06)


def paced(one: Measured, p99_ms: float, errors: dict[str, int] | None = None) -> Measured:
    run = Paced(500.0, 490.0, 1500, 1.0, 1.5, p99_ms, 0.01, errors or {})
    direct = Paced(500.0, 500.0, 1500, 0.25, 0.3, 0.5, 0.01, {"reset": 1})
    return replace(one, paced=run, paced_direct=direct)


RESULTS = {
    "direct": [measured(8000.0), measured(4000.0)],
    "envoy": [paced(measured(2000.0, 0.6), 1.5), paced(measured(1000.0, 0.6), 2.5)],
    "envoy/2": [paced(measured(1800.0), 1.5), paced(measured(1100.0, None, {"status": 3}), 2.0, {"closed": 2})],
}


def test_ratios_hold_within_a_round_though_the_machine_halved_its_speed() -> None:
    found = summary("direct", RESULTS)
    assert found["requests_per_second"] == {"median": 6000.0, "low": 4000.0, "high": 8000.0}
    assert found["times_reference"] == {"median": 4.0, "low": 4.0, "high": 4.0}


def test_added_latency_is_a_difference_within_a_round() -> None:
    found = summary("envoy", RESULTS)["paced"]
    assert found["added_p99_ms"] == {"median": 1.5, "low": 1.0, "high": 2.0}
    assert found["kept_share"] == 0.98


def test_cpu_is_per_request() -> None:
    assert summary("envoy", RESULTS)["cpu_us_per_request"] == pytest.approx(
        {"median": 75.0, "low": 50.0, "high": 100.0}
    )
    assert "cpu_us_per_request" not in summary("direct", RESULTS)


def test_requests_per_cpu_second_are_compared_too() -> None:
    results = {**RESULTS, "other": [measured(500.0, 0.3), measured(500.0, 0.3)]}
    # 100 µs a request against 50 in the first round and 100 in the second.
    assert summary("other", results)["times_reference_per_cpu"] == pytest.approx(
        {"median": 0.75, "low": 0.5, "high": 1.0}
    )


def test_errors_are_in_the_table_wherever_they_happened() -> None:
    lines = text(RESULTS, INSTANCES, {}, TIMING).splitlines()
    assert any("envoy/2" in line and "3 status" in line for line in lines)
    assert any("envoy/2" in line and "2 closed" in line and "2 direct_reset" in line for line in lines)


def test_noise_and_what_was_left_out_are_said() -> None:
    said = text(RESULTS, INSTANCES, {"nginx": "not installed"}, TIMING)
    assert "A/A envoy: 1.00 times itself (0.90–1.10)" in said
    assert "2 rounds say nothing certain about p99" in said
    assert "took up to 5.0% of the proxy's core, the hypervisor up to 1.0% of a core" in said
    assert "left out: nginx: not installed" in said


def test_what_a_system_counted_itself_stands_beside_its_answers() -> None:
    said = text(RESULTS, INSTANCES, {}, TIMING)
    assert "envoy/2 gave 20,400 measured answers and counted itself: 19,200 records written" in said
    assert "direct gave" not in said


def test_enough_rounds_need_no_warning() -> None:
    assert "nothing certain" not in text(RESULTS, INSTANCES, {}, Timing(10, 6.0, 3.0))


def test_the_document_is_plain_json_with_every_run() -> None:
    found = json.loads(json.dumps(document(RESULTS, INSTANCES, {}, TIMING)))
    assert len(found["rounds"]["envoy"]) == 2
    assert found["rounds"]["envoy"][1]["paced"]["p99_ms"] == 2.5
    assert found["systems"]["direct"].startswith("The upstream itself")
