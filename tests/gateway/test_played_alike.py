"""What a policy's tests play is what the gateway does: the same status, the same bytes to model and caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.policytest import Asked as Question
from sidecar.policytest import play
from sidecar.policytest.compose import answer_of, request_of
from tests.kit.client import request
from tests.kit.guards import guard, policy
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio

CONTRACT = """
mode: enforce
on_bad_rows: %s
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000, on_violation: clamp}
  job: {type: category, values: [a, b], on_violation: fallback}
prediction:
  score: {type: float, min: 0, max: 1, on_violation: %s}
fallback: {on: [%s], values: {score: 0.5}}
"""
CLEAN, REPAIRED = {"age": 30, "income": 10.5, "job": "a"}, {"age": 31, "income": 2000.5, "job": "b"}
REJECTED, FALLBACK = {"age": -3, "income": 10.5, "job": "a"}, {"age": 32, "income": 10.5, "job": "x"}
BATCHES: list[list[dict[str, Any]]] = [
    [CLEAN],
    [REPAIRED],
    [REJECTED],
    [FALLBACK],
    [CLEAN, REPAIRED],
    [CLEAN, REJECTED, REPAIRED],
    [CLEAN, FALLBACK, REPAIRED],
    [FALLBACK, FALLBACK],
    [REJECTED, FALLBACK, REPAIRED],
    [REJECTED, FALLBACK],
]
MODELS = {
    "/v2/models/credit/infer": "protocol: oip, name: credit",
    "/v1/models/credit:predict": "protocol: tfserving, name: credit",
    "/predict": "protocol: json, path: /predict, rows: /rows, predictions: /scores",
}


@pytest.mark.parametrize("path", MODELS)
@pytest.mark.parametrize("bad_rows", ["reject_request", "fallback", "drop_rows"])
@pytest.mark.parametrize("bad_answer", [("reject", "timeout"), ("reject", "contract"), ("fallback", "contract")])
async def test_a_call_is_what_its_test_says(
    tmp_path: Path, path: str, bad_rows: str, bad_answer: tuple[str, str]
) -> None:
    if bad_rows == "drop_rows" and "oip" in MODELS[path]:
        return  # an answer of tensors has no null in the place of a row: `check` says so
    judge = guard(tmp_path, policy(CONTRACT % (bad_rows, *bad_answer), model=MODELS[path]))
    for number, rows in enumerate(BATCHES):
        body, _ = request_of(judge, rows)
        for first, others in ((0.125, 0.25), (0.125, 7.0), (7.0, 7.0)):
            scores = [{"score": first}, *({"score": others} for _ in range(9))]
            where = tmp_path / f"{number}-{first}-{others}"
            where.mkdir()
            played = play(
                judge,
                Question(body, {}, "", 0.0),
                lambda sent, count, told=scores: answer_of(judge, sent, told[:count]),  # type: ignore[misc]
            )
            told = answer_of(judge, body, scores[: _sent(played.sent)])
            async with running(where, default=replies(answer(told)), guards=[judge]) as world:
                found = await world.ask(request(path, body, b"Content-Type: application/json"))
                assert found.status == played.status, rows
                assert [one.body for one in world.upstream.requests] == (
                    [played.judged.body] if _sent(played.sent) else []
                )
                if played.body is not None:
                    assert found.body == played.body, rows
                verdict, _, more = found.value("x-contract-verdict").partition(";")
                dropped = verdict == "rejected" and more.startswith("rows=")
                assert ("dropped" if dropped else verdict) == played.word, rows


def _sent(rows: Any) -> int:
    return sum(row is not None for row in rows)
