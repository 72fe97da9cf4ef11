"""The table: names as the field writes them, slots that never overlap."""

from __future__ import annotations

import pytest

from sidecar.errors import UpstreamFault
from sidecar.journal.stats import StatsPage
from sidecar.telemetry import metrics
from sidecar.telemetry.metrics import COUNTER_SLOTS, GAUGE_SLOTS, TABLE, Metric, Snapshot, merge


def test_every_slot_belongs_to_one_series() -> None:
    counters = [s + k for m in TABLE if m.type != "gauge" for s in m.slots.values() for k in range(m.width)]
    gauges = [s for m in TABLE if m.type == "gauge" for s in m.slots.values()]
    assert sorted(counters) == list(range(COUNTER_SLOTS))
    assert sorted(gauges) == list(range(GAUGE_SLOTS))


@pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)
def test_names_follow_the_field(metric: Metric) -> None:
    assert metric.name.startswith("sidecar_")
    assert metric.name.endswith("_total") is (metric.type == "counter")
    assert metric.help.endswith(".")
    assert metric.type != "histogram" or metric.name.endswith("_seconds")
    assert list(metric.bounds_ns) == sorted(set(metric.bounds_ns))
    for _, values in metric.labels:
        assert len(set(values)) == len(values)


def test_names_are_unique() -> None:
    assert len({metric.name for metric in TABLE}) == len(TABLE)


def test_a_label_outside_the_closed_set_is_an_error_or_other() -> None:
    with pytest.raises(KeyError):
        metrics.REQUESTS.at("fine")
    assert metrics.PROBLEMS.nearest("never-heard-of") == metrics.PROBLEMS.at("other")
    assert metrics.PROBLEMS.nearest("malformed") == metrics.PROBLEMS.at("malformed")


def test_every_upstream_fault_can_be_counted() -> None:
    assert len({metrics.UPSTREAM_ERRORS.at(fault.value) for fault in UpstreamFault}) == len(UpstreamFault)


def test_a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed() -> None:
    page = StatsPage()
    histogram = metrics.OVERHEAD_SECONDS
    for nanoseconds in (-5, 0, 25_000, 25_001, 10**12):
        histogram.observe(page.counters, nanoseconds)
    first = histogram.slot
    assert page.counters[first] == 3
    assert page.counters[first + 1] == 1
    assert page.counters[first + len(histogram.bounds_ns)] == 1
    assert page.counters[first + len(histogram.bounds_ns) + 1] == 25_000 + 25_001 + 10**12


def test_processes_add_up_and_shared_facts_do_not() -> None:
    one = Snapshot([1] * COUNTER_SLOTS, [2.0] * GAUGE_SLOTS)
    two = Snapshot([10] * COUNTER_SLOTS, [3.0] * GAUGE_SLOTS)
    both = merge([one, two])
    assert set(both.counters) == {11}
    assert both.gauges[metrics.CONNECTIONS.slot] == 5
    assert both.gauges[metrics.JOURNAL_DISK_BYTES.slot] == 3
    nothing = merge([])
    assert (len(nothing.counters), len(nothing.gauges)) == (COUNTER_SLOTS, GAUGE_SLOTS)
