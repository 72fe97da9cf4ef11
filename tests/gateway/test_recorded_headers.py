"""Headers that are features are in the record, so that its readers see what the contract saw; credentials never are."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.predictions import rows_of
from tests.kit.client import request
from tests.kit.guards import CLEAN, CREDIT, INFER, guard, policy, scores
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))
REGION = 'region: {type: category, values: [n, s], from: "header:X-Region", role: slice_only}'
TOKEN = 'token: {type: string, from: "header:authorization", required: false}'
SLICES = "slices: [{name: region, by: region}, {name: north, where: region == 'n'}]\n"


async def test_slices_by_a_header_are_told(tmp_path: Path) -> None:
    contract = CREDIT.replace("features:", f"features:\n  {REGION}\n  {TOKEN}")
    judge = guard(tmp_path, policy(contract) + SLICES)
    async with running(tmp_path, default=OK, guards=[judge]) as world:
        found = await world.ask(request(INFER, CLEAN, b"X-Region: n", b"Authorization: Bearer secret", b"X-Other: o"))
        assert found.status == 200
        (frame,) = world.frames()
        headers = dict(world.exchange().request_headers)
        assert headers["x-region"] == "n"
        assert not {"authorization", "x-other"} & set(headers)
        (row,) = rows_of(frame, judge)
        assert row.slices == {"region": "n", "north": True}
        assert "region" not in row.features
        assert world.upstream.requests[0].values(b"x-region") == []


async def test_without_header_features_nothing_more_is_recorded(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(CREDIT))
    async with running(tmp_path, default=OK, guards=[judge]) as world:
        await world.ask(request(INFER, CLEAN, b"X-Region: n"))
        assert "x-region" not in dict(world.exchange().request_headers)


async def test_a_header_sent_twice_or_too_long_is_left_out(tmp_path: Path) -> None:
    contract = CREDIT.replace("features:", f"features:\n  {REGION}").replace("mode: enforce", "mode: observe")
    judge = guard(tmp_path, policy(contract))
    async with running(tmp_path, default=OK, guards=[judge]) as world:
        await world.ask(request(INFER, CLEAN, b"X-Region: n", b"X-Region: s"))
        await world.ask(request(INFER, CLEAN, b"X-Region: " + b"n" * 2000))
        assert ["x-region" in dict(each.request_headers) for each in world.exchanges()] == [False, False]
