"""A dry run tells each check, what goes on and what comes back; nothing is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.guard import Guard
from sidecar.policytest import Asked
from sidecar.policytest.compose import CaseError
from sidecar.policytest.dry_run import dry_run, failing, request_for

from .desk import CREDIT, asked, bench

ROW = {"age": 41, "income": 52000, "job": "employed", "region": "n"}


def guard(contract: str = CREDIT, model: str = "json", mode: str = "enforce") -> Guard:
    return bench(contract, model=model).guard(mode)


def told(subject: Guard, *rows: dict[str, Any]) -> dict[str, Any]:
    story = dry_run(subject, asked(subject, *rows, caller="web"), lambda name, code: {"owner": f"{name}{code}"})
    json.dumps(story, allow_nan=False)
    return story


def test_each_check_of_each_value() -> None:
    story = told(guard(), {**ROW, "age": -3, "income": 9000000})
    assert (story["verdict"], story["mode"], story["caller"]) == ("rejected", "enforce", "web")
    (row,) = story["rows"]
    age, income, *_ = row["features"]
    assert (age["value"], age["owner"], age["pointer"]) == (-3, "age", "/rows/0/age")
    assert [(check["code"], check["held"], check["applied"]) for check in age["checks"]] == [
        ("age.required", True, None),
        ("age.null", True, None),
        ("age.type", True, None),
        ("age.min", False, "reject"),
        ("age.max", True, None),
    ]
    assert income["repaired"] == 5000000
    assert [check["code"] for _, check in failing(row)] == ["age.min", "income.max"]


def test_a_refusal_in_the_callers_shape() -> None:
    for model, key in (("oip", "error"), ("tfserving", "error"), ("json", "errors")):
        story = told(guard(model=model), {**ROW, "age": -3})
        assert story["sent"] is None
        assert story["caller_gets"]["status"] == 422
        assert key in json.loads(story["caller_gets"]["body"])


def test_what_goes_on() -> None:
    story = told(guard(), {**ROW, "job": "astronaut"})
    assert story["sent"]["rows"] == 1
    assert story["sent"]["changed"]
    assert json.loads(story["sent"]["body"]) == {"rows": [{"age": 41, "income": 52000.0, "job": "other"}]}
    assert story["sent"]["without_headers"] == ["x-region"]
    assert story["caller_gets"]["what"] == "the model's answer"
    assert not told(guard(), ROW)["sent"]["changed"]


def test_the_policys_own_answer() -> None:
    contract = (
        "features: {a: {type: int, min: 0, on_violation: fallback}}\nprediction: {score: {type: float}}\n"
        "fallback: {values: {score: 0.5}}"
    )
    story = told(guard(contract), {"a": -1})
    assert story["sent"] is None
    assert (story["caller_gets"]["what"], story["caller_gets"]["status"]) == ("the policy's fallback", 200)
    assert json.loads(story["caller_gets"]["body"]) == {"scores": [0.5]}


@pytest.mark.parametrize(
    ("row", "outcome", "because"),
    [
        ({"age": 41}, "held", []),
        ({"age": 12}, "broken", []),
        ({"age": 12, "job": "other"}, "not asked", []),
        ({"age": "x"}, "undecided", ["age"]),
    ],
)
def test_rules(row: dict[str, Any], outcome: str, because: list[str]) -> None:
    (rule,) = told(guard(), {**ROW, **row})["rows"][0]["rules"]
    assert (rule["id"], rule["when"], rule["expect"]) == ("adults-only", "job == 'employed'", "age >= 15")
    assert (rule["outcome"], rule["undecided_because"]) == (outcome, because)
    assert rule["applied"] == ("reject" if outcome == "broken" else None)
    assert rule["owner"] == "rule.adults-only"


def test_observing_says_what_enforcing_would_do() -> None:
    story = told(guard(mode="observe"), {**ROW, "age": -3})
    assert (story["verdict"], story["would"]) == ("observed", "rejected")
    assert story["sent"]["rows"] == 1


def test_rows_of_a_batch() -> None:
    story = told(guard(), ROW, {**ROW, "age": -3}, {**ROW, "odd": 1})
    assert [row["verdict"] for row in story["rows"]] == ["ok", "rejected", "observed"]
    assert story["rows"][2]["unknown"] == ["odd"]


def test_a_body_that_cannot_be_read() -> None:
    subject = guard()
    story = dry_run(subject, Asked(b'{"rows": 3}', {}, "", 0.0), lambda name, code: {})
    assert (story["verdict"], story["reason"], story["rows"]) == ("rejected", "shape", [])
    assert story["fault"] == {
        "message": "a row is a single value where several are expected",
        "pointer": "/rows",
    }
    assert story["caller_gets"]["status"] == 422


@pytest.mark.parametrize("model", ["oip", "matrix", "tfserving", "json"])
def test_rows_and_bodies_are_told_apart(model: str) -> None:
    subject = guard(model=model)
    whole = asked(subject, ROW)
    for data in (json.dumps(ROW), json.dumps([ROW])):
        body, headers = request_for(subject, data.encode(), {"X-Trace": "1"})
        assert body == whole.body
        assert headers == {"x-region": "n", "x-trace": "1"}
    body, headers = request_for(subject, whole.body, {})
    assert (body, headers) == (whole.body, {})
    for broken in (b"{", b"[]", b"3", b'{"inputs": []}'):
        assert request_for(subject, broken, {})[0] == broken


def test_a_row_that_no_body_can_hold() -> None:
    headers = bench("features: {r: {type: string, from: 'header:x-r'}}").guard("enforce")
    with pytest.raises(CaseError, match="`r` is a header"):
        request_for(headers, b'[{"r": "a"}, {"r": "b"}]', {})
