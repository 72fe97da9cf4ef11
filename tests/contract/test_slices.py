"""Slices: true, false, undecided, or the value of a feature; on the values that rules see."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.contract.slices import CompiledSlice, Slices
from sidecar.expression import compile_expression
from tests.contract.desk import NOW, compiled

CONTRACT = compiled("""
features:
  age: {type: int, min: 0, max: 120, missing_values: [-1], nullable: true, on_violation: warn}
  region: {type: category, values: [n, s], from: "header:x-region", role: slice_only}
  tier: {type: int, from: "header:x-tier", role: slice_only, required: false}
""")
SLICES = Slices(
    (
        CompiledSlice("seniors", compile_expression("age >= 65", CONTRACT.feature_names)),
        CompiledSlice("top", compile_expression("tier == 1", CONTRACT.feature_names)),
        CompiledSlice("region", feature="region"),
        CompiledSlice("tier", feature="tier"),
    ),
    CONTRACT,
)


@pytest.mark.parametrize(
    ("row", "slices"),
    [
        ({"age": 70, "region": "n", "tier": "1"}, {"seniors": True, "top": True, "region": "n", "tier": 1}),
        ({"age": 7, "region": "n"}, {"seniors": False, "top": None, "region": "n", "tier": None}),
        ({"age": -1, "region": "q"}, {"seniors": None, "top": None, "region": "q", "tier": None}),
        ({"age": 999, "tier": "2"}, {"seniors": None, "top": False, "region": None, "tier": 2}),
        ({"age": "70", "tier": "x"}, {"seniors": None, "top": None, "region": None, "tier": "x"}),
        ({}, {"seniors": None, "top": None, "region": None, "tier": None}),
    ],
)
def test_the_slices_of_a_row(row: dict[str, Any], slices: dict[str, Any]) -> None:
    assert SLICES.of(row, NOW) == slices
