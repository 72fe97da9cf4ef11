"""`protocol: opaque`: a path with a policy whose bodies nobody looks into. Any bytes pass, and are recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.guard import Guard
from tests.kit.client import request
from tests.kit.guards import guard
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
ASKED = b"\x00\xff not JSON \r\n\r\n"
ANSWERED = b"\x89PNG\x00"


def opaque(tmp_path: Path, contract: str = "mode: enforce") -> Guard:
    lines = "\n".join("  " + line for line in contract.splitlines())
    return guard(tmp_path, f"policy: images\nmodel: {{protocol: opaque, path: /predict}}\ncontract:\n{lines}\n")


async def test_any_bytes_pass_both_ways_as_one_recorded_row(tmp_path: Path) -> None:
    async with running(tmp_path, default=replies(answer(ANSWERED)), guards=[opaque(tmp_path)]) as world:
        found = await world.ask(request("/predict", ASKED))
        assert (found.status, found.body, found.value("x-contract-verdict")) == (200, ANSWERED, "ok")
        assert world.upstream.requests[0].body == ASKED
        record = world.exchange()
        assert (record.protocol, record.verdict, record.rows) == ("opaque", "ok", 1)
        assert world.payloads() == (ASKED, ANSWERED)


async def test_what_its_headers_say_is_judged(tmp_path: Path) -> None:
    contract = 'mode: enforce\nfeatures:\n  region: {type: category, values: [n, s], from: "header:x-region"}'
    async with running(tmp_path, default=replies(answer(ANSWERED)), guards=[opaque(tmp_path, contract)]) as world:
        good = await world.ask(request("/predict", ASKED, b"X-Region: n"))
        bad = await world.ask(request("/predict", ASKED, b"X-Region: w"))
        assert (good.status, good.value("x-contract-verdict")) == (200, "ok")
        assert (bad.status, bad.value("x-contract-verdict")) == (422, "rejected")
        assert [one.body for one in world.upstream.requests] == [ASKED]
        assert [(one.verdict, one.rows) for one in world.exchanges()] == [("ok", 1), ("rejected", 1)]
