"""Cases go through the guard of the policy, body and all, and say what is not as expected."""

from __future__ import annotations

import pytest

from .desk import CREDIT, bench, differences, run


@pytest.mark.parametrize("model", ["oip", "matrix", "tfserving", "json"])
@pytest.mark.parametrize(
    "case",
    [
        "expect: {verdict: ok, codes: [], status: 200, delivered: {score: 0.2}, without: [region]}",
        "row: {age: -3}, expect: {verdict: reject, codes: [age.min], status: 422}",
        "row: {age: 41.5}, expect: {verdict: rejected, codes: [age.type]}",
        "row: {age: old}, expect: {verdict: rejected, codes: [age.type]}",
        "row: {age: ~}, expect: {verdict: rejected, codes: [age.null]}",
        "row: {income: 9000000}, expect: {verdict: repaired, codes: [income.max], sent: {income: 5000000, age: 41}}",
        "row: {income: -999}, expect: {verdict: repaired, codes: [income.missing_values], sent: {income: ~}}",
        "row: {job: astronaut}, expect: {verdict: repaired, sent: {job: other}}",
        "row: {region: x}, expect: {verdict: observed, codes: [region.values]}",
        "row: {age: 12}, expect: {verdict: reject, codes: [rule.adults-only]}",
        "row: {age: 12, job: other}, expect: {verdict: ok}",
        "prediction: {score: 2}, expect: {verdict: fallback, codes: [prediction.score.max], prediction: {score: 0.5}}",
        "predictions: [{score: 0.1}, {score: 0.2}], expect: {codes: [prediction.rows], verdict: fallback}",
        "rows: [{}, {age: -3}], expect: {verdict: reject, rows: [ok, reject], codes: [age.min]}",
        "rows: [{}, {income: 9000000}], expect: {verdict: repaired, rows: [{verdict: ok, sent: {income: 52000}}, "
        "{verdict: repaired, codes: [income.max], sent: {income: 5000000}}]}",
        "rows: [{}, {}], predictions: [{score: 0.1}, {score: 7}], "
        "expect: {verdict: fallback, rows: [{verdict: ok, delivered: {score: 0.1}}, {delivered: {score: 0.5}}]}",
    ],
)
def test_what_is_so_passes_in_every_protocol(case: str, model: str) -> None:
    assert differences(run(case, on=bench(model=model))) == {}


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("expect: {verdict: reject}", {"verdict": ("reject", "ok")}),
        ("row: {age: -3}, expect: {codes: [age.max]}", {"codes": ("[age.max]", "[age.min]")}),
        ("row: {age: -3}, expect: {status: 200}", {"status": ("200", "422")}),
        ("row: {age: -3}, expect: {sent: {age: -3}}", {"sent": ("{age: -3}", "nothing")}),
        ("row: {job: astronaut}, expect: {sent: {job: astronaut}}", {"sent.job": ("astronaut", "other")}),
        ("expect: {sent: {agee: 41}}", {"sent.agee": ("41", "missing")}),
        ("expect: {without: [age]}", {"without age": ("not sent", "sent")}),
        ("expect: {delivered: {score: 0.3}}", {"delivered.score": ("0.3", "0.2")}),
        ("mode: observe, row: {age: -3}, expect: {would: ok}", {"would": ("ok", "rejected")}),
        ("body: '{', expect: {reason: shape}", {"reason": ("shape", "malformed")}),
        ("rows: [{}, {age: -3}], expect: {rows: [reject, reject]}", {"rows[0].verdict": ("reject", "ok")}),
        (
            "rows: [{}, {age: -3}], expect: {rows: [ok, {codes: [age.max]}]}",
            {"rows[1].codes": ("[age.max]", "[age.min]")},
        ),
        ("rows: [{}, {age: -3}], expect: {counts: {age.min: 2}}", {"counts.age.min": ("2", "1")}),
    ],
)
def test_what_is_not_so_is_told(case: str, told: dict[str, tuple[str, str]]) -> None:
    assert differences(run(case)) == told


def test_a_difference_leads_to_its_key() -> None:
    (failure,) = run("row: {age: -3}, expect: {verdict: ok, codes: [age.min]}").failures
    assert failure.path == ("tests", 0, "expect", "verdict")
    assert failure.hint == "because of age.min"


def test_a_name_can_be_left_out() -> None:
    assert differences(run("without: [age], expect: {codes: [age.required]}")) == {}
    assert differences(run("without: [job], expect: {verdict: ok}")) == {}


def test_a_whole_body_can_be_sent_and_a_whole_answer_given() -> None:
    good = '{"rows": [{"age": 41, "income": 1}]}'
    assert differences(run(f"body: '{good}', expect: {{verdict: ok, status: 200}}")) == {}
    twice = '{"rows": [], "rows": []}'
    expected = "expect: {verdict: reject, reason: ambiguous, status: 400, codes: []}"
    assert differences(run(f"body: '{twice}', {expected}")) == {}
    answer = '{"scores": [null]}'
    expected = "expect: {verdict: fallback, codes: [prediction.score.null]}"
    assert differences(run(f"answer: '{answer}', {expected}")) == {}


def test_an_answer_without_a_fallback_is_withheld() -> None:
    without = bench("prediction: {score: {type: float, max: 1}}\nfeatures: {age: {type: int}}")
    case = (
        "row: {age: 1}, prediction: {score: 2}, expect: {verdict: reject, status: 502, codes: [prediction.score.max]}"
    )
    assert differences(run(case, on=without, base="{}")) == {}


def test_modes() -> None:
    assert differences(run("mode: observe, row: {age: -3}, expect: {verdict: observed, would: rejected}")) == {}
    assert differences(run("mode: off, row: {age: -3}, expect: {verdict: ok, codes: []}")) == {}
    by_caller = bench(f"mode: {{default: observe, callers: {{mobile: enforce}}}}\n{CREDIT}")
    for caller, verdict in (("web", "observed"), ("mobile", "rejected")):
        case = f"mode: policy, caller: {caller}, row: {{age: -3}}, expect: {{verdict: {verdict}}}"
        assert differences(run(case, on=by_caller)) == {}


def test_headers_and_the_moment() -> None:
    timed = bench("features: {at: {type: timestamp, max_age: 1h}, r: {type: int, min: 3, from: 'header:x-r'}}")
    row = "row: {at: 2026-09-01T11:30:00Z, r: 4}"
    assert differences(run(f"{row}, now: 2026-09-01T12:00:00Z, expect: {{verdict: ok}}", on=timed, base="{}")) == {}
    late = f"{row}, now: 2026-09-01T13:00:00Z, expect: {{codes: [at.max_age]}}"
    assert differences(run(late, on=timed, base="{}")) == {}
    other = f"{row}, now: 2026-09-01T12:00:00Z, headers: {{X-R: '2'}}, expect: {{codes: [r.min]}}"
    assert differences(run(other, on=timed, base="{}")) == {}


def test_rows_that_leave_a_batch() -> None:
    dropping = bench(f"on_bad_rows: drop_rows\n{CREDIT.replace('on_bad_rows: reject_request', '')}", model="tfserving")
    case = (
        "rows: [{}, {age: -3}, {income: 9000000}], predictions: [{score: 0.1}, {score: 0.3}], "
        "expect: {verdict: dropped, rows: [{verdict: ok, delivered: {score: 0.1}}, dropped, "
        "{verdict: repaired, delivered: {score: 0.3}}], counts: {dropped: 1, repaired: 1}}"
    )
    assert differences(run(case, on=dropping)) == {}


def test_a_batch_answered_by_the_policy_in_part() -> None:
    falling = bench(f"on_bad_rows: fallback\n{CREDIT.replace('on_bad_rows: reject_request', '')}")
    case = (
        "rows: [{}, {age: -3}], prediction: {score: 0.25}, "
        "expect: {verdict: fallback, rows: [{verdict: ok, delivered: {score: 0.25}}, {verdict: fallback, "
        "delivered: {score: 0.5}}]}"
    )
    assert differences(run(case, on=falling)) == {}


def test_what_no_body_can_hold_is_an_error_of_the_case() -> None:
    result = run(
        "rows: [{region: n}, {region: s}], expect: {}",
        on=bench("features: {region: {type: string, from: 'header:x-region'}}"),
        base="{}",
    )
    assert result.error == "`region` is a header: one request cannot say n and s"
    assert not result.passed


SERIES = """
features:
  income: {type: float, min: 0, max: 100, nullable: true, on_violation: clamp, repair_alert_above: 5%}
  job: {type: category, values: [a, b], on_violation: warn}
  other: {type: int}
"""
WATCH = "watch: {window: 1h, min_rows: 100, frozen_after: 3h, null_rate: 10%, unseen_category_rate: 1%}"
STILL = "{income: 5, job: a, other: 1}"


@pytest.mark.parametrize(
    "case",
    [
        'series: {income: "7x600"}, after: 4h, expect: {alerts: [income.frozen], counts: {ok: 600}}',
        'series: {income: "7x600"}, after: 2h, expect: {alerts: []}',
        'series: {income: "7x50"}, after: 4h, expect: {alerts: []}',
        'series: {income: ["7x300", "8x300"]}, after: 4h, expect: {alerts: []}',
        'series: {income: ["7x100", "~x20"]}, expect: {alerts: [income.null_rate], counts: {ok: 120}}',
        'series: {income: ["7x110", "~x10"]}, expect: {alerts: []}',
        'series: {job: ["a x 100", "c x 2"]}, expect: {alerts: [job.unseen_category_rate], counts: {job.values: 2}}',
        'series: {income: ["7x100", "101x10"]}, expect: {alerts: [income.repairs], counts: {repaired: 10, ok: 100}}',
        'series: {income: ["7x100", "x x 3"]}, expect: {alerts: [], codes: [income.type], counts: {rejected: 3}}',
        'series: {income: "7x200", job: ["a x 190", "z x 10"]}, after: 3h, expect: {alerts: [income.frozen]}',
    ],
)
def test_series(case: str) -> None:
    assert differences(run(case, on=bench(SERIES, more=WATCH), base=STILL)) == {}


def test_features_of_the_base_only_stand_by() -> None:
    """`other` has one value for four hours, because the test says nothing of it."""
    assert differences(run('series: {income: "7x600"}, after: 4h, expect: {alerts: [other.frozen]}',
                           on=bench(SERIES, more=WATCH), base=STILL)) == {
        "alerts": ("[other.frozen]", "[income.frozen]")
    }  # fmt: skip
