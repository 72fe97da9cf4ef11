"""OpenAI-compatible traffic through a real gateway: judged by its body, streamed as it comes, bound by its model."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.guard import Guard
from sidecar.telemetry import metrics
from tests.kit.client import request
from tests.kit.guards import guard
from tests.kit.running import running
from tests.kit.upstream import answer, chunked, replies

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
FEATURES = "features:\n    max_tokens: {type: int, min: 1, max: 4096, required: false}\n"
EVENTS = [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % number for number in range(3)] + [b"data: [DONE]\n\n"]
STREAM = answer(
    chunked(*EVENTS),
    headers=[(b"Content-Type", b"text/event-stream"), (b"Transfer-Encoding", b"chunked")],
    length=False,
)


def assistant(tmp_path: Path, contract: str = "", *, name: str = "", mode: str = "enforce", policy: str = "a") -> Guard:
    named = f", name: {name}" if name else ""
    text = f"policy: {policy}\nmodel: {{protocol: openai{named}}}\ncontract:\n  mode: {mode}\n  {FEATURES}{contract}"
    return guard(tmp_path, text)


def chat(**members: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "Hi: you"}], **members}).encode()


def said(content: str, model: str = "m-7") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return json.dumps({"object": "chat.completion", "model": model, "choices": [choice]}).encode()


OK = replies(answer(said("Hello")))


@pytest.mark.parametrize("path", [CHAT, CHAT + "/", "/openai/v1/completions", "/v1/embeddings", "/v1/responses"])
async def test_good_requests_pass_and_bad_ones_are_refused_in_the_protocols_shape(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=OK, guards=[assistant(tmp_path)]) as world:
        good = await world.ask(request(path, chat(max_tokens=7)))
        assert (good.status, good.body) == (200, said("Hello"))
        assert (good.value("x-contract-verdict"), good.value("x-model-version")) == ("ok", "m-7")
        bad = await world.ask(request(path, chat(max_tokens=9999)))
        assert (bad.status, bad.value("x-contract-verdict")) == (422, "rejected")
        error = bad.json()["error"]
        assert (error["type"], error["param"], error["code"]) == (
            "invalid_request_error",
            "max_tokens",
            "max_tokens.max",
        )
        assert len(world.upstream.requests) == 1


async def test_a_repair_changes_its_bytes_and_no_other(tmp_path: Path) -> None:
    contract = "    temperature: {type: float, max: 1, required: false, on_violation: clamp}\n"
    async with running(tmp_path, default=OK, guards=[assistant(tmp_path, contract)]) as world:
        found = await world.ask(request(CHAT, b'{"temperature" : 1.7 , "messages":[{"x":"\\u00e9"}]}'))
        assert found.value("x-contract-verdict") == "repaired;rows=1"
        assert world.upstream.requests[0].body == b'{"temperature" : 1.0 , "messages":[{"x":"\\u00e9"}]}'


async def test_a_stream_is_judged_by_its_request_and_passes_piece_by_piece(tmp_path: Path) -> None:
    contract = "  prediction:\n    content: {type: string, max_length: 5}\n"
    async with running(tmp_path, default=replies(STREAM), guards=[assistant(tmp_path, contract)]) as world:
        found = await world.ask(request(CHAT, chat(max_tokens=7, stream=True)))
        assert (found.status, found.body) == (200, b"".join(EVENTS))
        assert found.value("x-contract-verdict") == "ok;output=pending"
        refused = await world.ask(request(CHAT, chat(max_tokens=0, stream=True)))
        assert (refused.status, refused.json()["error"]["code"]) == (422, "max_tokens.min")
        assert [exchange.verdict for exchange in world.exchanges()] == ["unchecked", "rejected"]


ANSWERS = """  prediction:
    content: {type: string, pattern: "[^@]*", on_violation: fallback}
  fallback: {on: [contract], values: {content: I cannot say.}}
"""


async def test_an_answer_is_judged_and_replaced(tmp_path: Path) -> None:
    scripts = {CHAT: replies(answer(said("a@b.example"))), "/v1/completions": OK}
    async with running(tmp_path, scripts, guards=[assistant(tmp_path, ANSWERS)]) as world:
        found = await world.ask(request(CHAT, chat()))
        assert found.value("x-contract-verdict") == "fallback;rows=1"
        assert found.json()["choices"][0]["message"]["content"] == "I cannot say."
        assert (await world.ask(request("/v1/completions", chat()))).value("x-contract-verdict") == "ok"


async def test_a_refused_request_gets_an_answer_of_fallback_values_in_the_form_it_asked_for(tmp_path: Path) -> None:
    contract = '    user: {type: string, pattern: "[a-z]+", on_violation: fallback, required: false}\n' + ANSWERS
    async with running(tmp_path, default=OK, guards=[assistant(tmp_path, contract)]) as world:
        whole = await world.ask(request(CHAT, chat(user="U7", model="m")))
        assert (whole.value("x-contract-verdict"), whole.value("content-type")) == (
            "fallback;rows=1",
            "application/json",
        )
        assert whole.json()["choices"][0]["message"]["content"] == "I cannot say."
        stream = await world.ask(request(CHAT, chat(user="U7", stream=True)))
        assert stream.value("content-type") == "text/event-stream"
        assert stream.body.endswith(b"data: [DONE]\n\n") and b"I cannot say." in stream.body
        assert not world.upstream.requests


class TestBoundByTheBodysModel:
    async def test_each_policy_judges_the_bodies_that_name_its_model(self, tmp_path: Path) -> None:
        guards = [
            assistant(tmp_path, name="small", policy="one"),
            assistant(tmp_path, name="org/large", mode="observe", policy="two"),
        ]
        async with running(tmp_path, default=OK, guards=guards) as world:
            refused = await world.ask(request(CHAT, chat(model="small", max_tokens=0)))
            assert (refused.status, refused.value("x-policy").partition(";")[0]) == (422, "one")
            observed = await world.ask(request(CHAT, chat(model="org/large", max_tokens=0)))
            assert (observed.status, observed.value("x-contract-verdict")) == (200, "observed;codes=max_tokens.min")
            assert observed.value("x-policy").partition(";")[0] == "two"
            first, second = world.exchanges()
            assert (first.model_name, first.mode) == ("small", "enforce")
            assert (second.model_name, second.mode) == ("org/large", "observe")
            assert first.policy_digest != second.policy_digest == guards[1].identity.digest

    @pytest.mark.parametrize("body", [chat(model="other"), gzip.compress(chat(model="other"))])
    async def test_a_model_that_no_policy_covers(self, tmp_path: Path, body: bytes) -> None:
        coding = (b"Content-Encoding: gzip",) if body.startswith(b"\x1f") else ()
        async with running(tmp_path, default=OK, guards=[assistant(tmp_path, name="small")]) as world:
            found = await world.ask(request(CHAT, body, *coding))
            assert (found.status, found.json()["error"]["code"]) == (403, "no-policy")
            assert (world.exchange().policy_digest, world.exchange().model_name) == ("", "other")
        observing = assistant(tmp_path, name="small", mode="observe")
        async with running(tmp_path / "observing", default=OK, guards=[observing]) as world:
            found = await world.ask(request(CHAT, body, *coding))
            assert (found.status, found.body, found.value("x-policy")) == (200, said("Hello"), "")
            assert world.upstream.requests[0].body == body
            assert world.count(metrics.UNGUARDED) == 1

    async def test_a_body_that_names_none_belongs_to_the_only_policy(self, tmp_path: Path) -> None:
        async with running(tmp_path, default=OK, guards=[assistant(tmp_path, name="small")]) as world:
            assert (await world.ask(request(CHAT, chat(max_tokens=0)))).status == 422

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b'{"model":"large","model":"small","max_tokens":0}', 400),
            (b'{"model":"large","Model":"small","max_tokens":0}', 400),
            (b"no json", 400),
        ],
    )
    async def test_a_body_that_can_name_two_is_judged_by_the_strictest(
        self, tmp_path: Path, body: bytes, status: int
    ) -> None:
        guards = [
            assistant(tmp_path, name="large", mode="observe", policy="two"),
            assistant(tmp_path, name="small", policy="one"),
        ]
        async with running(tmp_path, default=OK, guards=guards) as world:
            found = await world.ask(request(CHAT, body))
            assert (found.status, found.value("x-policy").partition(";")[0]) == (status, "one")
            assert not world.upstream.requests

    async def test_a_nameless_policy_judges_the_rest(self, tmp_path: Path) -> None:
        guards = [assistant(tmp_path, name="large", mode="off", policy="two"), assistant(tmp_path, policy="one")]
        async with running(tmp_path, default=OK, guards=guards) as world:
            assert (await world.ask(request(CHAT, chat(model="x", max_tokens=0)))).status == 422
            assert (await world.ask(request(CHAT, chat(max_tokens=0)))).status == 422
            off = await world.ask(request(CHAT, chat(model="large", max_tokens=0)))
            assert (off.status, off.value("x-contract-verdict")) == (200, "")

    async def test_bodies_in_pieces_and_pipelines(self, tmp_path: Path) -> None:
        async with (
            running(tmp_path, default=OK, guards=[assistant(tmp_path, name="small")]) as world,
            world.connected() as client,
        ):
            await client.drip(request(CHAT, chat(model="small", max_tokens=0)))
            await client.send(request(CHAT, chat(model="small", max_tokens=1)) + request(CHAT, chat(model="x")))
            assert [(await client.answer()).status for _ in range(3)] == [422, 200, 403]

    async def test_another_protocols_model_is_never_reached_this_way(self, tmp_path: Path) -> None:
        text = (
            "policy: c\nmodel: {protocol: oip, name: credit}\ncontract: {mode: enforce, features: {age: {type: int}}}\n"
        )
        async with running(tmp_path, default=OK, guards=[guard(tmp_path, text)]) as world:
            assert (await world.ask(request(CHAT, chat(model="credit")))).status == 422
            assert (await world.ask(request(CHAT, chat(model="other")))).status == 403
            assert not world.upstream.requests
