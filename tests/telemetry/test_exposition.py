"""The scrape: clean for its own linter and for OpenMetrics' own parser, every series there from the start."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from sidecar.journal.stats import StatsPage
from sidecar.telemetry import metrics, series
from sidecar.telemetry.exposition import (
    CONTENT_TYPE,
    OPENMETRICS_TYPE,
    Buckets,
    Family,
    prefers_openmetrics,
    render,
)
from sidecar.telemetry.metrics import TABLE
from sidecar.telemetry.series import RECORD_TABLE
from sidecar.telemetry.store import Store

# What Prometheus 2.5x and 3 send.
SCRAPER = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


parsed_text: Any = text_string_to_metric_families
parsed_openmetrics: Any = openmetrics.text_string_to_metric_families


def stored() -> Store:
    store = Store()
    store.counter(series.VIOLATIONS, "credit", "enforce", "age.min", "age", "reject", "true").value += 3
    histogram = store.histogram(series.HTTP_SERVER, "POST", "http", "/v2/models/{model}/infer", "200", "", "credit")
    histogram.observe(3_000_000, "f" * 32, "a" * 16, 1_800_000_000.25)
    histogram.observe(40_000_000_000)
    return store


@pytest.mark.parametrize("families", [[], stored().families()], ids=["pages", "pages and records"])
def test_promtool_finds_nothing_to_say(families: list[Family]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package `prometheus`) is not installed")
    page = StatsPage()
    metrics.REQUEST_SECONDS.observe(page.counters, 1_234_567)
    _, text = render("", [page.snapshot()], families, info={"version": "0.1.0"})
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_series_is_there_from_the_start() -> None:
    lines = render("", [])[1].decode().splitlines()
    for metric in TABLE:
        assert f"# TYPE {metric.name} {metric.type}" in lines
    assert 'sidecar_requests_total{outcome="ok"} 0' in lines
    assert 'sidecar_request_duration_seconds_bucket{le="+Inf"} 0' in lines


def test_buckets_are_cumulative_and_in_seconds() -> None:
    page = StatsPage()
    for nanoseconds in (20_000, 60_000, 3_000_000_000):
        metrics.OVERHEAD_SECONDS.observe(page.counters, nanoseconds)
    lines = render("", [page.snapshot()])[1].decode().splitlines()
    assert 'sidecar_overhead_seconds_bucket{le="2.5e-05"} 1' in lines
    assert 'sidecar_overhead_seconds_bucket{le="7.5e-05"} 2' in lines
    assert 'sidecar_overhead_seconds_bucket{le="1"} 2' in lines
    assert 'sidecar_overhead_seconds_bucket{le="+Inf"} 3' in lines
    assert "sidecar_overhead_seconds_count 3" in lines
    assert "sidecar_overhead_seconds_sum 3.00008" in lines


def test_label_values_are_escaped() -> None:
    text = render("", [], info={"version": 'a"b\\c\nd'})[1].decode()
    assert 'sidecar_build_info{version="a\\"b\\\\c\\nd"} 1' in text


def test_a_scraper_that_ranks_openmetrics_first_gets_it_and_one_that_does_not_gets_text() -> None:
    assert render(SCRAPER, [])[0] == OPENMETRICS_TYPE
    for accept in ("", "*/*", "text/plain;version=0.0.4", "application/openmetrics-text;q=0", "application/json"):
        assert render(accept, [])[0] == CONTENT_TYPE
    assert not prefers_openmetrics("application/openmetrics-text;version=1.0.0;q=0.1, text/plain;q=0.9")
    assert not prefers_openmetrics("application/openmetrics-text; version=2.0.0")
    assert not prefers_openmetrics("application/openmetrics-text;q=high")
    assert prefers_openmetrics("Application/OpenMetrics-Text")


def test_openmetrics_own_parser_reads_every_family_and_its_exemplar() -> None:
    page = StatsPage()
    metrics.REQUEST_SECONDS.observe(page.counters, 1_234_567)
    _, body = render(SCRAPER, [page.snapshot()], stored().families(), info={"version": "0.1.0"})
    families = {family.name: family for family in parsed_openmetrics(body.decode())}
    declared = [metric.name for metric in TABLE] + [metric.name for metric in RECORD_TABLE]
    assert families.keys() == {name.removesuffix("_total") for name in declared} | {"sidecar_build"}
    assert families["sidecar_request_duration_seconds"].unit == "seconds"
    exemplars = [s.exemplar for s in families["http_server_request_duration_seconds"].samples if s.exemplar]
    assert [(each.labels, each.value, float(each.timestamp)) for each in exemplars] == [
        ({"trace_id": "f" * 32, "span_id": "a" * 16}, 0.003, 1_800_000_000.25)
    ]


def test_both_formats_tell_the_same_numbers_and_the_text_has_no_exemplar() -> None:
    families = stored().families()
    text, rich = (render(accept, [], families)[1].decode() for accept in ("", SCRAPER))
    plain = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in parsed_text(text) for s in f.samples}
    told = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in parsed_openmetrics(rich) for s in f.samples}
    floats = {(name, tuple((k, str(float(v))) if k == "le" else (k, v) for k, v in labels)) for name, labels in plain}
    rich_keys = {(name, tuple((k, str(float(v))) if k == "le" else (k, v) for k, v in labels)) for name, labels in told}
    assert floats == rich_keys
    assert sum(plain.values()) == sum(told.values()) > 0
    assert "trace_id" not in text
    assert "trace_id" in rich


@pytest.mark.parametrize("accept", ["", SCRAPER], ids=["text", "OpenMetrics"])
def test_a_gauge_may_be_anything_that_a_float_is(accept: str) -> None:
    values = [(("nan",), float("nan")), (("inf",), float("inf")), (("minus",), float("-inf")), (("small",), 1e-9)]
    _, body = render(accept, [], [Family("sidecar_x", "gauge", "X.", ("what",), values)])
    lines = body.decode().splitlines()
    assert 'sidecar_x{what="nan"} NaN' in lines
    assert 'sidecar_x{what="inf"} +Inf' in lines
    assert 'sidecar_x{what="minus"} -Inf' in lines
    assert 'sidecar_x{what="small"} 1e-09' in lines


def test_a_histogram_without_exemplars_is_a_histogram() -> None:
    family = Family("sidecar_y_seconds", "histogram", "Y.", (), [((), Buckets([1, 2, 0], 0.5))], (0.1, 1.0))
    _, body = render(SCRAPER, [], [family])
    assert 'sidecar_y_seconds_bucket{le="1.0"} 3' in body.decode().splitlines()
