"""Another model or environment than the policy expects: refused while enforcing; the record says who said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.gateway import ModelState
from tests.kit.client import request
from tests.kit.guards import CLEAN, INFER, credit, renamed, scores
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))


async def test_identity_a_wrong_version_stops_the_policy(tmp_path: Path) -> None:
    pinned = renamed(credit(tmp_path), model_versions=("14",))
    async with running(tmp_path, default=replies(answer(scores(0.5, model_version="14"))), guards=[pinned]) as world:
        found = await world.ask(request(INFER, CLEAN))
        assert (found.status, found.value("x-model-version")) == (200, "14")
        world.upstream.default = replies(answer(scores(0.5, model_version="15")))
        refused = await world.ask(request(INFER, CLEAN))
        assert refused.status == 503
        before = len(world.upstream.requests)
        assert (await world.ask(request(INFER, CLEAN))).status == 503
        assert len(world.upstream.requests) == before
        world.gateway.standing.set_models({"credit": ModelState("match", "14")})
        world.upstream.default = replies(answer(scores(0.5, model_version="14")))
        assert (await world.ask(request(INFER, CLEAN))).status == 200
        assert [exchange.version_source for exchange in world.exchanges()][:2] == ["body", "body"]


async def test_identity_a_version_stated_in_a_header_alone_counts(tmp_path: Path) -> None:
    def stated(version: bytes, **body: Any) -> bytes:
        json = (b"Content-Type", b"application/json")
        return answer(scores(0.5, **body), headers=(json, (b"X-Model-Version", version)))

    pinned = renamed(credit(tmp_path), model_versions=("14",))
    async with running(tmp_path, default=replies(stated(b"14")), guards=[pinned]) as world:
        found = await world.ask(request(INFER, CLEAN))
        assert (found.status, found.values("x-model-version")) == (200, ["14"])
        world.upstream.default = replies(stated(b"15", model_version="14"))
        assert (await world.ask(request(INFER, CLEAN))).value("x-model-version") == "14", "the body is the model's own"
        world.upstream.default = replies(stated(b"15"))
        refused = await world.ask(request(INFER, CLEAN, b"Accept: application/problem+json"))
        assert (refused.status, refused.json()["type"]) == (503, "urn:sidecar:problem:model-identity-mismatch")
        exchanges = world.exchanges()
        assert [exchange.version_source for exchange in exchanges] == ["header", "body", "header"]
        assert [exchange.model_version for exchange in exchanges] == ["14", "14", "15"]


async def test_a_wrong_environment_stops_every_enforcing_policy(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        world.gateway.standing.set_environment("the policy is for production, this is staging")
        found = await world.ask(request(INFER, CLEAN))
        assert found.status == 503
        assert world.upstream.requests == []
        assert (await world.ask(request("/x"), "GET")).status == 200
        world.gateway.standing.set_environment("")
        assert (await world.ask(request(INFER, CLEAN))).status == 200
