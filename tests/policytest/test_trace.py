"""What the trace says ran and failed is what the cell says is broken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sidecar.contract import compile_contract
from sidecar.policytest.trace import implied, stated, trace
from sidecar.rows import MISSING
from tests.contract.desk import NOW, compiled, section
from tests.contract.generate import CELLS, contracts


@given(drawn=contracts(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_the_trace_is_the_cells_own(drawn: dict[str, Any], data: st.DataObject) -> None:
    contract, _ = compile_contract(section(drawn))
    assume(contract is not None)
    assert contract is not None
    for cell in contract.cells:
        known = {*stated(cell), *implied(cell), "default", "required", "null"}
        for value in [MISSING, *data.draw(st.lists(CELLS, max_size=4))]:
            examined, ran = trace(cell, value, NOW)
            broken = dict(cell.examine(value, NOW).broken)
            assert dict(examined.broken) == broken
            # A sentinel that something answers is told by what answers it.
            assert {one.check for one in ran if not one.held} - {"missing_values"} == set(broken) - {"missing_values"}
            assert set(broken) <= {one.check for one in ran}
            assert {one.check for one in ran} <= known | {"finite"}
            assert len({one.check for one in ran}) == len(ran)


def ran_of(feature: str, value: Any) -> dict[str, bool]:
    (cell,) = compiled(f"{{features: {{x: {feature}}}}}").cells
    return {one.check: one.held for one in trace(cell, value, NOW)[1]}


@pytest.mark.parametrize(
    ("feature", "value", "ran"),
    [
        ("{type: int, min: 0, max: 9}", 5, {"required": True, "null": True, "type": True, "min": True, "max": True}),
        ("{type: int, min: 0, max: 9}", 10, {"required": True, "null": True, "type": True, "min": True, "max": False}),
        ("{type: int, min: 0}", "5", {"required": True, "null": True, "type": False}),
        ("{type: int, min: 0}", None, {"required": True, "null": False}),
        ("{type: int, min: 0}", MISSING, {"required": False}),
        ("{type: int, min: 0, required: false}", MISSING, {}),
        ("{type: float, min: 0}", float("nan"), {"required": True, "null": True, "type": True, "finite": False}),
        ("{type: int, min: 0, default: 3}", MISSING, {"required": False, "type": True, "min": True}),
        ("{type: int, min: 0, default: 3}", None, {"null": False, "type": True, "min": True}),
        (
            "{type: int, min: 0, missing_values: [-1], nullable: true}",
            -1,
            {"missing_values": False, "required": True},
        ),
        ("{type: 'float[2]'}", [1], {"required": True, "null": True, "type": True, "shape": False}),
        ("{type: 'float[2]'}", 1, {"required": True, "null": True, "type": False}),
        (
            "{type: int, lifecycle: deprecated, required: false}",
            1,
            {"deprecated": False, "null": True, "type": True},
        ),
    ],
)
def test_what_runs(feature: str, value: Any, ran: dict[str, bool]) -> None:
    assert ran_of(feature, value) == ran
