"""Repairs that meet an odd body: they are written as the protocol wants them, or the body is refused; never half."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.guard import Guard
from sidecar.verdict import Outcome
from tests.badinput.desk import judged, tensor
from tests.kit.guards import guard, policy

OIP = "protocol: oip, name: credit"
COLUMNAR = "protocol: tfserving, name: credit"


def by(tmp_path: Path, model: str, *lines: str) -> Guard:
    return guard(tmp_path, policy("mode: enforce\n" + "\n".join(lines), model=model))


def sent(guard: Guard, document: Any) -> Any:
    """What the model gets, and once more what the policy says of that: nothing."""
    found = judged(json.dumps(document).encode(), guard)
    assert found.verdict.outcome in (Outcome.REPAIRED, Outcome.FALLBACK), (found.verdict, found.fault)
    assert judged(found.body, guard).verdict.outcome is Outcome.OK
    return json.loads(found.body)


def refused(guard: Guard, document: Any) -> None:
    found = judged(json.dumps(document).encode(), guard)
    assert (found.verdict.outcome, found.verdict.reason) == (Outcome.REJECTED, "shape")
    assert found.verdict.violations and found.edits == () and not found.guard_error


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_a_vector_for_a_missing_tensor_is_a_matrix(tmp_path: Path, shape: list[int]) -> None:
    guard = by(tmp_path, OIP, "features:", "  age: {type: int}", '  v: {type: "float[2]", default: [0, 1.5]}')
    made = sent(guard, {"inputs": [tensor("age", [1, 2], shape)]})["inputs"][1]
    assert made == tensor("v", [[0, 1.5], [0, 1.5]], [2, 2])


@pytest.mark.parametrize(("datatype", "value"), [("BYTES", "old"), ("UINT8", 200), ("INT64", 200)], ids=str)
def test_a_value_that_the_datatype_cannot_hold_is_not_written(tmp_path: Path, datatype: str, value: Any) -> None:
    action = "on_violation: {replace: 0.5}"
    guard = by(tmp_path, OIP, "features:", f"  age: {{type: float, max: 120, {action}}}")
    refused(guard, {"inputs": [tensor("age", [value], datatype=datatype)]})


def test_no_null_stands_for_several_values(tmp_path: Path) -> None:
    guard = by(tmp_path, OIP, "features:", '  v: {type: "float[2]", max: 1, nullable: true, on_violation: set_null}')
    refused(guard, {"inputs": [tensor("v", [1, 9], [1, 2])]})


FALL_BACK = ("on_bad_rows: fallback", "prediction: {score: {type: float}}", "fallback: {values: {score: 0.5}}")


@pytest.mark.parametrize("model", [OIP, COLUMNAR])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("unknown_features: strip", "  job: {type: string, required: false, on_violation: ignore}"),
        ("unknown_features: ignore", "  region: {type: string, role: slice_only}"),
    ],
    ids=["unknown", "slice only"],
)
def test_a_column_leaves_whole_when_bad_rows_leave_with_it(tmp_path: Path, model: str, first: str, second: str) -> None:
    guard = by(tmp_path, model, first, *FALL_BACK, "features:", "  age: {type: int, max: 120}", second)
    columns: dict[str, list[Any]] = {"age": [30, 130, 40], "region": ["n", "s", "e"]}
    document: Any = {"inputs": columns}
    if model == OIP:
        document = {"inputs": [tensor("age", columns["age"]), tensor("region", columns["region"], datatype="BYTES")]}
    found = judged(json.dumps(document).encode(), guard)
    assert (found.verdict.outcome, found.verdict.fallback_rows) == (Outcome.FALLBACK, (1,))
    left = json.loads(found.body)["inputs"]
    assert left == ([tensor("age", [30, 40])] if model == OIP else {"age": [30, 40]})


@pytest.mark.parametrize("model", [OIP, COLUMNAR])
def test_nothing_at_all_is_not_sent(tmp_path: Path, model: str) -> None:
    guard = by(tmp_path, model, "unknown_features: strip", "features:", "  age: {type: int, required: false}")
    refused(guard, {"inputs": [tensor("x", [1])] if model == OIP else {"x": [1]}})


ANSWERS = [
    (OIP, {"model_name": "m", "outputs": [tensor("a", [1, 2]), tensor("b", [3, 4])]}),
    (COLUMNAR, {"outputs": {"a": [1, 2]}}),
]


@pytest.mark.parametrize(("model", "document"), ANSWERS)
@pytest.mark.parametrize("required", ["true", "false"])
def test_an_answer_without_the_prediction_is_filled_for_every_row(
    tmp_path: Path, model: str, document: Any, required: str
) -> None:
    """Rows the model was not asked about, and rows it said nothing useful about."""
    prediction = f"prediction: {{score: {{type: float, required: {required}, on_violation: fallback}}}}"
    guard = by(tmp_path, model, prediction, "fallback: {values: {score: 0.5}}", "features: {age: {type: int}}")
    body = json.dumps(document).encode()
    found = guard.judge_reply(body, "", "", 0.0, sent_rows=2, fallback_rows=(1,))
    after = guard.codec.read_reply(found.body)
    own = 0.5 if required == "true" else None
    assert (after.count, list(after.columns["score"])) == (3, [own, 0.5, own])
