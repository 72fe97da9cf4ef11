"""Fuzz targets: each takes any bytes and may raise nothing but what its room declares; what it claims is checked.

A target is (function, seeds, words): words are what mutations like to put in.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httptools

from sidecar.contract import ContractSection, compile_contract
from sidecar.edits import splice
from sidecar.errors import WireError
from sidecar.gateway.feedback import read_feedback
from sidecar.gateway.head import Head, HeadReader, Refusal
from sidecar.gateway.target import read_target
from sidecar.guard import Guard, Guards, Identity, decode_body, encode_body
from sidecar.policy import from_canonical, load, to_canonical
from sidecar.rows import MISSING, Change
from sidecar.upstream.answer import AnswerReader
from sidecar.verdict import Outcome
from sidecar.wire.document import depth, parse
from sidecar.wire.oip import Oip
from sidecar.wire.openai import OpenAi
from sidecar.wire.plain import PlainJson
from sidecar.wire.tfserving import TfServing
from sidecar.yamldoc import parse as parse_yaml

NOW: Final = 1_800_000_000.0
POLICIES: Final = sorted((Path(__file__).parents[2] / "policies").rglob("*.yaml"))
CONTRACT: Final = """
mode: enforce
errors: full
unknown_features: strip
features:
  age: {type: int, min: 0, max: 120, on_violation: clamp}
  job: {type: category, values: [a, b], required: false, default: a, on_violation: {replace: b}}
  tags: {type: "float[2]", required: false, nullable: true, on_violation: set_null}
prediction: {score: {type: float, min: 0, max: 1, on_violation: fallback}}
fallback: {values: {score: 0.5}}
"""
FLAT: Final = CONTRACT.replace(
    '  tags: {type: "float[2]", required: false, nullable: true, on_violation: set_null}\n', ""
)

CONTRACT_OF_TEXT: Final = CONTRACT.replace(
    "{score: {type: float, min: 0, max: 1,", '{content: {type: string, pattern: "[a-z]*",'
).replace("{score: 0.5}", "{content: no}")

Function = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """`run` raises for a finding."""

    run: Function
    seeds: Sequence[bytes]
    words: Sequence[bytes]


JSON_WORDS: Final = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\\u0069", b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"\x00"),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"1.0", b"9007199254740993", b"0" * 40, b"1" * 420),
    *(b'"age":', b'"job":', b'"tags":', b'"score":', b'"x":1,', b'"inputs":', b'"instances":', b'"data":', b'"shape":'),
    *(b'"datatype":', b'"FP64"', b'"BYTES"', b'"INT8"', b'"parameters":{"binary_data_size":1},', b'"Inputs":'),
    *(b'{"b64":"AA=="}', b"[1,2]", b"[[1],[2]]", b"[" * 140, b"]" * 140, b'"id":"a:b",', b'"outputs":', b" " * 50),
]


def guard_of(wire: Any, contract: str = CONTRACT) -> Guard:
    parsed = parse_yaml(contract, ContractSection, file="contract.yaml")
    assert parsed.value is not None
    compiled, _ = compile_contract(parsed.value)
    assert compiled is not None
    return Guard(Identity("p", "1", "b2:0"), wire.bind(compiled.features, compiled.predictions), compiled)


GUARDS: Final = {
    "oip": guard_of(Oip()),
    "oip-matrix": guard_of(Oip(columns={"t": ("age", "job", "x")}), FLAT),
    "tfserving": guard_of(TfServing()),
    "tfserving-lists": guard_of(TfServing(columns=("age", "job")), FLAT),
    "json": guard_of(PlainJson(rows="/a/rows", predictions="/scores")),
    "json-lists": guard_of(PlainJson(rows="/rows", columns=("age", "job"), predictions="/scores"), FLAT),
    "json-object": guard_of(PlainJson(predictions={"score": "/out/score"})),
    "openai": guard_of(OpenAi(), CONTRACT_OF_TEXT),
}


def tensor(name: str, shape: list[int], data: list[Any], datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


ROW: Final = {"age": 130, "job": "c", "tags": [1, 2], "x": 1}
CLEAN: Final = {"age": 30, "job": "a", "tags": None}
REQUESTS: Final[dict[str, list[Any]]] = {
    "oip": [
        {"inputs": [tensor("age", [2], [30, 130]), tensor("job", [2], ["a", "c"], "BYTES")]},
        {"inputs": [tensor("age", [1, 1], [[30]]), tensor("tags", [1, 2], [1, 2]), tensor("x", [1], [1])], "id": "a"},
    ],
    "oip-matrix": [
        {"inputs": [tensor("t", [2, 3], [30, "a", 1, 130, "c", 2], "BYTES")]},
        {"inputs": [tensor("t", [1, 3], [[30, None, 1]])], "parameters": {"p": 1}},
    ],
    "tfserving": [
        {"instances": [CLEAN, ROW], "signature_name": "s"},
        {"inputs": {"age": [30, 131], "job": ["a", "c"]}},
    ],
    "tfserving-lists": [{"instances": [[30, "a"], [131, "c"]]}],
    "json": [{"a": {"rows": [CLEAN, ROW]}}],
    "json-lists": [{"rows": [[30, "a"], [131, "c"]]}, {"rows": [30, "a"]}],
    "json-object": [CLEAN, ROW],
    "openai": [{**CLEAN, "model": "m", "messages": [{"content": "a: b"}]}, {**ROW, "prompt": "x", "n": 2}],
}
REPLIES: Final[dict[str, list[Any]]] = {
    "oip": [{"model_name": "m", "model_version": "1", "outputs": [tensor("score", [2], [0.5, 1.5])]}],
    "oip-matrix": [{"model_name": "m", "outputs": [tensor("y", [2, 1], [[0.5], [2]], "FP32")]}],
    "tfserving": [{"predictions": [0.5, 1.5]}, {"outputs": {"score": [0.5]}}, {"predictions": [{"score": 0.5}]}],
    "tfserving-lists": [{"predictions": [[0.5], [1.5]]}],
    "json": [{"scores": [0.5, 1.5]}, {"scores": [{"score": 0.5}]}],
    "json-lists": [{"scores": [0.5, 1.5]}],
    "json-object": [{"out": {"score": 1.5}}, {"out": {"score": [0.5, 1.5]}}],
    "openai": [
        {"model": "m", "choices": [{"message": {"content": "a"}}], "usage": {}},
        {"output": [{"content": [{"type": "output_text", "text": "A"}]}]},
        {"choices": [{"text": "B"}]},
    ],
}


def request_target(name: str) -> Target:
    guard = GUARDS[name]

    def run(body: bytes) -> None:
        accepted = guard.accept_request(body)
        judged = guard.judge_request(body, "", lambda _name: None, "", NOW)
        assert judged.guard_error == "", judged.guard_error
        if accepted:
            verdict = judged.verdict
            assert (verdict.outcome, verdict.changes, judged.rows) == (Outcome.OK, (), accepted), verdict
        if judged.body is not body:
            assert judged.body == splice(body, judged.edits)
            again = guard.judge_request(judged.body, "", lambda _name: None, "", NOW)
            assert again.verdict.outcome in (Outcome.OK, Outcome.OBSERVED), (judged.body, again.verdict, again.fault)
            assert again.rows == judged.rows - len(judged.verdict.fallback_rows)
        answer = guard.fallback_reply(body, "", 1, model_name="m")
        assert answer is not None and guard.codec.read_reply(answer).count == 1

    return Target(run, [json.dumps(document).encode() for document in REQUESTS[name]], JSON_WORDS)


def reply_target(name: str) -> Target:
    guard = GUARDS[name]

    def run(body: bytes) -> None:
        for rows in (1, 2):
            version = guard.accept_reply(body, rows)
            judged = guard.judge_reply(body, "", "", NOW, sent_rows=rows)
            assert judged.guard_error == "", judged.guard_error
            if version is not None:
                assert (judged.verdict.outcome, judged.model_version) == (Outcome.OK, version), judged.verdict
        filled = guard.judge_reply(body, "", "", NOW, sent_rows=2, fallback_rows=(1,))
        assert filled.guard_error == "", filled.guard_error
        if filled.verdict.outcome is not Outcome.REJECTED:
            after = guard.codec.read_reply(filled.body)
            assert after.count == 3 and after.columns["score"][1] == 0.5

    return Target(run, [json.dumps(document).encode() for document in REPLIES[name]], JSON_WORDS)


def edit_target(name: str) -> Target:
    """Edits that no verdict would ask for: WireError or a body that is read as the edit says."""
    guard = GUARDS[name]
    values: list[Any] = [7, 0.5, "z", None, MISSING, [1, 2], True]

    def run(data: bytes) -> None:
        choice, body = data[:1] or b"\0", data[1:]
        try:
            before = guard.codec.read_request(body, lambda _name: None)
        except WireError:
            return
        feature = sorted(before.columns)[choice[0] % len(before.columns)]
        change = Change(choice[0] % before.count, feature, values[choice[0] // 8 % len(values)])
        if change.value is MISSING and name.endswith(("-matrix", "-lists")):
            return  # rows lose a position and are another policy's
        drop = (before.count - 1,) if choice[0] & 64 and before.count > 1 and change.row != before.count - 1 else ()
        try:
            spans = guard.codec.edit_request(body, [change], drop)
        except WireError:
            return
        after = guard.codec.read_request(splice(body, spans), lambda _name: None)
        assert after.count == before.count - len(drop)
        absent = (None, MISSING)
        for other, column in before.columns.items():
            for row in range(after.count):
                wanted = change.value if (row, other) == (change.row, feature) else column[row]
                found = after.columns[other][row]
                told = (other, row, wanted, found)
                assert found == wanted or wanted != wanted or (wanted in absent and found in absent), told

    seeds = [b"\x09" + json.dumps(document).encode() for document in REQUESTS[name]]
    return Target(run, seeds, JSON_WORDS)


def run_document(body: bytes) -> None:
    """What is read is what the standard library reads; what is refused says where."""
    for nonfinite in (False, True):
        try:
            value = parse(body, allow_nonfinite=nonfinite)
        except WireError as fault:
            assert fault.offset is None or 0 <= fault.offset <= len(body)
            continue
        assert depth(body, 200) <= 200
        assert repr(json.loads(body)) == repr(value)


def run_coding(data: bytes) -> None:
    coding = ("gzip", "deflate", "x-gzip", "identity", "br")[(data[:1] or b"\0")[0] % 5]
    try:
        plain = decode_body(data[1:], coding)
    except WireError:
        return
    assert decode_body(encode_body(plain, coding), coding) == plain


def run_policy(text: bytes) -> None:
    loaded = load([Path("-")], stdin=lambda: text)
    assert not (loaded.errors and loaded.policies)
    for finding in loaded.findings:
        assert finding.code and finding.message.isprintable()
    for policy in loaded.policies:
        assert from_canonical(to_canonical(policy)) == policy
        compile_contract(policy.contract)


READER: Final = HeadReader(recorded=frozenset({"user-agent"}))
ANSWERS: Final = AnswerReader(frozenset({b"x-policy"}))
ROUTED: Final = Guards([GUARDS["oip"]])


class _Events:
    """What httptools says of one request."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


def run_head(data: bytes) -> None:
    """A head is a refusal with a sentence, or one framing and lines that hold no line of their own."""
    events = _Events()
    parser = httptools.HttpRequestParser(events)
    with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        parser.feed_data(data)
    if not events.complete:
        return
    version = parser.get_http_version()
    head = READER.read(events.headers, version)
    target = read_target(events.url)
    if not target.refused:
        assert events.url.endswith(target.send) or target.authority
        ROUTED.resolve(parser.get_method().decode("latin-1"), target.path)
    if isinstance(head, Refusal):
        assert 400 <= head.status < 600 and head.detail
        return
    assert isinstance(head, Head)
    assert not (head.chunked and head.content_length >= 0)
    for line in head.lines:
        assert line.endswith(b"\r\n") and line.count(b"\n") == 1 and b"\r" not in line[:-2] and b"\0" not in line
    assert head.request_id.isascii() and head.request_id.isprintable()
    ANSWERS.read(200, b"OK", events.headers)


def run_feedback(body: bytes) -> None:
    batch = read_feedback(body, 1)
    assert batch.malformed or batch.items or batch.rejected or json.loads(body) == []
    json.dumps(batch.rejected).encode()


HEADS: Final = [
    b"POST /v2/models/credit/infer?a=1 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 2\r\nContent-Type: text/plain; "
    b"charset=utf-8\r\nConnection: x-a, close\r\nX-A: 1\r\nVia: 1.1 x\r\n\r\n{}",
    b"GET http://a/b;c=%20 HTTP/1.0\r\nTransfer-Encoding: chunked\r\nX-Request-Id: a\r\ntraceparent: 00-1-1-1\r\n\r\n",
]
HEAD_WORDS: Final = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\x00",
        b"\xff",
        b": ",
        b"Host: b\r\n",
        b"Host:",
        b"Content-Length: 3\r\n",
        b"%2e",
        b"//",
    ),
    *(b"Content_Length: 1\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c"),
    *(b"Connection: host\r\n", b"HTTP/1.0", b"PUT ", b"/v1/models/m:predict", b"..", b"%00", b";a", b"#", b'charset="'),
    *(b"Inference-Header-Content-Length: 0\r\n", b"Content-Encoding: gzip\r\n", b" ", b"\t", b"http://", b"@"),
]
YAML_WORDS: Final = [
    *(b"\n", b"  ", b"\t", b": ", b"- ", b"{", b"}", b"[", b"]", b"&a ", b"*a", b"<<: ", b"!!int ", b"'", b'"', b"|\n"),
    *(b"null", b"no", b"0123", b"1e999", b"---\n", b"\x00", b"\xff", b"features:", b"on_violation: ", b"[" * 200),
    *(b"type: int", b"min: ", b"values: [", b"pattern: '(a+)+$'", b"model: {protocol: oip}", b"mode: enforce"),
]

TARGETS: Final[dict[str, Target]] = {
    "document": Target(run_document, [b'{"a":[1,2.5,"x\\u00e9",null,true,{"b":{}}]}', b"[NaN,-Infinity]"], JSON_WORDS),
    "coding": Target(
        run_coding, [bytes([at]) + encode_body(b'{"a":1}' * 9, c) for at, c in enumerate(("gzip", "deflate"))], [b"\0"]
    ),
    "policy": Target(run_policy, [path.read_bytes() for path in POLICIES], YAML_WORDS),
    "head": Target(run_head, HEADS, HEAD_WORDS),
    "feedback": Target(
        run_feedback,
        [b'{"prediction_id":"p","label":1}\n{"key":"k","row":0}', b'[{"request_id":"r","exposed":true}]'],
        JSON_WORDS,
    ),
    **{f"request-{name}": request_target(name) for name in GUARDS},
    **{f"reply-{name}": reply_target(name) for name in GUARDS},
    **{f"edit-{name}": edit_target(name) for name in GUARDS},
}
