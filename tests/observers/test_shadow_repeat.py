"""`repeat_primary`: a model that is not deterministic disagrees with itself, and that is told beside the candidate."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.kit.client import connected, request
from tests.kit.guards import INFER, scores
from tests.kit.running import Running, running
from tests.kit.upstream import Asked, answer, replies, resets, serving

from .shadowing import ANSWER, BODY, GOOD, JSON, Tape, observing, world

pytestmark = pytest.mark.anyio
COMPARE = "compare: {score: {tolerance: 0.02}}, "


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Random:
    """A model that says one of two things."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    async def __call__(self, asked: Asked) -> None:
        await asked.body()
        await asked.send(answer(scores(self._dice.choice([0.25, 0.75]))))


async def ask(gateway: Running, number: int) -> None:
    async with connected(gateway.port) as client:
        for _ in range(number):
            await client.send(request(INFER, BODY, JSON, b"Cache-Control: max-age=60", b"Authorization: Bearer k"))
            assert (await client.answer()).status == 200


async def test_a_random_primary_agrees_with_itself_as_often_as_a_like_candidate_agrees_with_it(tmp_path: Path) -> None:
    async with serving(default=Random(1)) as model:
        books, guard = world(tmp_path, model.port, COMPARE + "repeat_primary: 100%")
        async with running(tmp_path, default=Random(2), guards=[guard]) as gateway:
            await ask(gateway, 200)
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
                repeat = shadow.only["repeat"]
                assert shadow.only["outcomes"]["compared"] == repeat["outcomes"]["compared"] == 200
                assert 0.35 < shadow.only["agreement"] < 0.65
                assert 0.35 < repeat["agreement"] < 0.65
                assert len(model.requests) == 200
                assert len(gateway.upstream.requests) == 400
                assert {one.candidate for one in shadow.records()} == {"v15", "v15:repeat"}


async def test_a_deterministic_primary_agrees_with_itself_whatever_the_candidate_says(tmp_path: Path) -> None:
    async with serving(default=replies(answer(scores(0.75)))) as model:
        books, guard = world(tmp_path, model.port, COMPARE + "repeat_primary: 100%")
        async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
            await ask(gateway, 5)
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
                assert (shadow.only["agreement"], shadow.only["repeat"]["agreement"]) == (0.0, 1.0)


async def test_it_is_a_marked_copy_without_credentials_that_no_cache_may_answer(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port, COMPARE + "repeat_primary: 100%")
        async with running(tmp_path, default=replies(answer(ANSWER)), guards=[guard]) as gateway:
            await ask(gateway, 1)
            async with observing(tmp_path, books) as shadow:
                await shadow.settle()
            own, again = gateway.upstream.requests
            assert again.body == own.body and again.target == own.target
            assert again.values(b"x-shadow") == [b"1"] and not own.values(b"x-shadow")
            assert again.values(b"cache-control") == [b"no-store"]
            assert not again.values(b"authorization")
            assert model.received.values(b"cache-control") != [b"no-store"], "the candidate's is as the caller's"


async def test_its_share_is_of_the_sample_and_sticky(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model:
        books, guard = world(tmp_path, model.port, COMPARE + "sample: 50%, repeat_primary: 20%")
        with Tape(tmp_path, guard.identity.digest) as tape:
            for _ in range(1000):
                tape.exchange(upstream=f"http://127.0.0.1:{model.port}")
        async with observing(tmp_path, books, crash=True) as shadow:
            await shadow.settle()
            drawn = {one.prediction_id: set[str]() for one in shadow.records()}
            for one in shadow.records():
                drawn[one.prediction_id].add(one.candidate)
            repeated = [names for names in drawn.values() if "v15:repeat" in names]
            assert all("v15" in names for names in repeated), "part of the sample"
            assert 430 < len(drawn) < 570
            assert 65 < len(repeated) < 140
            assert shadow.only["sample"] == 0.5 and shadow.only["repeat"]["sample"] == 0.1


async def test_a_primary_that_fails_the_second_time_or_is_not_named_is_counted(tmp_path: Path) -> None:
    async with serving(default=GOOD) as model, serving(default=resets) as gone:
        books, guard = world(tmp_path, model.port, COMPARE + "repeat_primary: 100%")
        with Tape(tmp_path, guard.identity.digest) as tape:
            tape.exchange(upstream=f"http://127.0.0.1:{gone.port}")
            tape.exchange(upstream="")
        async with observing(tmp_path, books) as shadow:
            await shadow.settle()
            outcomes = shadow.only["repeat"]["outcomes"]
            assert (outcomes["shadow_error"], outcomes["uncomparable"]) == (1, 1)
            assert shadow.only["outcomes"]["compared"] == 2, "the candidate's figures are its own"
