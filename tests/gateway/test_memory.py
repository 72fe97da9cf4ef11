"""Large bodies: what is held of them is counted for as long as it is held, and nothing is left behind on a leg."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings
from tests.kit.client import eventually, request
from tests.kit.guards import CLEAN, INFER, OBSERVED, credit, scores
from tests.kit.running import running
from tests.kit.upstream import Asked, answer

pytestmark = pytest.mark.anyio
MB = 1_000_000


async def test_what_was_held_of_a_body_let_go_counts_until_the_model_has_it(tmp_path: Path) -> None:
    read = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await read.wait()
        await asked.body()
        await asked.send(answer(scores(0.5)))

    settings = GatewaySettings(buffered_bytes_budget=24 * MB, max_body_bytes=64 * MB)
    guards = [credit(tmp_path, OBSERVED)]
    async with running(tmp_path, default=slow, guards=guards, settings=settings) as world, world.connected() as client:
        sending = asyncio.create_task(client.send(request(INFER, CLEAN.ljust(30 * MB))))
        await eventually(lambda: world.upstream.requests)
        assert world.gateway.buffered_bytes > 12 * MB
        read.set()
        await sending
        assert (await client.answer()).status == 200
        await eventually(lambda: world.gateway.buffered_bytes == 0)


async def test_a_leg_whose_server_answered_before_it_had_read_all_is_not_used_again(tmp_path: Path) -> None:
    over = asyncio.Event()
    asked_first: list[Asked] = []

    async def hasty(asked: Asked) -> None:
        asked_first.append(asked)
        if asked_first == [asked]:  # and reads nothing, as long as this connection lives
            await asked.send(answer(scores(0.5)))
            await over.wait()
        else:
            await asked.body()
            await asked.send(answer(scores(0.25)))

    async with running(tmp_path, default=hasty, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(INFER, CLEAN.ljust(15 * MB)))).json() == json.loads(scores(0.5))
        assert (await world.ask(request(INFER, CLEAN))).json() == json.loads(scores(0.25))
        over.set()
