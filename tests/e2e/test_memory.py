"""C 45 with real processes: bodies of 10 MB under the memory of a small container, while the candidates are down."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cgroups import MIB, memory_group
from bench.failure import BenchError
from bench.memory import BOTH, CANDIDATES, Plan, run_case
from bench.memory_report import Case, text

LIMIT = 256 * MIB
SOME = Plan(seconds=4.0, rate=2.0, limit_bytes=LIMIT, compiled=False)
MANY = Plan(seconds=3.0, rate=50.0, limit_bytes=LIMIT, compiled=False)


@pytest.fixture(scope="module", autouse=True)
def groups() -> None:
    try:
        with memory_group("sidecar-test", LIMIT):
            pass
    except BenchError as reason:
        pytest.skip(str(reason))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("case", "plan"),
    [
        pytest.param(Case("captured", "rows", 2, captured=True, limited=BOTH), SOME, id="many-rows-kept"),
        pytest.param(Case("defaults", "bad", 4, captured=False, limited=BOTH), SOME, id="many-rows-refused"),
        pytest.param(Case("captured", "text", 32, captured=True, limited=BOTH), MANY, id="more-than-it-can-carry"),
    ],
)
def test_c45_memory_nobody_is_killed_and_nothing_is_lost_unsaid(tmp_path: Path, case: Case, plan: Plan) -> None:
    found = run_case(tmp_path / "case", case, plan)
    told = text(case, found)
    assert "=> held" in told, told
    statuses = found.offered.statuses
    assert set(statuses) <= {200, 422, 503}, told
    assert statuses.get(503, 0) == found.problems.get("overloaded", 0), told
    assert statuses.get(200, 0) == found.outcomes.get("ok", 0), told
    assert sum(found.shadow.values()) == CANDIDATES * sum(statuses.values()), f"an outcome for each copy\n{told}"
    assert found.rows_archived == found.rows_answered, told
    if case.callers <= 2:
        assert set(statuses) == {200}, told
