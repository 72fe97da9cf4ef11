"""What a connection remembers of the last head saves time, never a judgement: bodies, policies, answers are new."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.guard import Guards
from tests.badinput.desk import BAD_ROW, CLEAN_ROW, FEATURES, PREDICTION, PROTOCOLS, bound, port, post
from tests.kit.client import eventually, request
from tests.kit.running import running
from tests.kit.upstream import Asked, answer

pytestmark = pytest.mark.anyio

MATRIX = PROTOCOLS["matrix"]


def same_length(body: bytes, length: int) -> bytes:
    return body + b" " * (length - len(body))


LONGEST = len(MATRIX.write([BAD_ROW])) + 300
CLEAN, BAD = (same_length(MATRIX.write([row]), LONGEST) for row in (CLEAN_ROW, BAD_ROW))
BROKEN = b"x" * LONGEST
GOOD, HIGH = same_length(MATRIX.reply([0.5]), 200), same_length(MATRIX.reply([1.5]), 200)
NOT_JSON = b"y" * 200


async def test_the_same_head_with_another_body_is_judged_anew(tmp_path: Path) -> None:
    async with port(tmp_path) as world, world.connected() as client:
        said = []
        for body in (CLEAN, CLEAN, BAD, CLEAN, BROKEN, BAD, CLEAN):
            await client.send(post("matrix", body))
            said.append((await client.answer()).status)
        assert said == [200, 200, 422, 200, 400, 422, 200]
        assert [bytes(received.body) for received in world.upstream.requests] == [CLEAN] * 4


async def test_bad_rows_in_a_pipeline_of_good_ones(tmp_path: Path) -> None:
    bodies = [CLEAN, BAD, CLEAN, BROKEN, CLEAN, BAD]
    stream = b"".join(post("matrix", body) for body in bodies)
    async with port(tmp_path) as world, world.connected() as client:
        for repeat in range(3):
            if repeat == 2:
                await client.drip(stream)
            else:
                await client.send(stream)
            assert [(await client.answer()).status for _ in bodies] == [200, 422, 200, 400, 200, 422]
        assert {bytes(received.body) for received in world.upstream.requests} == {CLEAN}


async def test_one_read_that_is_as_long_as_the_last_but_is_two_requests(tmp_path: Path) -> None:
    """A shorter body and the begin of a next request fill the read that the remembered head would claim."""
    whole = post("matrix", CLEAN)
    health = request("/v2/health/live")
    short = post("matrix", CLEAN[: -len(health)])
    assert len(short + health) == len(whole)
    async with port(tmp_path) as world, world.connected() as client:
        for _ in range(3):
            await client.send(whole)
            assert (await client.answer()).status == 200
        await client.send(short + health)
        assert [(await client.answer()).status, (await client.answer("GET")).status] == [200, 200]
        assert world.upstream.targets[-1] == b"/v2/health/live"


async def test_a_request_hidden_in_a_body_stays_a_body(tmp_path: Path) -> None:
    hidden = request("/v2/models/other/infer", b"{}")
    body = same_length(hidden, LONGEST)
    async with port(tmp_path) as world, world.connected() as client:
        await client.send(post("matrix", CLEAN))
        assert (await client.answer()).status == 200
        await client.send(post("matrix", body))
        assert (await client.answer()).status == 400
        await client.send(post("matrix", CLEAN))
        assert (await client.answer()).status == 200
        assert len(world.upstream.requests) == 2


async def test_a_policy_put_in_force_applies_to_the_next_request_of_a_connection(tmp_path: Path) -> None:
    names = ("old", "new", "observing")
    for name in names:
        (tmp_path / name).mkdir()
    strict = FEATURES.replace("max: 120", "max: 20") + PREDICTION
    old, new = bound(tmp_path / "old", "matrix"), bound(tmp_path / "new", "matrix", features=strict)
    observing = bound(tmp_path / "observing", "matrix", "observe", strict)

    async def model(asked: Asked) -> None:
        await asked.body()
        await asked.send(answer(GOOD))

    async with running(tmp_path, default=model, guards=[old]) as world, world.connected() as client:
        said = []
        for guard in (old, old, new, new, observing, old, new):
            world.gateway.swap(Guards([guard]))
            await client.send(post("matrix", CLEAN))
            found = await client.answer()
            said.append((found.status, found.value("x-contract-verdict")))
            assert found.value("x-policy") == guard.stamp
        assert [status for status, _ in said] == [200, 200, 422, 422, 200, 200, 422]
        assert said[4][1] == "observed;codes=age.max"


async def test_a_swap_while_the_body_is_on_its_way_keeps_the_policy_the_request_began_with(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    async with port(tmp_path) as world, world.connected() as client:
        sent = post("matrix", CLEAN)
        await client.send(sent[:-50])
        await eventually(lambda: world.gateway.in_flight)
        strict = bound(tmp_path / "new", "matrix", features=FEATURES.replace("max: 120", "max: 20"))
        world.gateway.swap(Guards([strict]))
        await client.send(sent[-50:])
        assert (await client.answer()).status == 200
        await client.send(sent)
        assert (await client.answer()).status == 422


ANSWERS = [GOOD, GOOD, HIGH, GOOD, NOT_JSON, HIGH, GOOD]
STATUSES = [200, 200, 502, 200, 502, 502, 200]


@pytest.mark.parametrize("cut", [None, 1, 40, -1, "each"])
async def test_an_answer_with_the_same_head_and_another_body_is_judged_anew(
    tmp_path: Path, cut: int | str | None
) -> None:
    answers = iter(ANSWERS)

    async def model(asked: Asked) -> None:
        await asked.body()
        whole = answer(next(answers))
        cuts = range(1, len(whole)) if cut == "each" else [] if cut is None else [int(cut) % len(whole)]
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            await asked.send(whole[begin:end])
            await asyncio.sleep(0)

    async with running(tmp_path, default=model, guards=[bound(tmp_path, "matrix")]) as world:
        async with world.connected() as client:
            for status, body in zip(STATUSES, ANSWERS, strict=True):
                await client.send(post("matrix", CLEAN))
                found = await client.answer()
                assert found.status == status
                if status == 200:
                    assert found.body == body
        assert world.upstream.connections == 1


@pytest.mark.parametrize("warm", [0, 3])
@pytest.mark.parametrize("extra", [b"x", b"HTTP/1.1 200 OK\r\n", answer(GOOD), answer(HIGH)])
async def test_bytes_behind_an_answer_are_nobodys_answer(tmp_path: Path, extra: bytes, warm: int) -> None:
    """A connection on which the server spoke out of turn is not used again: the next answer would be off by one."""
    asks = 0

    async def model(asked: Asked) -> None:
        nonlocal asks
        await asked.body()
        asks += 1
        await asked.send(answer(GOOD) + (extra if asks == warm + 1 else b""))

    async with running(tmp_path, default=model, guards=[bound(tmp_path, "matrix")]) as world:
        async with world.connected() as client:
            for _ in range(warm + 4):
                await client.send(post("matrix", CLEAN))
                found = await client.answer()
                assert (found.status, found.body) == (200, GOOD)
        assert world.upstream.connections == 2
        assert len(world.upstream.requests) == warm + 4
