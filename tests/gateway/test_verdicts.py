"""What a caller is told: stamps, verdicts, error shapes; and that no spelling gets around a policy."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings
from sidecar.guard import Guard
from sidecar.telemetry import metrics
from tests.kit.client import request
from tests.kit.guards import (
    BAD,
    CLEAN,
    CREDIT,
    INFER,
    OBSERVED,
    REPAIRABLE,
    credit,
    guard,
    policy,
    renamed,
    rows,
    scores,
)
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5, model_version="14")))
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_a_judged_answer_carries_every_stamp(tmp_path: Path) -> None:
    found_guard = credit(tmp_path)
    async with running(tmp_path, default=OK, guards=[found_guard]) as world:
        found = await world.ask(request(INFER, CLEAN, b"X-Request-Id: r-1", b"X-Caller: mobile"))
        assert UUID7.fullmatch(found.value("x-prediction-id"))
        assert found.value("x-request-id") == "r-1"
        assert found.value("x-model-version") == "14"
        name, _, digest = found.value("x-policy").partition(";digest=")
        assert name == "credit@1.2.0" and found_guard.identity.digest.startswith(digest) and len(digest) > 10
        assert found.value("x-contract-verdict") == "ok"
        timing = re.fullmatch(
            r"contract;dur=([\d.]+), upstream;dur=([\d.]+), total;dur=([\d.]+)", found.value("server-timing")
        )
        assert timing is not None
        assert float(timing[1]) + float(timing[2]) <= float(timing[3]) + 0.01
        exchange = world.exchange()
        assert exchange.prediction_id == found.value("x-prediction-id")
        assert (exchange.caller, exchange.rows, exchange.status) == ("mobile", 1, 200)
        assert (exchange.model_name, exchange.model_version, exchange.version_source) == ("credit", "14", "body")
        assert exchange.total_ns >= exchange.upstream_ns > 0 < exchange.contract_ns


@pytest.mark.parametrize("kept", [frozenset[str](), frozenset({"x-request-id", "x-policy"})])
async def test_stamps_can_be_switched_off(tmp_path: Path, kept: frozenset[str]) -> None:
    settings = GatewaySettings(stamps=kept)
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)], settings=settings) as world:
        found = await world.ask(request(INFER, CLEAN))
        ours = {name.decode().lower() for name, _ in found.headers} - {"content-type", "content-length"}
        assert ours == kept


@pytest.mark.parametrize(
    ("contract", "body", "status", "verdict"),
    [
        (CREDIT, CLEAN, 200, "ok"),
        (CREDIT, BAD, 422, "rejected"),
        (CREDIT, REPAIRABLE, 200, "repaired;rows=1"),
        (CREDIT, b"no json", 400, "rejected"),
        (OBSERVED, BAD, 200, "observed;codes=age.max"),
        (OBSERVED, REPAIRABLE, 200, "observed;codes=income.min"),
        (OBSERVED, b"no json", 200, "unchecked;reason=malformed"),
        (CREDIT.replace("mode: enforce", "mode: off"), BAD, 200, ""),
    ],
)
async def test_the_verdict_is_said(tmp_path: Path, contract: str, body: bytes, status: int, verdict: str) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path, contract)]) as world:
        found = await world.ask(request(INFER, body))
        assert (found.status, found.value("x-contract-verdict")) == (status, verdict)
        assert world.exchange().verdict == verdict.partition(";")[0]


async def test_modes_differ_by_caller(tmp_path: Path) -> None:
    contract = CREDIT.replace("mode: enforce", "mode: {default: observe, callers: {mobile: enforce}}")
    async with running(tmp_path, default=OK, guards=[credit(tmp_path, contract)]) as world:
        assert (await world.ask(request(INFER, BAD))).status == 200
        assert (await world.ask(request(INFER, BAD, b"X-Caller: mobile"))).status == 422
        assert [exchange.mode for exchange in world.exchanges()] == ["observe", "enforce"]


async def test_refusals_speak_the_callers_protocol_and_echo_no_value(tmp_path: Path) -> None:
    secret = rows([987654321, 1.5])
    async with running(tmp_path, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, secret))
        assert (found.status, list(found.json())) == (422, ["error"])
        assert "age.max" in found.json()["error"]
        problem = await world.ask(request(INFER, secret, b"Accept: application/problem+json"))
        document = problem.json()
        assert problem.value("content-type") == "application/problem+json"
        assert (document["type"], document["status"]) == ("urn:sidecar:problem:contract-violation", 422)
        assert document["errors"] == [
            {"pointer": "#/inputs/0/data/0", "row": 0, "code": "age.max", "action": "reject", "fault": "caller"}
        ]
        assert document["instance"] == f"urn:request:{problem.value('x-request-id')}"
        for answered in (found, problem):
            assert b"987654321" not in answered.body + answered.raw_head


@pytest.mark.parametrize("disclosure", ["full", "codes", "minimal"])
async def test_callers_see_as_much_as_the_policy_says(tmp_path: Path, disclosure: str) -> None:
    contract = CREDIT + f"errors: {disclosure}\n"
    async with running(tmp_path, guards=[credit(tmp_path, contract)]) as world:
        found = await world.ask(request(INFER, BAD, b"Accept: application/problem+json"))
        document = found.json()
        assert ("errors" in document) == (disclosure != "minimal")
        assert ("detail" in str(document.get("errors"))) == (disclosure == "full")
        malformed = await world.ask(request(INFER, b"{", b"Accept: application/problem+json"))
        assert malformed.status == 400
        assert bool(malformed.json().get("detail")) == (disclosure != "minimal")


async def test_an_answer_that_breaks_the_contract_is_withheld(tmp_path: Path) -> None:
    async with running(tmp_path, default=replies(answer(scores(7.5))), guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, CLEAN))
        assert found.status == 502
        assert b"7.5" not in found.body
        exchange = world.exchange()
        assert (exchange.verdict, exchange.upstream_status) == ("rejected", 200)
        assert [(v.code, v.side) for v in exchange.violations] == [("prediction.score.max", "output")]


@pytest.mark.parametrize("body", [b"", b"no json", scores(), scores(0.5, 0.5), b'{"outputs": []}', scores(0.5)[:-5]])
async def test_answers_that_cannot_be_read_are_withheld_while_enforcing_only(tmp_path: Path, body: bytes) -> None:
    for contract, status in ((CREDIT, 502), (OBSERVED, 200)):
        folder = tmp_path / str(status)
        folder.mkdir()
        async with running(folder, default=replies(answer(body)), guards=[credit(tmp_path, contract)]) as world:
            found = await world.ask(request(INFER, CLEAN))
            assert found.status == status
            if status == 200:
                assert found.body == body


def json_twice(first: bytes, second: bytes) -> bytes:
    """Two tensors of one name."""
    one, two = (json.loads(body)["inputs"][0] for body in (first, second))
    return json.dumps({"inputs": [one, two]}).encode()


AROUND = {
    "the key twice, clean first": CLEAN[:-1] + b", " + BAD[1:],
    "the key twice, clean last": BAD[:-1] + b", " + CLEAN[1:],
    "an escaped spelling of the key": CLEAN[:-1] + b", " + BAD[1:].replace(b'"inputs"', b'"inp\\u0075ts"', 1),
    "the tensor twice, clean first": json_twice(CLEAN, BAD),
    "the tensor twice, clean last": json_twice(BAD, CLEAN),
    "data twice": CLEAN.replace(b'"data"', b'"data": [130, 1.5], "data"'),
    "shape twice": CLEAN.replace(b'"shape"', b'"shape": [1, 1], "shape"'),
    "a binary tensor": CLEAN.replace(b'"data": [30, 1000.5]', b'"parameters": {"binary_data_size": 16}'),
    "shared memory": CLEAN.replace(b'"data": [30, 1000.5]', b'"parameters": {"shared_memory_region": "r"}'),
    "a wider row": CLEAN.replace(b"[1, 2]", b"[1, 3]").replace(b"1000.5", b"1000.5, 7"),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in AROUND.items()])
@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_no_body_reads_in_two_ways(tmp_path: Path, body: bytes, coding: str) -> None:
    fields = [b"Content-Encoding: gzip"] if coding else []
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, gzip.compress(body) if coding else body, *fields))
        assert found.status in (400, 415, 422)
        assert world.upstream.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        (b"Content-Type: text/plain",),
        (b"Content-Type: application/octet-stream",),
        (),
        (b"Content-Type: application/json; charset=utf-8",),
    ],
)
async def test_a_wrong_label_is_no_way_around(tmp_path: Path, fields: tuple[bytes, ...]) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(INFER, BAD, *fields))).status in (415, 422)
        assert world.upstream.requests == []
        assert (await world.ask(request(INFER, CLEAN, *fields))).status == 200
        assert world.upstream.received.body == CLEAN


@pytest.mark.parametrize(
    ("coding", "status"),
    [("gzip", 422), ("x-gzip", 422), ("deflate", 422), ("identity", 422), ("br", 415), ("zstd", 415)],
)
async def test_coded_bodies_are_read_or_refused(tmp_path: Path, coding: str, status: int) -> None:
    packed = {"gzip": gzip.compress(BAD), "x-gzip": gzip.compress(BAD), "deflate": zlib.compress(BAD)}.get(coding, BAD)
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, packed, b"Content-Encoding: " + coding.encode()))
        assert found.status == status
        assert world.upstream.requests == []


async def test_a_repaired_coded_body_stays_coded(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, gzip.compress(REPAIRABLE), b"Content-Encoding: gzip"))
        assert (found.status, found.value("x-contract-verdict")) == (200, "repaired;rows=1")
        assert ("content-encoding", "gzip") in world.exchange().request_headers
        sent = gzip.decompress(bytes(world.upstream.received.body))
        assert json.loads(sent)["inputs"][0]["data"] == [30, 0.0]


@pytest.mark.parametrize(
    "packed", [gzip.compress(CLEAN)[:-4], gzip.compress(CLEAN) + b"x", gzip.compress(CLEAN) * 2, b""]
)
async def test_broken_codings_are_400(tmp_path: Path, packed: bytes) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(INFER, packed, b"Content-Encoding: gzip"))).status == 400


async def test_a_bomb_is_413_and_quick(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * (200 * 1024 * 1024), 1)
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(INFER, bomb, b"Content-Encoding: gzip"))).status == 413
        assert world.upstream.requests == []


UNMATCHED = ["/v2/models/other/infer", "/v2/repository/models/credit/unload", "/v1/models/other:predict"]


@pytest.mark.parametrize("path", UNMATCHED)
async def test_what_no_policy_covers_is_blocked_once_one_enforces(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(path, CLEAN))).status == 403
        assert world.upstream.requests == []
        assert world.count(metrics.PROBLEMS, "no-policy") == 1
        assert (world.exchange().status, world.exchange().error) == (403, "no-policy")
        for harmless in ("/v2/health/ready", "/v2/models/credit", "/docs"):
            assert (await world.ask(request(harmless), "GET")).status == 200


@pytest.mark.parametrize(
    ("unmatched", "observing", "status"), [("auto", True, 200), ("block", True, 403), ("pass", False, 200)]
)
async def test_the_flag_decides_about_what_no_policy_covers(
    tmp_path: Path, unmatched: str, observing: bool, status: int
) -> None:
    guards = [credit(tmp_path, OBSERVED if observing else CREDIT)]
    async with running(tmp_path, default=OK, guards=guards, unmatched=unmatched) as world:
        assert (await world.ask(request("/v2/models/other/infer", CLEAN))).status == status
        assert world.count(metrics.UNGUARDED) == (1 if status == 200 else 0)


async def test_a_block_speaks_the_protocol_and_keeps_the_connection(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world, world.connected() as client:
        for _ in range(3):
            await client.send(request("/v2/models/other/infer", CLEAN))
            found = await client.answer()
            assert (found.status, list(found.json())) == (403, ["error"])
        await client.send(request(INFER, CLEAN))
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    "method", [b"GET", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD", b"QUERY", b"post", b"REPORT"]
)
async def test_another_method_with_a_body_is_no_way_around(tmp_path: Path, method: bytes) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, BAD, method=method), method.decode())
        assert found.status in (400, 403, 405, 422), found.status
        assert not any(received.body for received in world.upstream.requests)


async def test_a_second_spelling_of_a_guarded_model_is_never_a_way_around(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        for path in ("/v1/models/credit:predict", "/v1/models/credit/versions/2:predict", "/v2/models/credit/generate"):
            for body in (BAD, b'{"instances": [[130, 1.5]]}'):
                found = await world.ask(request(path, body))
                assert found.status in (400, 403, 415, 422), path
        assert world.upstream.requests == []


async def test_a_policy_bound_to_a_path_judges_every_spelling_of_it(tmp_path: Path) -> None:
    bound: Guard = renamed(credit(tmp_path), model_path="/predict", model_name="")
    async with running(tmp_path, default=OK, guards=[bound]) as world:
        for path in ("/predict", "/predict/", "/pr%65dict", "/predict?x=1", "/%70redict"):
            assert (await world.ask(request(path, BAD))).status in (400, 422), path
        assert world.upstream.requests == []
        assert (await world.ask(request("/predict", CLEAN))).status == 200
        assert (await world.ask(request("/predictions", BAD))).status == 200


async def test_two_policies_judge_their_own_models(tmp_path: Path) -> None:
    model = "protocol: oip, name: iris, columns: {input-0: [age, income]}"
    text = policy("features: {age: {max: 10}}", model=model).replace("policy: credit", "policy: iris")
    iris = guard(tmp_path, text)
    async with running(tmp_path, default=OK, guards=[credit(tmp_path), iris]) as world:
        assert (await world.ask(request(INFER, BAD))).status == 422
        observed = await world.ask(request(INFER.replace("credit", "iris"), BAD))
        assert (observed.status, observed.value("x-contract-verdict")) == (200, "observed;codes=age.max")
