"""The store: bounded whatever comes, and the same after it was kept."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.telemetry import series
from sidecar.telemetry.exposition import Buckets
from sidecar.telemetry.series import COLLAPSED, LIMITS, MOST_SERIES, OTHER, RECORD_TABLE, RecordMetric
from sidecar.telemetry.store import Store


def values(store: Store, metric: RecordMetric) -> dict[tuple[str, ...], object]:
    (family,) = [family for family in store.families() if family.name == metric.name]
    return dict(family.series)


def test_a_label_with_too_many_values_goes_on_as_other_and_says_so() -> None:
    store = Store()
    for number in range(LIMITS["policy"] + 7):
        store.counter(series.UNLISTED, f"policy-{number}").value += 1
    found = values(store, series.UNLISTED)
    assert len(found) == LIMITS["policy"] + 1
    assert found[(OTHER,)] == 7
    assert values(store, COLLAPSED) == {("policy",): 7}


def test_a_label_value_is_the_same_in_all_families() -> None:
    store = Store()
    for number in range(LIMITS["policy"]):
        store.counter(series.UNLISTED, f"policy-{number}")
    store.counter(series.ROWS, "late", "m").value += 1
    store.counter(series.ROWS, "policy-3", "m").value += 1
    assert values(store, series.ROWS) == {(OTHER, "m"): 1, ("policy-3", "m"): 1}


def test_a_family_is_bounded_as_a_whole() -> None:
    store = Store()
    for policy in range(80):
        for code in range(100):
            store.counter(series.VIOLATIONS, f"p{policy}", "enforce", f"c{code}", "", "reject", "true").value += 1
    found = values(store, series.VIOLATIONS)
    assert len(found) == MOST_SERIES + 1
    assert sum(int(value) for value in found.values() if isinstance(value, int)) == 8000
    assert (OTHER, "enforce", OTHER, "", "reject", "true") in found


def test_what_was_kept_comes_back_with_its_exemplars_and_its_bounds() -> None:
    store = Store()
    store.counter(series.ROWS, "credit", "m").value += 41
    store.histogram(series.POLICY_CONTRACT_SECONDS, "credit").observe(30_000, "f" * 32, "a" * 16, 1.5)
    again = Store.load(store.dump())
    assert again.families() == store.families()
    again.counter(series.ROWS, "credit", "m").value += 1
    assert values(again, series.ROWS) == {("credit", "m"): 42}
    for number in range(LIMITS["policy"]):
        again.counter(series.UNLISTED, f"policy-{number}")
    assert (OTHER,) in values(again, series.UNLISTED), "`credit` was a value already"


def test_a_family_that_is_declared_otherwise_now_starts_anew() -> None:
    store = Store()
    store.counter(series.ROWS, "credit", "m").value += 41
    store.counter(series.UNLISTED, "credit").value += 2
    kept = msgspec.msgpack.decode(store.dump())
    kept[series.ROWS.name][0] = ["policy"]
    again = Store.load(msgspec.msgpack.encode(kept))
    assert values(again, series.ROWS) == {}
    assert values(again, series.UNLISTED) == {("credit",): 2}


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_store_are_refused_or_empty(state: bytes) -> None:
    try:
        store = Store.load(state)
    except ValueError:  # msgspec's own errors are, and so is text that is no UTF-8
        return
    assert all(not family.series for family in store.families())


def test_an_exemplar_is_replaced_by_a_later_one_only() -> None:
    histogram = Store().histogram(series.LABEL_DELAY_SECONDS)
    for unix_seconds, trace in ((100.0, "1"), (105.0, "2"), (111.0, "3")):
        histogram.observe(10**9, trace, "a", unix_seconds)
    assert [each.trace_id for each in histogram.exemplars if each] == ["3"]
    histogram.observe(-5)
    assert (histogram.counts[0], histogram.total) == (4, 3 * 10**9)


@pytest.mark.parametrize("metric", RECORD_TABLE, ids=lambda metric: metric.name)
def test_names_follow_the_field(metric: RecordMetric) -> None:
    assert metric.name.startswith(("sidecar_", "http_"))
    assert metric.name.endswith("_total") is (metric.type == "counter")
    assert metric.help.endswith(".")
    assert metric.type != "histogram" or (metric.name.endswith("_seconds") and metric.bounds)
    assert list(metric.bounds) == sorted(set(metric.bounds))
    assert not {"version", "digest", "caller", "url_path", "prediction_id"} & set(metric.labels)


def test_histograms_are_buckets() -> None:
    store = Store()
    store.histogram(series.LABEL_DELAY_SECONDS).observe(2 * 10**9)
    found = values(store, series.LABEL_DELAY_SECONDS)[()]
    assert isinstance(found, Buckets)
    assert (found.counts[1], found.total) == (1, 2.0)
