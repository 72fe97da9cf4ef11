"""Rules from bytes to decision: fast accepts hold them, whatever form the rows have, and never take a broken one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.guard import Guard, Judged
from sidecar.policy import load
from sidecar.runtime.compile import compile_guard
from sidecar.verdict import Action, Outcome
from tests.kit.guards import guard, policy

POLICIES = Path(__file__).parents[1] / "policies"
CONTRACT = """
mode: enforce
features:
  loan: {type: float, min: 0}
  income: {type: float, min: 0, nullable: true, required: false}
  job: {type: category, values: [employed, retired], required: false}
rules:
  - {id: reach, expect: loan <= 10 * income}
  - {id: retired, when: job == 'retired', expect: income is not null and income < 5000}
"""
NUMERIC = CONTRACT.partition("  job:")[0] + "rules:\n  - {id: reach, expect: loan <= 10 * income}\n"
OBJECTS = "protocol: json, path: /predict"
LISTS = "protocol: json, path: /predict, rows: /features, columns: [loan, income]"
INSTANCES = "protocol: tfserving, name: credit"
TENSORS = "protocol: oip, name: credit"
MATRIX = "protocol: oip, name: credit, columns: {x: [loan, other, income]}"
MIXED = "protocol: oip, name: credit, columns: {x: [loan, income]}"


def judge(one: Guard, body: bytes, headers: Mapping[str, str] | None = None) -> Judged:
    return one.judge_request(body, "", (headers or {}).get, "", 1_800_000_000.0)


def tensors(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One tensor a feature."""
    names = ["loan", "income", "job"]
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": "BYTES" if name == "job" else "FP64",
         "data": [row[name] for row in rows]}
        for name in names if name in rows[0]
    ]  # fmt: skip
    return json.dumps({"inputs": inputs}).encode()


def matrix(rows: Sequence[Mapping[str, Any]], *, nested: bool) -> bytes:
    data = [[row["loan"], 0, row["income"]] for row in rows]
    flat = [value for row in data for value in row]
    inputs = [{"name": "x", "shape": [len(rows), 3], "datatype": "FP64", "data": data if nested else flat}]
    return json.dumps({"inputs": inputs}).encode()


def mixed(rows: Sequence[Mapping[str, Any]], *, first: bool) -> bytes:
    """A matrix and a tensor, in either order."""
    flat = [value for row in rows for value in (row["loan"], row["income"])]
    inputs = [
        {"name": "x", "shape": [len(rows), 2], "datatype": "FP64", "data": flat},
        {"name": "job", "shape": [len(rows), 1], "datatype": "BYTES", "data": [row["job"] for row in rows]},
    ]
    return json.dumps({"inputs": inputs if first else inputs[::-1]}).encode()


FORMS: dict[str, tuple[str, str, Any]] = {
    "objects": (OBJECTS, CONTRACT, lambda rows: json.dumps(rows).encode()),
    "lists": (LISTS, NUMERIC, lambda rows: json.dumps({"features": [[r["loan"], r["income"]] for r in rows]}).encode()),
    "instances": (INSTANCES, CONTRACT, lambda rows: json.dumps({"instances": rows}).encode()),
    "tensors": (TENSORS, CONTRACT, tensors),
    "matrix": (MATRIX, NUMERIC, lambda rows: matrix(rows, nested=False)),
    "nested": (MATRIX, NUMERIC, lambda rows: matrix(rows, nested=True)),
    "mixed": (MIXED, CONTRACT, lambda rows: mixed(rows, first=True)),
    "swapped": (MIXED, CONTRACT, lambda rows: mixed(rows, first=False)),
}
GOOD = {"loan": 9000.5, "income": 2000.5, "job": "retired"}
FAR = {"loan": 90000.5, "income": 2000.5, "job": "employed"}
RICH = {"loan": 9000.5, "income": 9000.5, "job": "retired"}


@pytest.fixture(scope="module")
def guards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Guard]:
    folder = tmp_path_factory.mktemp("guards")
    return {name: guard(folder, policy(contract, model=model)) for name, (model, contract, _) in FORMS.items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [1, 3])
def test_rules_leave_the_fast_path_open_and_close_it_to_who_breaks_one(
    guards: dict[str, Guard], form: str, count: int
) -> None:
    one, body_of = guards[form], FORMS[form][2]
    assert one.accept_request(body_of([GOOD] * count)) == count
    assert one.accept_request(body_of([GOOD] * (count - 1) + [FAR])) == 0
    judged = judge(one, body_of([GOOD] * (count - 1) + [FAR]))
    assert [(each.code, each.row) for each in judged.verdict.violations] == [("rule.reach", count - 1)]
    if FORMS[form][1] is CONTRACT:
        assert one.accept_request(body_of([RICH, *[GOOD] * (count - 1)])) == 0


NUMBERS = st.sampled_from([0, 1, 10, 4999, 2**53, 2**53 - 1, 1e15, 5e14, 9007199254740993, -1]) | st.floats(0, 1e5)
ROWS = st.fixed_dictionaries(
    {"loan": NUMBERS, "income": NUMBERS | st.none(), "job": st.sampled_from(["employed", "retired", "x"])}
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FORMS)), st.lists(ROWS, min_size=1, max_size=3))
def test_what_is_accepted_fast_breaks_no_rule(guards: dict[str, Guard], form: str, rows: list[dict[str, Any]]) -> None:
    one, body = guards[form], FORMS[form][2](rows)
    if one.accept_request(body):
        judged = judge(one, body)
        assert (judged.verdict.outcome, judged.verdict.total) == (Outcome.OK, 0)


def test_a_feature_that_may_be_absent_is_null_to_a_rule(guards: dict[str, Guard]) -> None:
    one = guards["objects"]
    assert one.accept_request(b'[{"loan": 1.5}]') == 1, "undecided is no violation"
    assert one.accept_request(b'[{"loan": 1.5, "job": "retired"}]') == 0
    assert one.accept_request(b'[{"loan": 1.5, "income": null, "job": "retired"}]') == 0
    judged = judge(one, b'[{"loan": 1.5, "job": "retired"}]')
    assert judged.verdict.codes == ("rule.retired",)
    assert judged.verdict.violations[0].pointer == "/0"


@pytest.fixture(scope="module")
def credit_risk() -> Guard:
    loaded = load([POLICIES / "credit-risk.yaml"], upstream="http://127.0.0.1:8080")
    assert not loaded.errors
    return compile_guard(loaded.policies[0])


def application(**cells: Any) -> bytes:
    """A real body for the example: a matrix of three columns, and a tensor a feature beside it."""
    row: dict[str, Any] = {
        "age": 41, "income": 52000, "tenure_months": 14, "application_id": "a1", "occupation": "employed",
        "postcode": "10115", "balance_at": "2027-01-15T07:00:00Z", "salary": 4300.0, "loan_amount": 9000.0, **cells,
    }  # fmt: skip
    inputs = [
        {"name": "input-0", "shape": [1, 3], "datatype": "FP64",
         "data": [row.pop("age"), row.pop("income"), row.pop("tenure_months")]},
        {"name": "profile", "shape": [1, 64], "datatype": "FP64", "data": [0.5] * 64},
    ]  # fmt: skip
    for name, value in row.items():
        kind = "BYTES" if isinstance(value, str) else "FP64"
        inputs.append({"name": name, "shape": [1], "datatype": kind, "data": [value]})
    return json.dumps({"inputs": inputs}).encode()


@pytest.mark.parametrize(
    ("cells", "outcome", "codes"),
    [
        ({}, Outcome.OK, ()),
        ({"occupation": "retired"}, Outcome.REJECTED, ("rule.retired-earns-no-salary",)),
        ({"occupation": "retired", "salary": 0.0}, Outcome.OK, ()),
        ({"occupation": "retired", "salary": None}, Outcome.OK, ()),
        ({"income": 100.0}, Outcome.OBSERVED, ("rule.loan-within-reach",)),
        ({"income": 9e9, "loan_amount": 400000.0}, Outcome.REPAIRED, ("income.max",)),
        ({"occupation": "astronaut"}, Outcome.REPAIRED, ("occupation.values",)),
        ({"loan_amount": 5.0}, Outcome.REJECTED, ("loan_amount.min",)),
    ],
)
def test_the_rules_of_the_example_work(
    credit_risk: Guard, cells: dict[str, Any], outcome: Outcome, codes: tuple[str, ...]
) -> None:
    verdict = judge(credit_risk, application(**cells), {"x-region": "n"}).verdict
    assert (verdict.outcome, verdict.codes) == (outcome, codes), verdict.violations


def test_a_rule_that_only_observes_says_so(credit_risk: Guard) -> None:
    (one,) = judge(credit_risk, application(income=100.0), {"x-region": "n"}).verdict.violations
    assert (one.applied, one.enforced, one.pointer) == (Action.REJECT, False, "/inputs")
    assert one.message == "must hold: loan_amount <= 10 * income"
