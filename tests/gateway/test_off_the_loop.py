"""A large body is explained in a thread: everybody else is served meanwhile, and whoever leaves has left."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sidecar.gateway import GatewaySettings
from sidecar.gateway.settings import UpstreamTimeouts
from sidecar.guard import Guard
from sidecar.rows import Rows
from sidecar.wire import HeaderLookup
from tests.kit.client import request
from tests.kit.guards import CLEAN, CREDIT, INFER, REPAIRABLE, BrokenCodec, credit, guard, policy, rows, scores
from tests.kit.running import Running, running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))
HEALTH = b"GET /v2/health/ready HTTP/1.1\r\nHost: h\r\n\r\n"
SETTINGS = GatewaySettings(judge_in_thread_bytes=8, upstream=UpstreamTimeouts(first_byte_seconds=30, idle_seconds=0.1))


@dataclass(frozen=True)
class WaitingCodec(BrokenCodec):
    """A codec that takes its time, on the side named, until it is told to go on."""

    entered: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        if self.side == "slow request":
            self._wait()
        return super().read_request(body, header)

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        if self.side == "slow reply":
            self._wait()
        return super().read_reply(body, null_rows)

    def _wait(self) -> None:
        self.entered.set()
        assert self.go_on.wait(60)


def slow(tmp_path: Path, side: str) -> tuple[Guard, WaitingCodec]:
    real = credit(tmp_path)
    codec = WaitingCodec(real.codec, side)
    return Guard(real.identity, codec, real.contract), codec


async def entered(codec: WaitingCodec) -> None:
    assert await asyncio.to_thread(codec.entered.wait, 60)


async def others_are_served(world: Running, seconds: float) -> None:
    """Calls of other callers for some time: longer than the idle timeout, and than a tick of the gateway."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        assert (await world.ask(HEALTH, "GET")).status == 200


@pytest.mark.parametrize("side", ["slow request", "slow reply"])
async def test_others_are_served_while_a_body_is_explained(tmp_path: Path, side: str) -> None:
    judge, codec = slow(tmp_path, side)
    async with running(tmp_path, default=OK, guards=[judge], settings=SETTINGS) as world:
        asking = asyncio.create_task(world.ask(request(INFER, CLEAN)))
        await entered(codec)
        await others_are_served(world, 0.35)
        assert not asking.done()
        codec.go_on.set()
        found = await asking
        assert (found.status, found.value("x-contract-verdict")) == (200, "ok")


@pytest.mark.parametrize("side", ["slow request", "slow reply"])
async def test_a_caller_who_leaves_meanwhile_is_recorded_once(tmp_path: Path, side: str) -> None:
    judge, codec = slow(tmp_path, side)
    async with running(tmp_path, default=OK, guards=[judge], settings=SETTINGS) as world:
        async with world.connected() as client:
            await client.send(request(INFER, CLEAN))
            await entered(codec)
            client.leave()
            async with asyncio.timeout(60):
                while world.gateway.calls:
                    await others_are_served(world, 0.01)
        codec.go_on.set()
        await others_are_served(world, 0.1)
        (exchange,) = [one for one in world.exchanges() if one.route_kind == "inference"]
        assert (exchange.error, exchange.status) == ("client_abort", 0)
        assert world.gateway.buffered_bytes == 0


async def test_a_fault_of_ours_in_the_thread_is_counted_and_refused(tmp_path: Path) -> None:
    real = credit(tmp_path)
    judge = Guard(real.identity, BrokenCodec(real.codec, "reply"), real.contract)
    async with running(tmp_path, default=OK, guards=[judge], settings=SETTINGS) as world:
        found = await world.ask(request(INFER, CLEAN))
        assert (found.status, found.value("x-contract-verdict")) == (502, "rejected")
        assert [event for event, _ in world.said] == ["guard.failed"]


async def test_repairs_in_the_thread_are_the_same(tmp_path: Path) -> None:
    judge = credit(
        tmp_path, CREDIT.replace("score: {type: float, min: 0, max: 1}", "score: {max: 1, on_violation: clamp}")
    )
    seen = []
    for settings in (SETTINGS, GatewaySettings()):
        folder = tmp_path / str(settings.judge_in_thread_bytes)
        folder.mkdir()
        async with running(folder, default=replies(answer(scores(7.5))), guards=[judge], settings=settings) as world:
            found = await world.ask(request(INFER, REPAIRABLE))
            seen.append((found.status, found.body, found.value("x-contract-verdict"), world.exchange().response_edits))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("limit", [16, 64])
async def test_a_coded_body_may_unpack_to_what_an_uncoded_one_may_be(tmp_path: Path, limit: int) -> None:
    real = credit(tmp_path)
    padded = rows([30, 1.0], parameters={"pad": "x" * 20 * 1024 * 1024})
    judge = Guard(real.identity, real.codec, real.contract, max_decoded_bytes=limit * 1024 * 1024)
    found = judge.judge_request(gzip.compress(padded, 1), "gzip", lambda name: None, "", 0.0)
    assert found.verdict.reason == ("too_large" if limit == 16 else "")


async def test_the_cap_is_the_policys_own_where_it_is_larger(tmp_path: Path) -> None:
    small = guard(tmp_path, policy(CREDIT) + "upstream: {max_body: 1MiB}\n")
    large = guard(tmp_path, policy(CREDIT) + "upstream: {max_body: 48MiB}\n")
    assert (small.max_decoded_bytes, large.max_decoded_bytes) == (16 * 2**20, 48 * 2**20)
