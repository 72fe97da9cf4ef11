"""What a policy watches over windows: alerts begin, end, outlive restarts, and count each row once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.exchange import Exchange
from sidecar.guard import Guard
from sidecar.journal import Cursor, Read
from sidecar.observers.alerts import Alerts
from sidecar.policy import Policy, load
from sidecar.policy.watching import watching_of
from sidecar.profiles import Watching
from sidecar.runtime.compile import compile_guard
from tests.predictions.calls import judged_call, read_of

from .calls import Said, context, cursor

POLICY = """
policy: credit
owner: {team: risk-ml, contact: "#risk"}
model: {protocol: json, path: /predict, rows: /rows, predictions: /scores}
contract:
  mode: enforce
  features:
    age: {type: int, min: 0, max: 120, nullable: true, missing_values: [-1]}
    income: {type: float, min: 0, max: 1000, on_violation: clamp, repair_alert_above: 10%, owner: {team: crm}}
    job: {type: category, values: [employed, other], on_violation: warn}
  prediction:
    score: {type: float, min: 0, max: 1, on_violation: clamp, repair_alert_above: 10%}
watch: {window: 1h, min_rows: 10, null_rate: 20%, unseen_category_rate: 20%, frozen_after: 3h}
"""
HOUR = 3600
CLEAN = {"age": 30, "income": 10.0, "job": "other"}
FIGURES = ("income", "repairs")


def loaded(folder: Path, text: str = POLICY) -> tuple[Policy, Guard]:
    file = folder / "policy.yaml"
    file.write_text(text)
    found = load([file])
    assert not found.findings, found.findings
    (policy,) = found.policies
    return policy, compile_guard(policy)


class BookOf:
    """Knows real policies."""

    def __init__(self, *guards: Guard) -> None:
        self.known = {guard.identity.digest: guard for guard in guards}

    def guard(self, digest: str) -> Any | None:
        return self.known.get(digest)

    def document(self, digest: str) -> Mapping[str, Any] | None:
        return None


class Watch:
    """A policy, its calls, and the observer that reads them in as many lives as a test wants."""

    def __init__(self, folder: Path, text: str = POLICY) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.policy, self.guard = loaded(folder, text)
        self.section: dict[str, Watching] = {"credit": watching_of(self.policy)}
        self.said = Said()
        self.records = 0
        self.observer = self.born()

    def born(self) -> Alerts:
        return Alerts(context(self.folder, section=self.section, book=BookOf(self.guard), said=self.said))

    def call(self, hour: float, *rows: Mapping[str, Any], reply: Sequence[float] | None = None) -> Read:
        """One call at this hour."""
        asked = json.dumps({"rows": [{**CLEAN, "age": 30 + int(hour * HOUR) % 7, **row} for row in rows]}).encode()
        scores = list(reply) if reply is not None else [0.1 + hour % 0.5 for _ in rows]
        self.records += 1
        made = judged_call(self.guard, asked, json.dumps({"scores": scores}).encode(), round(hour * HOUR))
        return read_of(*made, number=self.records)

    def live(self, *reads: Read, commit: bool = True) -> Cursor:
        """A life: from the last commit, these records, a commit."""
        self.observer = self.born()

        async def all_of_it() -> Cursor:
            restored = await self.observer.open()
            await self.observer.take(reads)
            if commit:
                await self.observer.commit(cursor(self.records))
            await self.observer.close()
            return restored

        return asyncio.run(all_of_it())

    def series(self, name: str) -> dict[tuple[str, str], Any]:
        (family,) = [family for family in self.observer.families() if family.name == name]
        return {(feature, alert): value for (_, feature, alert), value in family.series}

    @property
    def active(self) -> set[tuple[str, str]]:
        return {key for key, value in self.series("sidecar_alert_active").items() if value}

    @property
    def total(self) -> dict[tuple[str, str], Any]:
        return {key: value for key, value in self.series("sidecar_alerts_total").items() if value}

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(event, str(fields["code"])) for event, fields in self.said]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "data")


BAD: Mapping[str, Any] = {"income": 5000.0}


def test_repairs_raise_while_the_window_runs_and_a_clean_window_ends_it(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[{}] * 8, BAD, BAD))
    assert watch.active == {FIGURES}
    watch.live(watch.call(1.1, *[{}] * 20))
    assert watch.active == {FIGURES}, "a window that still runs ends nothing"
    watch.live(watch.call(2.1, {}))
    assert watch.active == set()
    assert watch.total == {FIGURES: 1}
    assert watch.events == [("alert.raised", "income.repairs"), ("alert.cleared", "income.repairs")]


def test_an_alert_says_where_how_much_and_who_answers(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[{}] * 8, BAD, BAD))
    (alert,) = watch.observer.snapshot()
    assert (alert["policy"], alert["feature"], alert["alert"], alert["rows"]) == ("credit", "income", "repairs", 10)
    assert (alert["share"], alert["limit"]) == (0.2, 0.1)
    assert (alert["owner"], alert["contact"]) == ("crm", "#risk")
    assert alert["from"] == "2026-01-02T03:00:00.000000Z"
    assert alert["to"] == "2026-01-02T04:00:00.000000Z"
    ((event, fields),) = watch.said
    assert event == "alert.raised"
    assert fields == {name: value for name, value in alert.items() if name != "since"}


def test_too_few_rows_say_nothing(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[BAD] * 9))
    assert watch.active == set()


def test_at_the_limit_is_not_above_it(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[{}] * 9, BAD))
    assert watch.active == set()


def test_what_only_would_be_repaired_is_not(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "data", POLICY.replace("mode: enforce", "mode: observe"))
    watch.live(watch.call(0.1, *[BAD] * 20))
    assert watch.active == set()


def test_rows_of_a_refused_request_are_not_repaired(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[BAD] * 20, {"age": 500}))
    assert watch.active == set()


def test_repairs_of_an_answer_are_those_of_the_prediction(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[{}] * 10, reply=[0.5] * 8 + [1.5] * 2))
    assert watch.active == {("prediction.score", "repairs")}
    (alert,) = watch.observer.snapshot()
    assert alert["owner"] == "risk-ml"


@pytest.mark.parametrize("absent", [None, -1])
def test_nulls_and_what_stands_for_them(watch: Watch, absent: Any) -> None:
    watch.live(watch.call(0.1, *[{}] * 7, *[{"age": absent}] * 3))
    assert watch.active == {("age", "null_rate")}


def test_values_nobody_listed(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[{}] * 7, *[{"job": "astronaut"}] * 3))
    assert watch.active == {("job", "unseen_category_rate")}


def test_a_feature_that_stops_moving_and_moves_again(watch: Watch) -> None:
    moving = [{"income": float(hour)} for hour in range(20)]
    hours = [watch.call(hour / 4, {**moving[hour], "job": ("other", "employed")[hour % 2]}) for hour in range(20)]
    watch.live(*hours)
    assert watch.active == set()
    still = [watch.call(5 + hour / 4, {"job": ("other", "employed")[hour % 2]}) for hour in range(14)]
    watch.live(*still)
    assert watch.active == {("income", "frozen")}
    (alert,) = watch.observer.snapshot()
    assert alert["held_seconds"] >= 3 * HOUR
    assert "share" not in alert
    watch.live(watch.call(8.5, {"income": 77.0}))
    assert watch.active == set()


def test_a_life_that_was_not_committed_counts_nothing(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[{}] * 4, BAD))
    lost = watch.call(0.2, *[{}] * 4, BAD)
    watch.live(lost, commit=False)
    assert watch.active == set(), "what a scrape sees is what was committed"
    assert watch.live(lost) == cursor(1), "read again from the commit"
    assert watch.active == {FIGURES}
    (alert,) = watch.observer.snapshot()
    assert (alert["rows"], alert["share"]) == (10, 0.2)
    assert watch.total == {FIGURES: 1}


def test_an_alert_is_on_after_a_restart_and_is_not_raised_again(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[BAD] * 10))
    before = watch.observer.snapshot()
    watch.live(watch.call(0.2, {}))
    assert watch.active == {FIGURES}
    assert watch.observer.snapshot()[0]["since"] == before[0]["since"]
    assert watch.events == [("alert.raised", "income.repairs")]


def test_windows_that_pass_within_one_batch_are_each_heard(watch: Watch) -> None:
    calls = [watch.call(hour + 0.1, *[row] * 10) for hour, row in enumerate((BAD, CLEAN, BAD, CLEAN, BAD))]
    watch.live(*calls)
    assert watch.total[FIGURES] == 3
    assert FIGURES in watch.active


def test_a_stream_read_late_does_not_bring_back_what_is_over(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[BAD] * 10), watch.call(1.1, *[{}] * 20), watch.call(2.1, {}))
    watch.live(watch.call(0.2, *[BAD] * 10))
    assert (watch.active, watch.total) == (set(), {FIGURES: 1})


def test_rows_older_than_any_window_kept_are_left_out(watch: Watch) -> None:
    watch.live(watch.call(30.1, {}))
    watch.live(watch.call(0.2, *[BAD] * 10))
    assert watch.active == set()


def test_windows_long_past_are_not_kept(watch: Watch) -> None:
    state = watch.folder / "observers" / "alerts.state"
    sizes: list[int] = []
    for day in range(4):
        watch.live(*(watch.call(24 * day + hour + 0.1, {}) for hour in range(24)))
        sizes.append(state.stat().st_size)
    assert sizes[3] < 1.5 * sizes[1], "a day more is not a day's windows more"


def test_a_limit_that_goes_takes_its_alert_with_it(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[BAD] * 10))
    policy, _ = loaded(watch.folder, POLICY.replace("on_violation: clamp, repair_alert_above: 10%, owner", "owner"))
    watch.section = {"credit": watching_of(policy)}
    watch.live()
    assert (watch.active, watch.observer.snapshot()) == (set(), [])
    assert watch.said[-1][1]["reason"] == "it is watched no more"


def test_windows_of_another_length_begin_anew_and_alerts_go_on(watch: Watch) -> None:
    watch.live(watch.call(0.1, *[BAD] * 10))
    policy, _ = loaded(watch.folder, POLICY.replace("window: 1h", "window: 30m"))
    watch.section = {"credit": watching_of(policy)}
    watch.live(watch.call(0.2, *[{}] * 9))
    assert watch.active == {FIGURES}
    watch.live(watch.call(0.3, {}), watch.call(1.0, {}))
    assert watch.active == set()


def test_series_are_there_from_the_start(watch: Watch) -> None:
    watch.live()
    assert watch.series("sidecar_alert_active") == watch.series("sidecar_alerts_total")
    assert set(watch.series("sidecar_alert_active")) >= {FIGURES, ("age", "null_rate"), ("job", "frozen")}
    assert not any(watch.series("sidecar_alert_active").values())


def test_damaged_state_is_set_aside(watch: Watch) -> None:
    state = watch.folder / "observers" / "alerts.state"
    watch.live(watch.call(0.1, *[BAD] * 10))
    state.write_bytes(b"not this")
    assert watch.live() == Cursor()
    assert state.with_suffix(".damaged").read_bytes() == b"not this"
    assert watch.said[-1][0] == "alerts.state_damaged"


def test_bodies_that_nobody_can_read_are_not_judged(watch: Watch) -> None:
    read = watch.call(0.1, *[BAD] * 10)
    assert isinstance(read.record, Exchange)
    watch.live(read_of(read.record, (b"{", b"")))
    assert watch.active == set()
