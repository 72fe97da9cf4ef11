"""The Prometheus text: clean for its own linter, every series there from the start."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from sidecar.journal.stats import StatsPage
from sidecar.telemetry import metrics
from sidecar.telemetry.exposition import render_prometheus
from sidecar.telemetry.metrics import TABLE


def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package `prometheus`) is not installed")
    page = StatsPage()
    metrics.REQUEST_SECONDS.observe(page.counters, 1_234_567)
    text = render_prometheus([page.snapshot()], info={"version": "0.1.0"})
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_series_is_there_from_the_start() -> None:
    lines = render_prometheus([]).decode().splitlines()
    for metric in TABLE:
        assert f"# TYPE {metric.name} {metric.type}" in lines
    assert 'sidecar_requests_total{outcome="ok"} 0' in lines
    assert 'sidecar_request_duration_seconds_bucket{le="+Inf"} 0' in lines


def test_buckets_are_cumulative_and_in_seconds() -> None:
    page = StatsPage()
    for nanoseconds in (20_000, 60_000, 3_000_000_000):
        metrics.OVERHEAD_SECONDS.observe(page.counters, nanoseconds)
    lines = render_prometheus([page.snapshot()]).decode().splitlines()
    assert 'sidecar_overhead_seconds_bucket{le="2.5e-05"} 1' in lines
    assert 'sidecar_overhead_seconds_bucket{le="7.5e-05"} 2' in lines
    assert 'sidecar_overhead_seconds_bucket{le="1"} 2' in lines
    assert 'sidecar_overhead_seconds_bucket{le="+Inf"} 3' in lines
    assert "sidecar_overhead_seconds_count 3" in lines
    assert "sidecar_overhead_seconds_sum 3.00008" in lines


def test_label_values_are_escaped() -> None:
    text = render_prometheus([], info={"version": 'a"b\\c\nd'}).decode()
    assert 'sidecar_build_info{version="a\\"b\\\\c\\nd"} 1' in text
