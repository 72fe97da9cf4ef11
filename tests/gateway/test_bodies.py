"""Bodies that are hard to read cost their sender, not the others (B34, B36, B37, B40)."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.kit.client import Client, request
from tests.kit.guards import CLEAN, CREDIT, INFER, credit, rows, scores
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))

HARD = {
    "depth 100 000": b"[" * 100_000 + b"]" * 100_000,
    "objects 100 000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a million elements": b'{"inputs": [' + b"1," * 1_000_000 + b"1]}",
    "a string of 10 MB": b'{"inputs": "' + b"x" * 10_000_000 + b'"}',
    "a key of 10 MB": b'{"' + b"x" * 10_000_000 + b'": 1}',
    "a number of a million digits": b'{"inputs": ' + b"9" * 1_000_000 + b"}",
    "a million keys": b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}",
    "a million escapes": b'{"inputs": "' + b"\\n" * 1_000_000 + b'"}',
    "text cut in the middle": b'{"inputs": [' + b'"' * 999_999,
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in HARD.items()])
async def test_b34_hard_bodies_are_refused_and_nobody_waits(tmp_path: Path, body: bytes) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world, world.connected() as other:
        pinging = asyncio.ensure_future(_ping(other))
        found = await world.ask(request(INFER, body))
        assert found.status in (400, 413, 422)
        assert len(found.body) < 5000
        pinging.cancel()
        waited = await asyncio.gather(pinging, return_exceptions=True)
        assert isinstance(waited[0], asyncio.CancelledError)
        assert world.upstream.requests == [] or all(target == b"/ping" for target in world.upstream.targets)


async def _ping(client: Client) -> None:
    """Over and over. A wait is counted in processor time of this process, in which everything here runs."""
    while True:
        started = time.process_time()
        await client.send(request("/ping"))
        assert (await client.answer("GET")).status == 200
        assert time.process_time() - started < 0.5


async def test_b36_a_body_without_a_label_is_judged_and_gets_none(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(INFER, CLEAN))).status == 200
        assert world.upstream.received.values(b"content-type") == []
        assert (await world.ask(request(INFER, rows([130, 1])))).status == 422


@pytest.mark.parametrize(
    "fields",
    [
        (b"Content-Type: application/json; charset=utf-16",),
        (b"Content-Type: multipart/form-data; boundary=x",),
        (b"Inference-Header-Content-Length: 0", b"Content-Type: application/octet-stream"),
        (b"Inference-Header-Content-Length: 99999",),
    ],
)
async def test_b37_labels_that_change_the_meaning_are_never_skipped(tmp_path: Path, fields: tuple[bytes, ...]) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER, CLEAN, *fields))
        assert found.status in (400, 415, 422)
        assert world.upstream.requests == []


async def test_b40_refusals_are_bounded_and_hold_no_value(tmp_path: Path) -> None:
    canary = 987654321.125
    body = rows(*[[canary, canary]] * 1000)
    async with running(tmp_path, guards=[credit(tmp_path)]) as world:
        for accept in (b"*/*", b"application/problem+json"):
            found = await world.ask(request(INFER, body, b"Accept: " + accept))
            assert found.status == 422
            assert len(found.body) < 5000
            assert b"987654321" not in found.body + found.raw_head
        exchange = world.exchanges()[0]
        assert len(exchange.violations) == 20 and exchange.violations_total >= 1000
        assert "987654321" not in str(exchange)


async def test_b40_names_from_a_body_cannot_break_a_header(tmp_path: Path) -> None:
    tensor = {"name": "a\r\nSet-Cookie: evil=1", "shape": [1], "datatype": "FP64", "data": [1]}
    body = json.dumps({"inputs": [*json.loads(CLEAN)["inputs"], tensor]}).encode()
    contract = "mode: observe\nunknown_features: warn\nfeatures: {age: {type: int}, income: {type: float}}"
    reply = scores(0.5, model_version="1\r\nSet-Cookie: evil=1")
    async with running(tmp_path, default=replies(answer(reply)), guards=[credit(tmp_path, contract)]) as world:
        found = await world.ask(request(INFER, body))
        assert found.status == 200
        assert found.values("set-cookie") == []
        assert found.value("x-contract-verdict").startswith("observed;codes=")


async def test_a_header_feature_in_two_spellings_is_never_a_good_value(tmp_path: Path) -> None:
    features = 'region: {type: category, values: [n, s], from: "header:x-region"}'
    text = CREDIT.replace("features:", f"features:\n  {features}")
    async with running(tmp_path, default=OK, guards=[credit(tmp_path, text)]) as world:
        assert (await world.ask(request(INFER, CLEAN, b"X-Region: n"))).status == 200
        assert (await world.ask(request(INFER, CLEAN, b"X_Region: evil"))).status == 422
        assert (await world.ask(request(INFER, CLEAN, b"X-Region: n", b"X_Region: evil"))).status == 422
        assert len(world.upstream.requests) == 1
