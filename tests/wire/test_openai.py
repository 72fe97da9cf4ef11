"""OpenAI bodies as one row each: members by name, answers by built-in places, errors as its own clients read them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta

from sidecar.edits import splice
from sidecar.errors import WireError, WireFault
from sidecar.problem import Disclosure, Problem
from sidecar.rows import MISSING, Change, RowTest, TypedFeature
from sidecar.verdict import Action, Violation
from sidecar.wire import model_in_body, recognise
from sidecar.wire.openai import OpenAi, OpenAiCodec

ASKED = OpenAi().bind(
    {"max_tokens": "", "temperature": "", "kind": "/response_format/type", "tenant": "header:x-tenant"},
    ["content", "finish_reason", "completion_tokens"],
)
FLAT = OpenAi().bind({"max_tokens": "", "temperature": ""}, [])
TYPES = {
    "max_tokens": TypedFeature(Annotated[int, Meta(ge=1, le=4096)]),
    "temperature": TypedFeature(float, required=False, check=lambda value: value < 2),
}
MESSAGES = [{"role": "user", "content": 'say "model": {"max_tokens": 1}\n'}]


def nothing(name: str) -> str | None:
    return None


def sent(**members: Any) -> bytes:
    return json.dumps(members).encode()


class TestRoutes:
    @pytest.mark.parametrize(
        ("path", "template", "model"),
        [
            ("/v1/chat/completions", "/v1/chat/completions", ""),
            ("/openai/v1/embeddings/", "/{prefix}/v1/embeddings", ""),
            ("/openai/deployments/gpt/chat/completions", "/{prefix}/deployments/{model}/chat/completions", "gpt"),
            ("/v1/engines/gpt/completions", "/v1/engines/{model}/completions", "gpt"),
            ("/chat/completions", "/chat/completions", ""),
            ("/api/Chat/Completions", "/{prefix}/chat/completions", ""),
            ("/embeddings", "/embeddings", ""),
        ],
    )
    def test_the_model_is_in_the_body_or_in_the_path(self, path: str, template: str, model: str) -> None:
        route = recognise("POST", path)
        assert route is not None
        assert (route.protocol, route.template, route.model_name) == ("openai", template, model)
        assert route.named_in_body is not bool(model)

    @pytest.mark.parametrize(
        ("body", "model"),
        [
            (sent(model="a", messages=MESSAGES), "a"),
            (sent(metadata={"model": "b"}, model="a"), "a"),
            (sent(metadata={"model": "b"}), ""),
            (b'{"m\\u006fdel":"a"}', "a"),
            (sent(model="org/größe"), "org/größe"),
            (sent(model=None), ""),
            (sent(model=7), ""),
            (sent(messages=MESSAGES), ""),
        ],
    )
    def test_the_model_that_a_body_names(self, body: bytes, model: str) -> None:
        assert model_in_body("openai", body) == model

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            (b'{"model":"a","model":"b"}', WireFault.AMBIGUOUS),
            (b'{"model":"a","m\\u006fdel":"b"}', WireFault.AMBIGUOUS),
            (b'{"model":"a","Model":"b"}', WireFault.AMBIGUOUS),
            (b'{"Model":"a"}', WireFault.AMBIGUOUS),
            (b'{"model":"a"', WireFault.MALFORMED),
            (b'["model"]', WireFault.MALFORMED),
        ],
    )
    def test_a_body_that_could_name_two_names_none(self, body: bytes, fault: WireFault) -> None:
        with pytest.raises(WireError) as caught:
            model_in_body("openai", body)
        assert caught.value.fault is fault


class TestRequests:
    def test_members_are_features_and_the_rest_is_unknown_but_for_the_protocols_own(self) -> None:
        body = sent(
            model="m", messages=MESSAGES, stream=True, max_tokens=7, response_format={"type": "text"}, seed=1, user="u"
        )
        rows = ASKED.read_request(body, {"x-tenant": "acme"}.get)
        assert (rows.count, dict(rows.columns)) == (
            1,
            {"max_tokens": [7], "temperature": [MISSING], "kind": ["text"], "tenant": ["acme"]},
        )
        assert rows.unknown == {"seed": [0], "user": [0]}
        assert [rows.pointer(name, 0) for name in ("max_tokens", "kind", "tenant", "seed")] == [
            "/max_tokens",
            "/response_format/type",
            "header:x-tenant",
            "/seed",
        ]

    @pytest.mark.parametrize(
        ("body", "fault", "pointer"),
        [
            (b"[]", WireFault.MALFORMED, ""),
            (b'"text"', WireFault.MALFORMED, ""),
            (b'{"max_tokens":1,"max_tokens":9999}', WireFault.AMBIGUOUS, "/max_tokens"),
            (b'{"max_tokens":1,"Max_Tokens":9999}', WireFault.AMBIGUOUS, "/Max_Tokens"),
            (b'{"Messages":[]}', WireFault.AMBIGUOUS, "/Messages"),
            (b'{"response_format":{"Type":"x"}}', WireFault.AMBIGUOUS, "/response_format/Type"),
            (b'{"messages":[{"role":"user","role":"system"}]}', WireFault.AMBIGUOUS, "/messages/0/role"),
        ],
    )
    def test_what_cannot_be_read_says_where(self, body: bytes, fault: WireFault, pointer: str) -> None:
        with pytest.raises(WireError) as caught:
            ASKED.read_request(body, nothing)
        assert (caught.value.fault, caught.value.pointer) == (fault, pointer)

    def test_repairs_are_spans_and_every_other_byte_stays(self) -> None:
        body = b'{ "max_tokens" : 9999,"messages":[{"content":"\\u00e9 :"}] , "seed":1,"response_format":{"type":"x"}}'
        changes = [
            Change(0, "max_tokens", 4096),
            Change(0, "temperature", 0.5),
            Change(0, "kind", "text"),
            Change(0, "seed", MISSING),
        ]
        assert splice(body, ASKED.edit_request(body, changes)) == (
            b'{ "max_tokens" : 4096,"messages":[{"content":"\\u00e9 :"}],'
            b'"response_format":{"type":"text"},"temperature":0.5}'
        )
        with pytest.raises(WireError):
            ASKED.edit_request(body, [], [0])

    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "max_tokens": st.integers(-9, 9999),
                "temperature": st.floats(0, 3),
                "kind": st.sampled_from(["text", "json_object", ""]),
            },
        )
    )
    @settings(deadline=None, max_examples=50)
    def test_what_is_composed_is_read_again(self, row: dict[str, Any]) -> None:
        body = ASKED.compose_request([row])
        assert json.loads(body)["messages"]
        rows = ASKED.read_request(body, nothing)
        assert {name: values[0] for name, values in rows.columns.items() if values[0] is not MISSING} == row
        assert not rows.unknown

    def test_lists_are_composed_where_a_pointer_has_an_index(self) -> None:
        codec = OpenAi().bind({"role": "/messages/0/role", "prompt": ""}, [])
        assert json.loads(codec.compose_request([{"role": "user"}])) == {"messages": [{"role": "user"}]}
        assert json.loads(codec.compose_request([{"prompt": "x"}])) == {"prompt": "x"}
        with pytest.raises(ValueError, match="one row"):
            codec.compose_request([{}, {}])

    @pytest.mark.parametrize(
        ("wire", "features", "predictions", "said"),
        [
            (OpenAi(), {"a": "input-0[3]"}, [], "JSON Pointer"),
            (OpenAi(), {}, ["score"], "say `predictions: {score: /choices/0/…}`"),
            (OpenAi(predictions={"b": "/b"}), {}, [], "no prediction `b`"),
            (OpenAi(predictions={"b": ""}), {}, ["b"], "the whole body"),
        ],
    )
    def test_what_cannot_be_bound(
        self, wire: OpenAi, features: dict[str, str], predictions: list[str], said: str
    ) -> None:
        with pytest.raises(ValueError, match=said.replace("{", r"\{").replace("}", r"\}")):
            wire.bind(features, predictions)


class TestAccepts:
    @pytest.mark.parametrize(
        ("body", "rows", "closed_rows"),
        [
            (sent(max_tokens=7, model="m", messages=MESSAGES, stream=False), 1, 1),
            (sent(max_tokens=7, temperature=1.5, seed=1), 1, 0),
            (sent(max_tokens=4097), 0, 0),
            (sent(max_tokens="7"), 0, 0),
            (sent(messages=MESSAGES), 0, 0),
            (sent(max_tokens=7, temperature=2), 0, 0),
            (b'{"max_tokens":9999,"max_tokens":7}', 0, 0),
            (b'{"max_tokens":7,"m\\u0061x_tokens":9999}', 0, 0),
            (b'{"max_tokens":7,"MAX_TOKENS":9999}', 0, 0),
            (b'{"max_tokens":7,"messages":[{"role":"a","role":"b"}]}', 0, 0),
            (b'{"max_tokens":7} x', 0, 0),
            (b"[7]", 0, 0),
        ],
    )
    def test_only_what_is_proven_clean(self, body: bytes, rows: int, closed_rows: int) -> None:
        for closed, expected in ((False, rows), (True, closed_rows)):
            accept = FLAT.request_acceptor(TYPES, closed=closed)
            assert accept is not None
            assert accept(body) == expected

    def test_rules_hold_for_what_is_there_and_what_is_not(self) -> None:
        asked: list[tuple[Any, ...]] = []

        def holds(tokens: Any, temperature: Any) -> bool:
            asked.append((tokens, temperature))
            return temperature is UNSET

        accept = FLAT.request_acceptor(TYPES, closed=False, rules=[RowTest(("max_tokens", "temperature"), holds)])
        assert accept is not None
        assert (accept(sent(max_tokens=7)), accept(sent(max_tokens=7, temperature=1))) == (1, 0)
        assert asked == [(7, UNSET), (7, 1.0)]

    def test_pointers_leave_it_to_the_exact_reader(self) -> None:
        assert ASKED.request_acceptor(TYPES, closed=False) is None
        assert FLAT.request_sieve(TYPES) is None

    def test_an_answer_nobody_checks_states_its_model(self) -> None:
        accept = FLAT.reply_acceptor({})
        assert accept is not None
        assert accept(sent(model="gpt-x-1", choices=[]), 1) == "gpt-x-1"
        assert accept(sent(data=[]), 1) == ""
        assert accept(b'{"model":"a","model":"b"}', 1) is None
        assert ASKED.reply_acceptor({"content": TypedFeature(str)}) is None


KEYS = ["max_tokens", "temperature", "model", "messages", "Model", "seed", "max_tokenſ"]
members = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from(["1", "4096", "9999", "1.5", '"x"', "null", '{"a":1,"a":2}', '[{"b":1}]']),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=200)
@given(members, st.booleans())
def test_a_fast_accept_is_what_the_exact_reader_reads(pairs: list[tuple[str, str]], closed: bool) -> None:
    body = ("{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}").encode()
    accept = FLAT.request_acceptor(TYPES, closed=closed)
    assert accept is not None
    if accept(body):
        rows = FLAT.read_request(body, nothing)
        (tokens,), (temperature,) = rows.columns["max_tokens"], rows.columns["temperature"]
        assert type(tokens) is int and 1 <= tokens <= 4096
        assert temperature is MISSING or temperature < 2
        assert not (closed and rows.unknown)
        assert len(dict(pairs)) == len(pairs)


def problem(disclosure: Disclosure, *violations: Violation, status: int = 422) -> Any:
    found = Problem(
        status, "contract-violation", "Refused", "1 of 1 rows refused", request_id="r-1", violations=violations,
        violations_total=len(violations), disclosure=disclosure, headers={"tenant": "x-tenant"},
    )  # fmt: skip
    rendered = OpenAi.render(found)
    assert rendered is not None and rendered[0] == "application/json"
    document = json.loads(rendered[1])
    assert list(document) == ["error"]
    return document["error"]


class TestErrors:
    FIRST = Violation("max_tokens.max", "max_tokens", 0, "/max_tokens", Action.REJECT, "at most 4096")
    NESTED = Violation("kind.values", "kind", 0, "/response_format/type", Action.REJECT, "is none")
    HEADER = Violation("tenant.required", "tenant", 0, "", Action.REJECT, "is missing")

    def test_the_four_members_and_all_codes(self) -> None:
        error = problem(Disclosure.CODES, self.FIRST, self.NESTED)
        assert (error["type"], error["param"], error["code"]) == (
            "invalid_request_error",
            "max_tokens",
            "max_tokens.max",
        )
        assert error["codes"] == ["max_tokens.max", "kind.values"]
        assert "[request r-1]" in error["message"] and "at most" not in error["message"]
        assert "at most" in problem(Disclosure.FULL, self.FIRST)["message"]

    def test_where_it_is(self) -> None:
        assert problem(Disclosure.CODES, self.NESTED)["param"] == "/response_format/type"
        assert problem(Disclosure.CODES, self.HEADER)["param"] == "header x-tenant"

    def test_as_little_as_the_policy_wants_told(self) -> None:
        error = problem(Disclosure.MINIMAL, self.FIRST)
        assert (error["param"], error["code"], "codes" in error) == (None, "contract-violation", False)

    def test_a_fault_of_the_server_says_so(self) -> None:
        assert problem(Disclosure.CODES, status=503)["type"] == "server_error"


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=40))
@pytest.mark.parametrize("codec", [ASKED, FLAT])
def test_any_bytes_give_rows_or_a_wire_error(codec: OpenAiCodec, body: bytes) -> None:
    for read in (
        lambda: codec.read_request(body, nothing),
        lambda: codec.read_reply(body),
        lambda: model_in_body("openai", body),
    ):
        try:
            read()
        except WireError as error:
            assert error.message
