"""The slices in prediction rows: of what the model saw and of what was taken out before it, hidden as features are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sidecar.predictions import rows_of
from sidecar.predictions.condition import compile_condition
from sidecar.predictions.row import to_record
from tests.kit.guards import guard, policy, rows, scores

from .calls import judged_call, read_of

KEY = b"k" * 32
CONTRACT = """
mode: enforce
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 100000, on_violation: clamp}
"""
SLICES = """
slices:
  - {name: seniors, where: age >= 65}
  - {name: capped, where: income == 100000}
  - {name: age, by: age}
"""


def test_slices_are_told_of_repaired_rows(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CONTRACT) + SLICES)
    record, payloads = judged_call(judge, rows([70, 1e9], [30, 5.0]), scores(0.1, 0.2))
    found = rows_of(read_of(record, payloads), judge, key=KEY)
    assert [row.slices for row in found] == [
        {"seniors": True, "capped": True, "age": 70},
        {"seniors": False, "capped": False, "age": 30},
    ]
    holds = compile_condition("slices.seniors and slices.age > 60")
    assert [holds(to_record(row)) for row in found] == [True, False]


def test_a_slice_by_a_hidden_feature_is_hidden(tmp_path: Path) -> None:
    def of(hide: str) -> dict[str, Any]:
        judge = guard(tmp_path, policy(CONTRACT) + SLICES + f"capture: {{hide: {{age: {hide}}}}}\n")
        record, payloads = judged_call(judge, rows([70, 5.0]), scores(0.1))
        (row,) = rows_of(read_of(record, payloads), judge, key=KEY)
        return row.slices

    assert of("drop") == {"seniors": True, "capped": False}
    assert str(of("hash")["age"]).startswith("hash:")


def test_a_policy_without_slices_tells_none(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CONTRACT))
    record, payloads = judged_call(judge, rows([70, 5.0]), scores(0.1))
    assert [row.slices for row in rows_of(read_of(record, payloads), judge, key=KEY)] == [{}]
