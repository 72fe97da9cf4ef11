"""Signatures are spelled as MLflow spells them: JSON text in `inputs` and `outputs` (mlflow/types/schema.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.exports import Options, targets
from sidecar.policy import Policy, load

from .desk import policy

POLICIES = Path(__file__).parents[2] / "policies"
# The types of mlflow.types.DataType, and `any`.
TYPES = {"boolean", "integer", "long", "float", "double", "string", "binary", "datetime", "any"}


def signature(subject: Policy) -> dict[str, Any]:
    document: dict[str, Any] = targets()["mlflow"].export(subject, Options()).document
    return document


def inputs(features: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(signature(policy(f"{{features: {features}}}"))["inputs"])
    return found


def test_iris_as_mlflow_writes_it() -> None:
    (subject,) = load([POLICIES / "iris.yaml"]).policies
    columns = ", ".join(
        f'{{"type": "double", "name": "{name}", "required": true}}'
        for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")
    )
    assert signature(subject) == {
        "inputs": f"[{columns}]",
        "outputs": '[{"type": "long", "name": "predict", "required": true}]',
        "params": None,
    }


@pytest.mark.parametrize(
    ("feature", "column"),
    [
        ("{type: int}", {"type": "long"}),
        ("{type: float}", {"type": "double"}),
        ("{type: bool}", {"type": "boolean"}),
        ("{type: string}", {"type": "string"}),
        ("{type: category, values: [a]}", {"type": "string"}),
        ("{type: category, values: [1, 2]}", {"type": "long"}),
        ("{type: timestamp}", {"type": "datetime"}),
        ("{type: bytes}", {"type": "binary"}),
        ("{type: json}", {"type": "any"}),
        ("{type: 'float[64]'}", {"type": "array", "items": {"type": "double"}}),
        ("{type: 'int[2,3]'}", {"type": "array", "items": {"type": "array", "items": {"type": "long"}}}),
    ],
)
def test_types(feature: str, column: dict[str, Any]) -> None:
    assert inputs(f"{{x: {feature}}}") == [{**column, "name": "x", "required": True}]


def test_what_may_be_left_out_is_optional() -> None:
    features = "{a: {type: int, required: false}, b: {type: int, default: 1}, c: {type: int, lifecycle: deprecated}}"
    assert [column["required"] for column in inputs(features)] == [False, False, False]


def test_what_the_model_does_not_get_is_no_input() -> None:
    features = "{a: {type: int}, r: {type: string, from: 'header:x-r'}, s: {type: string, role: slice_only}}"
    assert [column["name"] for column in inputs(features)] == ["a"]


def test_every_policy_of_the_repository_has_one() -> None:
    for subject in load([POLICIES]).policies:
        for side in ("inputs", "outputs"):
            for column in json.loads(signature(subject)[side] or "[]"):
                assert set(column) <= {"type", "name", "required", "items"}
                assert column["type"] in TYPES | {"array"}
