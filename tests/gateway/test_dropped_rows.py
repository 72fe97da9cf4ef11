"""Rows that leave a batch: the others are sent, and every answer stands where its row stood (P1)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sidecar.exchange import Kind
from sidecar.gateway import GatewaySettings
from sidecar.predictions import Prediction, rows_of
from tests.kit.client import Answer, request
from tests.kit.guards import DROPPING, guard, policy
from tests.kit.running import Running, running
from tests.kit.upstream import Asked, Script, answer, replies

pytestmark = pytest.mark.anyio

CONTRACT = (
    DROPPING
    + """\
  zone: {type: string, max_length: 2, on_violation: drop}
prediction:
  score: {type: float, min: 0, max: 1, on_violation: reject}
fallback: {on: [contract, timeout, upstream_error], values: {score: 0.5}}
"""
)
NAMES = ("age", "income", "job", "zone")
CLEAN, DROPPED, FALLBACK = (30, 10.5, "a", "n"), (31, 10.5, "a", "long"), (32, 10.5, "x", "n")
REPAIRED, REJECTED = (33, 2000.0, "b", "n"), (134, 10.5, "a", "n")
FIVE = (CLEAN, DROPPED, FALLBACK, REPAIRED, REJECTED)
VERDICTS = ["ok", "rejected", "fallback", "repaired", "rejected"]
SENT = [(30, 10.5, "a", "n"), (33, 1000.0, "b", "n")]


@dataclass(frozen=True)
class Speech:
    """One way to write rows and answers. `ages` reads what the model was sent; scores are ages / 100."""

    model: str
    path: str
    ask: Callable[[Iterable[tuple[Any, ...]]], Any]
    rows: Callable[[Any], list[tuple[Any, ...]]]
    tell: Callable[[list[Any]], Any]

    def body(self, rows: Iterable[tuple[Any, ...]]) -> bytes:
        return json.dumps(self.ask(rows)).encode()


def objects(rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def values(rows: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in NAMES) for row in rows]


COLUMNS = "columns: [age, income, job, zone]"
TF, JSON = "protocol: tfserving, name: credit", "protocol: json, path: /predict"
TF_PATH = "/v1/models/credit:predict"
SPEECHES = {
    "tfserving objects": Speech(
        TF, TF_PATH, lambda rows: {"instances": objects(rows)}, lambda body: values(body["instances"]),
        lambda scores: {"predictions": scores},
    ),
    "tfserving lists": Speech(
        f"{TF}, {COLUMNS}", TF_PATH, lambda rows: {"instances": [list(row) for row in rows]},
        lambda body: [tuple(row) for row in body["instances"]],
        lambda scores: {"predictions": [score if score is None else [score] for score in scores]},
    ),
    "tfserving answers of objects": Speech(
        TF, TF_PATH, lambda rows: {"signature_name": "s", "instances": objects(rows)},
        lambda body: values(body["instances"]),
        lambda scores: {"predictions": [score if score is None else {"score": score} for score in scores]},
    ),
    "tfserving columns": Speech(
        TF, TF_PATH, lambda rows: {"inputs": dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True))},
        lambda body: list(zip(*(body["inputs"][name] for name in NAMES), strict=True)),
        lambda scores: {"outputs": {"score": scores}},
    ),
    "json objects": Speech(
        f"{JSON}, rows: /rows, predictions: /scores", "/predict", lambda rows: {"rows": objects(rows)},
        lambda body: values(body["rows"]), lambda scores: {"took": 1, "scores": scores},
    ),
    "json lists, the body itself": Speech(
        f"{JSON}, {COLUMNS}", "/predict", lambda rows: [list(row) for row in rows],
        lambda body: [tuple(row) for row in body], lambda scores: scores,
    ),
    "json lists of their own": Speech(
        f"{JSON}, rows: /rows, predictions: {{score: /out/scores}}", "/predict", lambda rows: {"rows": objects(rows)},
        lambda body: values(body["rows"]), lambda scores: {"out": {"scores": scores}},
    ),
}  # fmt: skip


def model(speech: Speech, *, plus: float = 0.0) -> Script:
    """Answers with a score made of each row's age: a row in the wrong place would be seen."""

    async def script(asked: Asked) -> None:
        rows = speech.rows(json.loads(await asked.body()))
        await asked.send(answer(json.dumps(speech.tell([row[0] / 100 + plus for row in rows])).encode()))

    return script


async def said(
    world: Running, speech: Speech, rows: Iterable[tuple[Any, ...]] = FIVE
) -> tuple[Answer, list[Prediction]]:
    found = await world.ask(request(speech.path, speech.body(rows)))
    (read,) = world.frames(Kind.EXCHANGE)
    (judge,) = world.gateway.routing.guards.guards
    return found, rows_of(read, judge)


@pytest.mark.parametrize("speech", SPEECHES.values(), ids=SPEECHES)
async def test_every_row_gets_its_own_answer(tmp_path: Path, speech: Speech) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=speech.model))
    async with running(tmp_path, default=model(speech), guards=[judge]) as world:
        found, rows = await said(world, speech)
        assert found.status == 200
        assert speech.rows(json.loads(bytes(world.upstream.received.body))) == SENT
        assert json.loads(found.body) == speech.tell([0.30, None, 0.5, 0.33, None])
        assert found.value("x-contract-verdict") == "rejected;rows=2;codes=age.max,zone.max_length"
        exchange = world.exchange()
        assert (exchange.dropped_rows, exchange.fallback_rows, exchange.left_out_rows) == ((1, 4), (2,), (1, 2, 4))
        assert (exchange.verdict, exchange.rows, exchange.repaired_rows) == ("rejected", 5, 1)
        assert [row.verdict for row in rows] == VERDICTS
        assert [row.features["age"] for row in rows] == [30, 31, 32, 33, 134]
        assert [row.prediction for row in rows] == [{"score": 0.30}, {}, {}, {"score": 0.33}, {}]
        assert [row.delivered for row in rows] == [{"score": 0.30}, None, {"score": 0.5}, {"score": 0.33}, None]
        assert rows[3].raw_features == {"income": 2000.0}
        told = [[(item.code, item.applied, item.enforced) for item in row.violations] for row in rows]
        assert told == [
            [],
            [("zone.max_length", "drop", True)],
            [("job.values", "fallback", True)],
            [("income.max", "clamp", True)],
            [("age.max", "reject", True)],
        ]
        assert not any(row.unread for row in rows)


@pytest.mark.parametrize("speech", SPEECHES.values(), ids=SPEECHES)
async def test_a_row_of_the_answer_may_leave_too(tmp_path: Path, speech: Speech) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=speech.model))
    scored = (CLEAN, DROPPED, FALLBACK, (90, 1.0, "a", "n"), CLEAN)  # 0.3 + 0.2, …, 0.9 + 0.2 is above 1
    async with running(tmp_path, default=model(speech, plus=0.2), guards=[judge]) as world:
        found, rows = await said(world, speech, scored)
        assert found.status == 200
        assert json.loads(found.body) == speech.tell([0.5, None, 0.5, None, 0.5])
        assert found.value("x-contract-verdict").startswith("rejected;rows=2;codes=")
        assert "prediction.score.max" in found.value("x-contract-verdict")
        assert (world.exchange().dropped_rows, world.exchange().left_out_rows) == ((1, 3), (1, 2))
        assert [row.verdict for row in rows] == ["ok", "rejected", "fallback", "rejected", "ok"]
        assert rows[3].prediction == {"score": 1.1} and rows[3].delivered is None
        assert [item.code for item in rows[3].violations] == ["prediction.score.max"]


@pytest.mark.parametrize("speech", SPEECHES.values(), ids=SPEECHES)
async def test_a_batch_with_nothing_to_send_needs_no_model(tmp_path: Path, speech: Speech) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=speech.model))
    async with running(tmp_path, default=model(speech), guards=[judge]) as world:
        found, rows = await said(world, speech, (FALLBACK, DROPPED, FALLBACK))
        assert world.upstream.requests == []
        assert found.status == 200
        assert [row.verdict for row in rows] == ["fallback", "rejected", "fallback"]
        assert [row.delivered for row in rows] == [{"score": 0.5}, None, {"score": 0.5}]
        assert found.value("x-contract-verdict") == "rejected;rows=1;codes=zone.max_length"
        assert b"0.5" in found.body and b"null" in found.body


TFSERVING = SPEECHES["tfserving objects"]


@pytest.mark.parametrize("rows", [(DROPPED,), (REJECTED,), (DROPPED, REJECTED), (REJECTED, REJECTED, DROPPED)])
async def test_with_no_row_left_the_request_is_refused(tmp_path: Path, rows: tuple[tuple[Any, ...], ...]) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=TFSERVING.model))
    async with running(tmp_path, default=model(TFSERVING), guards=[judge]) as world:
        found, told = await said(world, TFSERVING, rows)
        assert (found.status, found.value("x-contract-verdict")) == (422, "rejected")
        assert world.upstream.requests == []
        assert {row.verdict for row in told} == {"rejected"} and len(told) == len(rows)
        assert world.exchange().dropped_rows == ()


async def test_a_rejected_row_refuses_a_batch_whose_bad_rows_are_not_dropped(tmp_path: Path) -> None:
    contract = CONTRACT.replace("on_bad_rows: drop_rows", "on_bad_rows: reject_request")
    judge = guard(tmp_path, policy(contract, model=TFSERVING.model))
    async with running(tmp_path, default=model(TFSERVING), guards=[judge]) as world:
        found, _ = await said(world, TFSERVING)
        assert (found.status, found.value("x-contract-verdict")) == (422, "rejected")


async def test_the_header_names_only_what_made_rows_leave(tmp_path: Path) -> None:
    rule = "rules: [{id: young, expect: age < 20, mode: observe}]\n"
    judge = guard(tmp_path, policy(CONTRACT + rule, model=TFSERVING.model))
    async with running(tmp_path, default=model(TFSERVING), guards=[judge]) as world:
        found, rows = await said(world, TFSERVING)
        assert found.value("x-contract-verdict") == "rejected;rows=2;codes=age.max,zone.max_length"
        assert [row.verdict for row in rows] == ["observed", *VERDICTS[1:]]
        told = [item for row in rows for item in row.violations if item.code == "rule.young"]
        assert [(item.applied, item.enforced) for item in told] == [("reject", False)] * len(told) and told


async def test_while_observing_no_row_leaves(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CONTRACT.replace("enforce", "observe"), model=TFSERVING.model))
    async with running(tmp_path, default=model(TFSERVING), guards=[judge]) as world:
        found, rows = await said(world, TFSERVING)
        assert bytes(world.upstream.received.body) == TFSERVING.body(FIVE)
        assert found.status == 200 and len(json.loads(found.body)["predictions"]) == 5
        assert found.value("x-contract-verdict").startswith("observed;codes=")
        assert world.exchange().would == "rejected"
        assert [row.verdict for row in rows] == ["ok", *["observed"] * 4]
        assert not any(item.enforced for row in rows for item in row.violations)


async def test_bytes_outside_of_the_rows_that_leave_stay_as_they_were(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=TFSERVING.model))
    clean = b'{"age":3.0e1 , "income":1.50,"job":"\\u0061", "zone":"n" , "more":[1e400]}'.replace(b"1e400", b"1e4")
    bad = b'{"age":999,"income":1,"job":"a","zone":"n"}'
    body = b' { "instances" : [ ' + clean + b" , " + bad + b" , " + clean + b' ] , "x":0.10 } '
    reply = b'{ "predictions" : [ 2.50e-1 , 0.750 ] , "took" : 1.0 }'
    async with running(tmp_path, default=replies(answer(reply)), guards=[judge]) as world:
        found = await world.ask(request(TF_PATH, body))
        sent = bytes(world.upstream.received.body)
        assert sent == body.replace(b" , " + bad, b"")
        assert found.body == reply.replace(b"0.750", b"null,0.750")


WRONG_ANSWERS = {
    "too many": b'{"predictions": [0.1, 0.2, 0.3]}',
    "too few": b'{"predictions": [0.1]}',
    "no list": b'{"predictions": {"score": 0.1}}',
    "another shape": b'{"score": 0.1}',
    "no JSON": b"<html>",
}


@pytest.mark.parametrize("contract", [CONTRACT, CONTRACT.partition("prediction:")[0]], ids=["checked", "unchecked"])
@pytest.mark.parametrize("reply", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
async def test_an_answer_without_a_place_for_each_row_is_withheld(tmp_path: Path, contract: str, reply: bytes) -> None:
    contract = contract.replace("on: [contract, timeout, upstream_error]", "on: [timeout]")
    contract = contract.replace("on_violation: fallback", "on_violation: warn")
    judge = guard(tmp_path, policy(contract, model=TFSERVING.model))
    async with running(tmp_path, default=replies(answer(reply)), guards=[judge]) as world:
        found, rows = await said(world, TFSERVING, (CLEAN, DROPPED, CLEAN))
        assert (found.status, found.value("x-contract-verdict")) == (502, "rejected")
        assert "prediction.rows" in [item.code for item in world.exchange().violations]
        assert {row.verdict for row in rows} == {"rejected"}
        assert all(row.delivered is None for row in rows)


async def test_a_fallback_for_the_whole_answer_leaves_dropped_rows_null(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=TFSERVING.model))
    for default in (replies(answer(b"no", 503)), replies(answer(WRONG_ANSWERS["too many"]))):
        folder = tmp_path / str(id(default))
        folder.mkdir()
        async with running(folder, default=default, guards=[judge]) as world:
            found, rows = await said(world, TFSERVING, (CLEAN, DROPPED, FALLBACK))
            assert json.loads(found.body) == {"predictions": [0.5, None, 0.5]}
            assert found.value("x-contract-verdict").startswith("rejected;rows=1;codes=")
            assert [row.verdict for row in rows] == ["fallback", "rejected", "fallback"]
            assert [row.delivered for row in rows] == [{"score": 0.5}, None, {"score": 0.5}]


async def test_without_predictions_in_the_contract_rows_leave_and_null_comes_back(tmp_path: Path) -> None:
    contract = "mode: enforce\non_bad_rows: drop_rows\nfeatures:\n  age: {type: int, max: 120}\n"
    judge = guard(tmp_path, policy(contract, model=TFSERVING.model))
    reply = b'{"predictions": [{"a": [1, 2]}, {"a": [3]}]}'
    async with running(tmp_path, default=replies(answer(reply)), guards=[judge]) as world:
        found = await world.ask(request(TF_PATH, TFSERVING.body((CLEAN, REJECTED, CLEAN))))
        assert found.body == b'{"predictions": [{"a": [1, 2]}, null,{"a": [3]}]}'


async def test_a_coded_body_loses_its_rows_and_comes_back_coded(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=TFSERVING.model))
    seen: list[bytes] = []

    async def script(asked: Asked) -> None:
        seen.append(gzip.decompress(await asked.body()))
        headers = [(b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")]
        await asked.send(answer(gzip.compress(b'{"predictions": [0.25, 0.75]}'), headers=headers))

    async with running(tmp_path, default=script, guards=[judge]) as world:
        body = gzip.compress(TFSERVING.body((CLEAN, REJECTED, CLEAN)))
        found = await world.ask(request(TF_PATH, body, b"Content-Encoding: gzip"))
        assert [row["age"] for row in json.loads(seen[0])["instances"]] == [30, 30]
        assert json.loads(gzip.decompress(found.body)) == {"predictions": [0.25, None, 0.75]}


DIGESTS = (b"Content-MD5: 0a", b"Digest: sha-256=0a", b"Content-Digest: sha-256=:0a:", b"Repr-Digest: sha-256=:0a:")


@pytest.mark.parametrize("bad", [True, False])
async def test_digests_of_an_edited_body_do_not_travel_on(tmp_path: Path, bad: bool) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=TFSERVING.model))
    lines = [tuple(line.split(b": ", 1)) for line in DIGESTS]
    headers = [(name, value) for name, value in lines] + [(b"Content-Type", b"application/json")]
    reply = answer(b'{"predictions": [0.25, 0.75]}', headers=headers)
    async with running(tmp_path, default=replies(reply), guards=[judge]) as world:
        batch = (CLEAN, REJECTED, CLEAN) if bad else (CLEAN, CLEAN)
        found = await world.ask(request(TF_PATH, TFSERVING.body(batch), *DIGESTS))
        for name, _ in lines:
            assert len(world.upstream.received.values(name)) == (0 if bad else 1), name
            assert bool(found.values(name.decode())) is not bad


async def test_a_large_answer_is_explained_off_the_loop_and_told_the_same(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CONTRACT, model=TFSERVING.model))
    settings = GatewaySettings(judge_in_thread_bytes=64)
    async with running(tmp_path, default=model(TFSERVING), guards=[judge], settings=settings) as world:
        found, rows = await said(world, TFSERVING, FIVE * 20)
        assert json.loads(found.body) == {"predictions": [0.30, None, 0.5, 0.33, None] * 20}
        assert [row.verdict for row in rows] == VERDICTS * 20
        assert world.exchange().violations_total == 80 and len(world.exchange().violations) == 20
