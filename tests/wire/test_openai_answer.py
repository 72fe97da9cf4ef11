"""Answers of OpenAI's API: built-in predictions whichever route gave them, and answers made of fallback values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.edits import splice
from sidecar.errors import WireError, WireFault
from sidecar.rows import MISSING, Change
from sidecar.wire.openai import OpenAi

ASKED = OpenAi().bind({}, ["content", "finish_reason", "completion_tokens"])


def sent(**members: Any) -> bytes:
    return json.dumps(members).encode()


def chat(content: str | None = "Hi", **members: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return sent(**{"object": "chat.completion", "model": "gpt-x-1", "choices": [choice], "usage": usage, **members})


class TestAnswers:
    @pytest.mark.parametrize(
        ("answer", "values", "pointer"),
        [
            (chat("Hi"), ["Hi", "stop", 2], "/choices/0/message/content"),
            (chat(None), [None, "stop", 2], "/choices/0/message/content"),
            (chat(choices=[]), [MISSING, MISSING, 2], "/choices/0/message/content"),
            (chat(choices=[{"text": "a", "finish_reason": "length"}]), ["a", "length", 2], "/choices/0/text"),
            (
                sent(
                    output=[
                        {"type": "reasoning"},
                        {"type": "message", "content": [{"type": "output_text", "text": "yes"}]},
                    ],
                    status="completed",
                    usage={"input_tokens": 1, "output_tokens": 9},
                ),
                ["yes", "completed", 9],
                "/output/1/content/0/text",
            ),
            (sent(output=[], status="failed"), [MISSING, "failed", MISSING], "/output/0/content"),
            (sent(), [MISSING] * 3, "/choices/0/message/content"),
        ],
    )
    def test_built_in_predictions(self, answer: bytes, values: list[Any], pointer: str) -> None:
        rows = ASKED.read_reply(answer)
        assert (rows.count, [rows.columns[name][0] for name in ASKED.predictions]) == (1, values)
        assert rows.pointer("content", 0) == pointer

    def test_the_answers_model_is_its_version(self) -> None:
        assert ASKED.read_reply(chat()).model_version == "gpt-x-1"

    def test_an_embedding_is_a_vector(self) -> None:
        codec = OpenAi().bind({}, ["embedding", "total_tokens"])
        rows = codec.read_reply(sent(data=[{"embedding": [0.5, 1]}], usage={"total_tokens": 3}))
        assert rows.columns == {"embedding": [[0.5, 1]], "total_tokens": [3]}
        with pytest.raises(WireError, match="one input at a time") as caught:
            codec.read_reply(sent(data=[{"embedding": [0.5]}, {"embedding": [0.5]}]))
        assert (caught.value.fault, caught.value.pointer) == (WireFault.UNSUPPORTED, "/data/1")

    def test_several_choices_are_not_taken_for_one(self) -> None:
        several = chat(choices=[{"message": {"content": "a"}}, {"message": {"content": "b"}}])
        with pytest.raises(WireError) as caught:
            ASKED.read_reply(several)
        assert (caught.value.fault, caught.value.pointer) == (WireFault.UNSUPPORTED, "/choices/1")
        by_pointer = OpenAi(predictions={"second": "/choices/1/message/content"}).bind({}, ["second"])
        assert by_pointer.read_reply(several).columns == {"second": ["b"]}
        parts = [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]
        with pytest.raises(WireError, match="several of `content`"):
            ASKED.read_reply(sent(output=[{"content": parts}]))

    def test_values_are_put_into_their_places(self) -> None:
        body = b'{"choices": [{"message": {"content": "secret" }, "finish_reason":"stop"}]}'
        edits = ASKED.edit_reply(body, [Change(0, "content", "[removed]"), Change(0, "finish_reason", MISSING)])
        assert splice(body, edits) == b'{"choices": [{"message": {"content": "[removed]" }}]}'
        with pytest.raises(WireError):
            ASKED.edit_reply(body, [], {0: {"content": "x"}})


class TestFallbacks:
    @pytest.mark.parametrize(
        "request_body", [sent(messages=[], model="m"), sent(prompt="x", model="m"), sent(input="x", model="m")]
    )
    def test_an_answer_is_read_as_the_values_it_was_made_of(self, request_body: bytes) -> None:
        values = {"content": "Ask later.", "finish_reason": "content_filter", "completion_tokens": 0}
        rows = ASKED.read_reply(ASKED.fallback_reply(request_body, [values]))
        assert {name: rows.columns[name][0] for name in values} == values
        assert rows.model_version == "m"

    def test_an_embedding(self) -> None:
        codec = OpenAi().bind({}, ["embedding"])
        answer = json.loads(codec.fallback_reply(sent(input="x"), [{"embedding": [0.0]}], model_name="e"))
        assert (answer["model"], answer["data"][0]["embedding"]) == ("e", [0.0])

    def test_values_at_pointers(self) -> None:
        codec = OpenAi(predictions={"safe": "/moderation/0/safe"}).bind({}, ["content", "safe"])
        answer = json.loads(codec.fallback_reply(sent(messages=[]), [{"content": "no", "safe": True}]))
        assert answer["moderation"] == [{"safe": True}]
        unable = OpenAi(predictions={"safe": "/choices/3/safe"}).bind({}, ["content", "safe"])
        with pytest.raises(WireError, match="no fallback can be made"):
            unable.fallback_reply(sent(messages=[]), [{"content": "no", "safe": True}])

    @pytest.mark.parametrize("asked", [sent(messages=[], stream=True), sent(prompt="", stream=True)])
    def test_a_stream_for_who_asked_for_one(self, asked: bytes) -> None:
        body = ASKED.fallback_reply(asked, [{"content": "no", "finish_reason": "stop", "completion_tokens": 0}])
        *events, end, rest = body.decode().split("\n\n")
        assert (end, rest) == ("data: [DONE]", "")
        first, last = (json.loads(event.removeprefix("data: "))["choices"][0] for event in events)
        assert (first.get("text") or first["delta"]["content"], first["finish_reason"]) == ("no", None)
        assert last["finish_reason"] == "stop"

    def test_a_vector_is_no_answer_in_words(self) -> None:
        codec = OpenAi().bind({}, ["embedding"])
        with pytest.raises(WireError, match="needs the value of `content`"):
            codec.fallback_reply(sent(messages=[]), [{"embedding": [0.0]}])

    def test_tests_of_a_policy_answer_without_words(self) -> None:
        codec = OpenAi().bind({}, ["total_tokens"])
        answer = codec.fallback_reply(sent(messages=[]), [{"total_tokens": 1}])
        assert codec.read_reply(answer).columns == {"total_tokens": [1]}
