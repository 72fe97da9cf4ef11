"""Ways around a contract: each is tried, and none is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.badinput.desk import BAD_ROW, CLEAN_ROW, PROTOCOLS, bound, port, post, refused, tensor
from tests.kit.client import request
from tests.kit.guards import renamed
from tests.kit.running import Running, running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio

CLEAN = {name: made.write([CLEAN_ROW]) for name, made in PROTOCOLS.items()}
BAD = {name: made.write([BAD_ROW]) for name, made in PROTOCOLS.items()}
INFER, PREDICT = PROTOCOLS["matrix"].path, PROTOCOLS["instances"].path


async def same_model(world: Running, sent: bytes, clean: bytes) -> None:
    """Judged as the model's own path is: the bad row is refused, the good one is answered, with these very bytes."""
    await refused(world, sent)
    found = await world.ask(clean)
    assert found.status == 200, found.body
    assert found.value("x-contract-verdict") == "ok"


# -- the request line

OIP_SPELLINGS = [
    INFER,
    INFER + "/",
    INFER + "?a=1",
    INFER + "?",
    INFER + ";v=1",
    "/v2/models/credit;v=1/infer",
    "/v2/models/credit/infer/;x",
    "/v2/models/credit/versions/1/infer",
    "/v2/models/credit/versions/nonsense/infer",
    "/v2/models/cr%65dit/infer",
    "/v2/models/%63%72%65%64%69%74/infer",
    "/v2/models/credit/inf%65r",
    "/v2/%6d%6F%64%65%6c%73/credit/infer",
    "/%762/models/credit/infer",
    "/V2/models/credit/infer",
    "/v2/Models/credit/Infer",
    "/V2/MODELS/credit/INFER/",
    "/v2/models/credit/explain",
    "/v2/models/credit/infer_stream",
    "/v2/models/credit/generate",
    "/v2/models/credit/a-verb-of-tomorrow",
]


async def test_every_spelling_of_a_path_is_the_same_model(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for path in OIP_SPELLINGS:
            await same_model(world, request(path, BAD["matrix"]), request(path, CLEAN["matrix"]))
            assert world.upstream.received.target == path.encode()


TFSERVING_SPELLINGS = [
    PREDICT,
    "/v1/models/credit:Predict",
    "/V1/MODELS/credit:PREDICT",
    "/v1/models/credit/versions/7:predict",
    "/v1/models/credit/labels/stable:predict",
    "/v1/models/credit%3apredict",
    "/v1/models/credit:predict/",
    "/v1/models/credit:classify",
    "/v1/models/credit:regress",
    "/v1/models/credit:explain",
]


async def test_every_spelling_of_a_verb_is_the_same_model(tmp_path: Path) -> None:
    async with port(tmp_path, "instances") as world:
        for path in TFSERVING_SPELLINGS:
            await same_model(world, request(path, BAD["instances"]), request(path, CLEAN["instances"]))


async def test_every_spelling_of_a_path_of_ones_own(tmp_path: Path) -> None:
    async with port(tmp_path, "json") as world:
        for path in ("/predict", "/predict/", "/Predict", "/PREDICT", "/predict;a=b", "/predict?x", "/pr%65dict"):
            await same_model(world, request(path, BAD["json"]), request(path, CLEAN["json"]))


ELSEWHERE = [
    "/v2/models/other/infer",
    "/v2/models/CREDIT/infer",
    "/v2/models/credit%20/infer",
    "/v2/models/cr%2565dit/infer",
    "/v2/models/credit%0a/infer",
    "/v2/models/credit%3F/infer",
    "/v2/models//infer",
    "/v2/models/credit//infer",
    "/v2/models/x/../credit/infer",
    "/v2/models/x/..;/credit/infer",
    "/v2/models/%2e/credit/infer",
    "/v2/models/credit%2finfer",
    "/v2/models/credit/infer%2f",
    "/v2/models/credit%00/infer",
    "//v2/models/credit/infer",
    "/./v2/models/credit/infer",
    "/v1/models/other:predict",
    "/v2/systemsharedmemory/region/r/register",
    "/v2/cudasharedmemory/region/r/register",
    "/v2/SystemSharedMemory/region/r/register",
    "/v2/repository/models/credit/load",
    "/v2/repository/models/credit/unload",
]


async def test_what_is_not_the_model_is_refused_too(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for path in ELSEWHERE:
            for body in (BAD["matrix"], CLEAN["matrix"], BAD["instances"]):
                found = await refused(world, request(path, body))
                assert found.status in (400, 403), (path, found.status)


async def test_the_v1_spelling_of_a_v2_model_is_not_another_model(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for body in (BAD["matrix"], BAD["instances"], BAD["columnar"]):
            found = await refused(world, request(PREDICT, body))
            assert found.status in (415, 422)
    async with port(tmp_path, "instances") as world:
        for body in (BAD["matrix"], BAD["instances"], BAD["columnar"]):
            await refused(world, request(INFER, body))


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE", b"PROPFIND", b"REPORT", b"QUERY", b"SEARCH"])
async def test_any_method_with_a_body_is_judged(tmp_path: Path, method: bytes) -> None:
    for protocol in ("matrix", "instances", "json"):
        async with port(tmp_path, protocol) as world:
            await refused(world, post(protocol, BAD[protocol], method=method))


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
async def test_a_reading_method_with_a_body_is_judged(tmp_path: Path, method: bytes) -> None:
    """`X-HTTP-Method-Override` and handlers that take any method make a POST of it."""
    override = b"X-HTTP-Method-Override: POST"
    for protocol in ("matrix", "instances", "json"):
        async with port(tmp_path, protocol) as world:
            sent = post(protocol, BAD[protocol], override, method=method)
            await refused(world, sent, method.decode())
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BAD[protocol]), BAD[protocol])
            sent = post(protocol, None, b"Transfer-Encoding: chunked", method=method) + chunks
            await refused(world, sent, method.decode())
            assert (await world.ask(post(protocol, CLEAN[protocol], method=method), method.decode())).status in (
                200,
                502,  # an answer to HEAD has no prediction in it
            )


async def test_a_reading_method_without_a_body_asks_nothing(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for method in (b"GET", b"HEAD", b"OPTIONS"):
            assert (await world.ask(post("matrix", None, method=method), method.decode())).status == 200
    async with port(tmp_path, "json") as world:
        assert (await world.ask(post("json", None, method=b"OPTIONS"), "OPTIONS")).status == 200
        await refused(world, post("json", None, method=b"GET"), "GET")  # a handler may read the query instead


@pytest.mark.parametrize("method", [b"post", b"Post", b"INFER", b"P\xd6ST", b""])
async def test_a_method_of_ones_own_is_not_http(tmp_path: Path, method: bytes) -> None:
    async with port(tmp_path) as world:
        sent = post("matrix", BAD["matrix"], method=b"POST").replace(b"POST", method, 1)
        assert (await refused(world, sent)).status == 400


async def test_other_ways_to_send_one_request(tmp_path: Path) -> None:
    body = BAD["matrix"]
    half = len(body) // 2
    pieces = b'%x;a=b;c="d"\r\n%b\r\n%x\r\n%b\r\n0\r\nX-Late: 1\r\n\r\n' % (
        half,
        body[:half],
        len(body) - half,
        body[half:],
    )
    ways = {
        "HTTP/1.0": post("matrix", body, version=b"1.0"),
        "HTTP/1.0 without Host": post("matrix", body, version=b"1.0").replace(b"Host: model.test\r\n", b""),
        "chunks with extensions and a trailer": post("matrix", None, b"Transfer-Encoding: chunked", method=b"POST")
        + pieces,
        "absolute form": request(b"http://model.test" + INFER.encode(), body),
        "absolute form of TLS": request(b"HTTPS://MODEL.test" + INFER.encode(), body),
        "no label": post("matrix", body),
        "a length with zeros": post("matrix", None, b"Content-Length: 00%d" % len(body), method=b"POST") + body,
        "a body offered with h2c": post("matrix", body, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
        "an address for CGI": post("matrix", body, b"X-Original-URL: /health", b"X-Rewrite-URL: /health"),
    }
    async with port(tmp_path) as world:
        for name, sent in ways.items():
            assert (await refused(world, sent)).status == 422, name


async def test_a_caller_who_waits_for_continue_is_judged_before_the_model_hears_of_it(tmp_path: Path) -> None:
    async with port(tmp_path) as world, world.connected() as client:
        sent = post("matrix", BAD["matrix"], b"Expect: 100-continue")
        at = sent.index(b"\r\n\r\n") + 4
        await client.send(sent[:at])
        assert (await client.head()).status == 100
        await client.send(sent[at:])
        assert (await client.answer()).status == 422
        assert world.upstream.connections == 0


# -- bodies


def oip(*tensors: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors)} | more).encode()


GOOD, EVIL = tensor("input-0", [30, 1.5], [1, 2]), tensor("input-0", [130, 1.5], [1, 2])
HIDDEN = {
    "the evil tensor second": oip(GOOD, EVIL),
    "the evil tensor first": oip(EVIL, GOOD),
    "an escaped name": oip(GOOD)[:-2]
    + b","
    + json.dumps(EVIL).replace('"input-0"', '"inp\\u0075t-0"').encode()
    + b"]}",
    "another order of keys": b'{"inputs":[{"data":[130,1.5],"datatype":"FP64","shape":[1,2],"name":"input-0"}]}',
    "behind the clean row": oip(tensor("input-0", [30, 1.5, 130, 1.5], [2, 2])),
    "a thousand clean rows before": oip(tensor("input-0", [30, 1.5] * 1000 + [130, 1.5], [1001, 2])),
    "an id that looks like a tensor": oip(EVIL, id=json.dumps(GOOD)),
    "an unwanted output": oip(EVIL, outputs=[{"name": "other"}]),
    "parameters that hide it": oip(EVIL | {"parameters": {"content_type": "np"}}),
    "binary outputs with a binary input": oip(GOOD | {"parameters": {"binary_data_size": 8}}),
    "as text": oip(tensor("input-0", ["30", "1"], [1, 2], "BYTES")),
    "as true": oip(tensor("input-0", [True, 1], [1, 2], "BOOL")),
    "as nothing": oip(tensor("input-0", [None, 1], [1, 2])),
    "padded": b" " * 300_000 + oip(EVIL),
    "an instance beside it": oip(EVIL, instances=[CLEAN_ROW]),
}


async def test_no_way_of_hiding_a_row_in_tensors(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for name, body in HIDDEN.items():
            found = await refused(world, post("matrix", body))
            assert found.status in (400, 415, 422), name


HARMLESS = {
    "an extra tensor": oip(GOOD, tensor("extra", [1])),
    "an extra tensor of another length": oip(GOOD, tensor("extra", [1, 2, 3])),
    "an unknown key": oip(GOOD, z={"inputs": [EVIL]}),
    "an unknown key of a tensor": oip(GOOD | {"z": EVIL}),
    "parameters nobody knows": oip(GOOD, parameters={"a": 1}),
    "a body of another protocol beside it": oip(GOOD, instances=[BAD_ROW]),
}


async def test_what_the_contract_does_not_speak_of_passes_as_it_is(tmp_path: Path) -> None:
    """`unknown_features: ignore` is the default; nothing in these can be taken for the guarded tensor."""
    async with port(tmp_path) as world:
        for name, body in HARMLESS.items():
            assert (await world.ask(post("matrix", body))).status == 200, name
            assert world.upstream.received.body == body


CLOSED = """
unknown_features: reject
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000000}
"""


@pytest.mark.parametrize("protocol", ["matrix", "tensors", "instances", "columnar", "objects"])
async def test_a_closed_contract_takes_no_name_it_does_not_know(tmp_path: Path, protocol: str) -> None:
    """Also not through the fast accept, which never sees what it is not asked for."""
    async with port(tmp_path, protocol, features=CLOSED) as world:
        made = PROTOCOLS[protocol]
        assert (await world.ask(post(protocol, made.write([CLEAN_ROW])))).status == 200
        found = await refused(world, post(protocol, more_than_asked(protocol)))
        assert (found.status, b"unknown.x" in found.body) == (422, True)


def more_than_asked(protocol: str) -> bytes:
    if protocol == "matrix":
        return oip(GOOD, tensor("x", [1]))
    return PROTOCOLS[protocol].write([{**CLEAN_ROW, "x": 1}])


@pytest.mark.parametrize("protocol", ["matrix", "tensors", "instances", "columnar", "objects"])
async def test_a_name_that_is_stripped_never_reaches_the_model(tmp_path: Path, protocol: str) -> None:
    async with port(tmp_path, protocol, features=CLOSED.replace("reject", "strip")) as world:
        found = await world.ask(post(protocol, more_than_asked(protocol)))
        assert (found.status, found.value("x-contract-verdict")) == (200, "repaired;rows=1")
        clean = oip(GOOD | {"data": [30, 1.5]}) if protocol == "matrix" else CLEAN[protocol]
        assert json.loads(world.upstream.received.body) == json.loads(clean)


EMPTY = {
    "matrix": [b"", b"{}", oip(), oip(tensor("input-0", [], [0, 2])), oip(tensor("x", [1]))],
    "instances": [b"", b"{}", b'{"instances":[]}', b'{"instances":{}}', b'{"instances":[{}]}', b'{"inputs":{}}'],
    "columnar": [b'{"inputs":{"age":[],"income":[]}}', b'{"inputs":[]}', b'{"inputs":{"x":[1]}}'],
    "json": [b"", b"{}", b'{"features":[]}', b'{"features":[[]]}', b'{"features":null}', b'{"features":{}}'],
    "objects": [b'{"rows":[]}', b'{"rows":[{}]}', b'{"rows":{}}', b'{"rows":[[30,1]]}', b'{"rows":[null]}'],
}


@pytest.mark.parametrize("protocol", sorted(EMPTY))
async def test_nothing_is_not_a_clean_row(tmp_path: Path, protocol: str) -> None:
    async with port(tmp_path, protocol) as world:
        for body in EMPTY[protocol]:
            assert (await refused(world, post(protocol, body))).status in (400, 415, 422), body
        await refused(world, post(protocol, None, method=b"POST"))


# -- answers


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
async def test_an_answer_without_the_checked_prediction_is_withheld(tmp_path: Path, protocol: str) -> None:
    """Whatever made the model leave it out: `outputs`, a signature, another version."""
    good = PROTOCOLS[protocol].reply([0.5])
    for reply in (
        good.replace(b"0.5", b""),
        good.replace(b"0.5", b"null"),
        good.replace(b"0.5", b"0.5, 0.5"),
        good.replace(b"0.5", b'"0.5"'),
        good.replace(b"0.5", b"1.5"),
        good.replace(b"0.5", b"{}"),
        good.replace(b"0.5", b"[]"),
        b"{}",
        b"",
        b"null",
        b"[]",
        b"ok",
        good + good,
        good[:-1],
    ):
        async with port(tmp_path, protocol, reply=reply) as world:
            found = await world.ask(post(protocol, CLEAN[protocol]))
            assert found.status == 502, (reply, found.body)
            assert found.value("x-contract-verdict") == "rejected"


async def test_outputs_may_be_chosen_but_not_so_that_nothing_is_checked(tmp_path: Path) -> None:
    wanted = oip(GOOD, outputs=[{"name": "other"}])
    other = json.dumps({"model_name": "credit", "outputs": [tensor("other", [9, 9])]}).encode()
    async with port(tmp_path, reply=other) as world:
        assert (await world.ask(post("matrix", wanted))).status == 502
        assert world.upstream.received.body == wanted  # clean as it is: it is the answer that breaks the contract


async def test_binary_answers_are_not_skipped(tmp_path: Path) -> None:
    """Asked for by the caller, sent by the server: an answer that nobody can look into is not the model's to give."""
    wanted = oip(GOOD, outputs=[{"name": "score", "parameters": {"binary_data": True}}])
    head = {"name": "score", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}
    packed = json.dumps({"model_name": "credit", "outputs": [head]}).encode() + b"\0" * 8
    async with port(tmp_path, reply=packed) as world:
        assert (await world.ask(post("matrix", wanted))).status == 502


# -- several policies


async def test_without_a_name_several_policies_refuse(tmp_path: Path) -> None:
    credit = bound(tmp_path, "matrix")
    other = renamed(credit, name="other", model_name="other")
    good = replies(answer(PROTOCOLS["matrix"].reply([0.5])))
    async with running(tmp_path, default=good, guards=[credit, other]) as world:
        for path in ("/v2/models//infer", "/v2/models/third/infer", "/v1/models/third:predict"):
            assert (await refused(world, request(path, CLEAN["matrix"]))).status in (400, 403)
        for name in ("credit", "other"):
            path = f"/v2/models/{name}/infer"
            await same_model(world, request(path, BAD["matrix"]), request(path, CLEAN["matrix"]))
