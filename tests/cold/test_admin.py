"""What /api/contract says: counts of the records, by policy, feature and code, and by both contracts' verdicts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sidecar.cold.admin import NO_METRICS, Desk
from sidecar.telemetry import series
from sidecar.telemetry.store import Store

NOBODY_ASKS = "no policy in force asks for alerts"


def desk(store: Store | None) -> Desk:
    """The admin's desk in a process whose metrics observer has counted this; None = it does not run."""
    runners: dict[str, Any] = {} if store is None else {"metrics": SimpleNamespace(observer=store)}
    cold: Any = SimpleNamespace(observing=SimpleNamespace(runners=runners), data=None, idle={"alerts": NOBODY_ASKS})
    return Desk(cold)


def test_counts_come_with_their_labels_the_largest_first() -> None:
    store = Store()
    store.counter(series.RECORDED, "credit", "m", "/v2", "ok").value += 5
    store.counter(series.RECORDED, "credit", "other", "/v2", "ok").value += 2
    store.counter(series.VIOLATIONS, "credit", "enforce", "age.max", "age", "reject", "true").value += 1
    store.counter(series.VIOLATIONS, "credit", "enforce", "rule.r", "", "reject", "false").value += 3
    store.counter(series.CANDIDATE_ROWS, "credit", "ok", "rejected").value += 4
    store.counter(series.CANDIDATE_ROWS, "credit", "ok", "ok").value += 9
    store.counter(series.CANDIDATE_VIOLATIONS, "credit", "age.min", "age", "reject").value += 4
    found = desk(store).contract()
    assert found["verdicts"] == [{"policy": "credit", "verdict": "ok", "requests": 7}]
    assert [(one["code"], one["applied"], one["violations"]) for one in found["violations"]] == [
        ("rule.r", "false", 3), ("age.max", "true", 1),
    ]  # fmt: skip
    assert found["candidate_rows"] == [
        {"policy": "credit", "active": "ok", "candidate": "ok", "rows": 9},
        {"policy": "credit", "active": "ok", "candidate": "rejected", "rows": 4},
    ]
    assert found["candidate_violations"] == [
        {"policy": "credit", "code": "age.min", "feature": "age", "action": "reject", "violations": 4}
    ]
    assert (found["scope"], found["because"]) == ("replica", "")


def test_nothing_recorded_and_nobody_counting_are_told_apart() -> None:
    empty = desk(Store()).contract()
    assert (empty["candidate_rows"], empty["because"]) == ([], "no request has been recorded yet")
    absent = desk(None).contract()
    assert (absent["candidate_rows"], absent["violations"], absent["because"]) == ([], [], NO_METRICS)


def test_alerts_that_are_on_and_why_there_can_be_none() -> None:
    found = desk(Store()).contract()
    assert (found["alerts"], found["alerts_because"]) == ([], NOBODY_ASKS)
    alert = {"policy": "credit", "feature": "age", "alert": "null_rate"}
    observer = SimpleNamespace(snapshot=lambda: [alert])
    cold: Any = SimpleNamespace(
        observing=SimpleNamespace(runners={"alerts": SimpleNamespace(observer=observer)}), data=None, idle={}
    )
    found = Desk(cold).contract()
    assert (found["alerts"], found["alerts_because"], found["because"]) == ([alert], "", NO_METRICS)
