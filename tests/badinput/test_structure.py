"""B34, B35: bodies built to be expensive or to mislead are refused, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sidecar.gateway import GatewaySettings
from sidecar.guard import Guard
from sidecar.rows import Rows
from sidecar.wire import HeaderLookup
from tests.badinput.desk import BAD_ROW, CLEAN_ROW, PROTOCOLS, bound, port, post, refused, tensor
from tests.kit.client import eventually, request
from tests.kit.guards import BrokenCodec
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio

DEEP = 100_000
MILLION = 1_000_000


def twisted(body: bytes) -> dict[str, tuple[int, bytes]]:
    """One clean body, bent in every way of the list, and the status each must get."""
    last = body.rstrip(b"}")
    tail = body[len(last) :]
    return {
        "depth 100 000": (413, b"[" * DEEP + b"]" * DEEP),
        "depth 100 000, never closed": (413, b"[" * DEEP),
        "objects 100 000 deep": (413, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        "depth inside a clean body": (413, last + b',"z":' + b"[" * 200 + b"]" * 200 + tail),
        "a million elements": (413, b"[" + b"1," * MILLION + b"1]"),
        "a million members": (413, b"{" + b",".join(b'"k%d":1' % at for at in range(MILLION)) + b"}"),
        "a string of 10 MB": (400, b'{"x":"' + b"a" * 10_000_000 + b'"}'),
        "a number of a million digits": (400, b"[" + b"1" * MILLION + b"]"),
        "a lone surrogate": (400, b'{"x":"\\ud800"}'),
        "a surrogate that is raw": (400, b'{"x":"\xed\xa0\x80"}'),
        "a byte order mark": (400, b"\xef\xbb\xbf" + body),
        "UTF-16": (400, body.decode().encode("utf-16")),
        "UTF-16 without a mark": (400, body.decode().encode("utf-16-le")),
        "UTF-32": (400, body.decode().encode("utf-32")),
        "an overlong encoding": (400, body + b"\xc0\xa0"),
        "NUL behind it": (400, body + b"\0"),
        "two values": (400, body + body),
        "a comment": (400, body + b"/* */"),
        "a comma too many": (400, last + b"," + tail),
        "nothing but space": (400, b" \t\r\n" * 1000),
        "nothing": (400, b""),
        "null": (400, b"null"),
        "a text that holds the body": (400, json.dumps(body.decode()).encode()),
        "a list around the body": (400, b"[" + body + b"]"),
    }


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
async def test_b34_structures(tmp_path: Path, protocol: str) -> None:
    async with port(tmp_path, protocol) as world:
        for name, (status, body) in twisted(PROTOCOLS[protocol].write([CLEAN_ROW])).items():
            found = await refused(world, post(protocol, body))
            assert found.status == status, (name, found.status, found.body)
            assert len(found.body) < 2000, name
        assert (await world.ask(post(protocol, PROTOCOLS[protocol].write([CLEAN_ROW])))).status == 200


REPEATED = {
    "matrix": [
        b'{"inputs":[X],"inputs":[Y]}',
        b'{"\\u0069nputs":[Y],"inputs":[X]}',
        b'{"inputs":[{"name":"input-0","shape":[1,2],"datatype":"FP64","data":[30,1],"data":[130,1]}]}',
        b'{"inputs":[{"name":"input-0","shape":[1,2],"datatype":"FP64","data":[30,1],"d\\u0061ta":[130,1]}]}',
        b'{"inputs":[{"name":"x","name":"input-0","shape":[1,2],"datatype":"FP64","data":[30,1]}]}',
        b'{"inputs":[X,Y]}',
        b'{"inputs":[X],"Inputs":[Y]}',
        b'{"inputs":[X],"parameters":{"a":1,"a":2}}',
        b'{"inputs":[X],"z":{"a":[{"b":1,"b":2}]}}',
    ],
    "instances": [
        b'{"instances":[{"age":30,"income":1}],"instances":[{"age":130,"income":1}]}',
        b'{"instances":[{"age":30,"income":1,"age":130}]}',
        b'{"instances":[{"age":30,"income":1,"\\u0061ge":130}]}',
        b'{"instances":[{"age":30,"income":1}],"inputs":{"age":[130],"income":[1]}}',
        b'{"instances":[{"age":30,"income":1}],"z":{"a":1,"a":2}}',
        b'{"instances":[{"age":30,"income":1}],"Instances":[{"age":130,"income":1}]}',
        b'{"instances":[{"age":30,"income":1}],"in\\u017ftances":[{"age":130,"income":1}]}',
    ],
    "json": [
        b'{"features":[[30,1]],"features":[[130,1]]}',
        b'{"features":[[30,1]],"\\u0066eatures":[[130,1]]}',
        b'{"features":[[30,1]],"z":[{"a":1,"a":2}]}',
        b'{"features":[[30,1]],"Features":[[130,1]]}',
    ],
}
TENSORS = (
    json.dumps(tensor("input-0", [30, 1], [1, 2])).encode(),
    json.dumps(tensor("input-0", [130, 1], [1, 2])).encode(),
)


@pytest.mark.parametrize("protocol", sorted(REPEATED))
async def test_b34_two_readings_of_one_body_are_refused_at_every_level(tmp_path: Path, protocol: str) -> None:
    async with port(tmp_path, protocol) as world:
        for body in REPEATED[protocol]:
            first, second = TENSORS
            found = await refused(world, post(protocol, body.replace(b"X", first).replace(b"Y", second)))
            assert found.status == 400, (body, found.body)
            assert world.exchanges()[-1].reason == "ambiguous", body


HUGE = 2**40
MATRICES: dict[str, tuple[int, list[Any]]] = {
    "one value too few": (422, [tensor("input-0", [30], [1, 2])]),
    "one value too many": (422, [tensor("input-0", [30, 1, 130], [1, 2])]),
    "rows of the wrong width": (422, [tensor("input-0", [30, 1, 5], [1, 3])]),
    "a transposed shape": (422, [tensor("input-0", [30, 1, 30, 1, 130, 1], [2, 3])]),
    "nested otherwise than the shape": (422, [tensor("input-0", [[30], [1]], [1, 2])]),
    "half nested": (422, [tensor("input-0", [[30, 1], 30, 1], [2, 2])]),
    "half nested the other way": (422, [tensor("input-0", [30, [1]], [1, 2])]),
    "a negative dimension": (422, [tensor("input-0", [30, 1], [-1, 2])]),
    "two negative dimensions": (422, [tensor("input-0", [30, 1], [-1, -2])]),
    "no rows": (422, [tensor("input-0", [], [0, 2])]),
    "a huge dimension": (422, [tensor("input-0", [30, 1], [HUGE, 2])]),
    "a product that overflows 64 bits to 2": (422, [tensor("input-0", [30, 1], [2**32, 2**32, 2])]),
    "a dimension that overflows": (422, [tensor("input-0", [30, 1], [2**64 + 1, 2])]),
    "a hundred thousand dimensions": (422, [tensor("input-0", [30, 1], [1] * 100_000 + [2])]),
    "a fraction of a dimension": (422, [tensor("input-0", [30, 1], [1.5, 2])]),
    "a dimension that is true": (422, [tensor("input-0", [30, 1], [True, 2])]),
    "a dimension in words": (422, [tensor("input-0", [30, 1], ["1", 2])]),
    "no shape": (400, [{"name": "input-0", "datatype": "FP64", "data": [30, 1]}]),
    "a shape that is a number": (400, [tensor("input-0", [30, 1]) | {"shape": 2}]),
    "a scalar": (422, [tensor("input-0", [30], [])]),
    "no data": (400, [{"name": "input-0", "datatype": "FP64", "shape": [1, 2]}]),
    "data that is text": (400, [tensor("input-0", [30, 1], [1, 2]) | {"data": "AAAA"}]),
    "data that is an object": (400, [tensor("input-0", [30, 1], [1, 2]) | {"data": {"0": 30}}]),
    "no datatype": (400, [{"name": "input-0", "shape": [1, 2], "data": [30, 1]}]),
    "a datatype nobody knows": (415, [tensor("input-0", [30, 1], [1, 2], "FP65")]),
    "a datatype in lower case": (415, [tensor("input-0", [30, 1], [1, 2], "fp64")]),
    "a fraction in an integer tensor": (422, [tensor("input-0", [30, 1.5], [1, 2], "INT64")]),
    "a number the datatype wraps": (422, [tensor("input-0", [300, 1], [1, 2], "UINT8")]),
    "a number the datatype loses": (422, [tensor("input-0", [30, 1e39], [1, 2], "FP32")]),
    "numbers among BYTES": (422, [tensor("input-0", [30, 1], [1, 2], "BYTES")]),
    "no name": (400, [{"shape": [1, 2], "datatype": "FP64", "data": [30, 1]}]),
    "a tensor that is a list": (400, [[30, 1]]),
    "no tensors": (400, []),
    "only tensors nobody asked for": (422, [tensor("other", [30, 1], [1, 2])]),
    "shared memory": (
        415,
        [tensor("input-0", [30, 1], [1, 2], parameters={"shared_memory_region": "r", "shared_memory_byte_size": 16})],
    ),
    "shared memory and no data": (
        415,
        [
            {
                "name": "input-0",
                "shape": [1, 2],
                "datatype": "FP64",
                "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 16},
            }
        ],
    ),
    "a binary tensor": (415, [tensor("input-0", [30, 1], [1, 2], parameters={"binary_data_size": 16})]),
    "a binary tensor of no bytes": (415, [tensor("input-0", [30, 1], [1, 2], parameters={"binary_data_size": 0})]),
    "base64 content": (415, [tensor("input-0", ["AA", "AA"], [1, 2], "BYTES", parameters={"content_type": "base64"})]),
}


async def test_b35_tensor_arithmetic(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for name, (status, inputs) in MATRICES.items():
            found = await refused(world, post("matrix", json.dumps({"inputs": inputs}).encode()))
            assert found.status == status, (name, found.body)


NAMED: dict[str, tuple[int, list[Any]]] = {
    "a row more in one": (422, [tensor("age", [30, 130]), tensor("income", [1])]),
    "one tensor twice": (400, [tensor("age", [30]), tensor("income", [1]), tensor("age", [130])]),
    "one tensor twice, the second unnamed": (400, [tensor("age", [30]), tensor("income", [1]), tensor("", [130])]),
    "a list where a value belongs": (422, [tensor("age", [30, 130], [1, 2]), tensor("income", [1], [1, 1])]),
    "a value more than the shape": (422, [tensor("age", [30, 130], [1]), tensor("income", [1])]),
    "one missing": (422, [tensor("income", [1])]),
    "a name in another case": (422, [tensor("Age", [30]), tensor("income", [1])]),
    "a name with a space": (422, [tensor("age ", [30]), tensor("income", [1])]),
}


async def test_b35_named_tensors(tmp_path: Path) -> None:
    async with port(tmp_path, "tensors") as world:
        for name, (status, inputs) in NAMED.items():
            found = await refused(world, post("tensors", json.dumps({"inputs": inputs}).encode()))
            assert found.status == status, (name, found.body)


@dataclass(frozen=True)
class Waiting(BrokenCodec):
    """A codec whose exact path waits until it is told to go on: hours of work, as far as the others can see."""

    go_on: threading.Event = field(default_factory=threading.Event)
    threads: list[str] = field(default_factory=list)

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        self.threads.append(threading.current_thread().name)
        if threading.current_thread() is not threading.main_thread():
            assert self.go_on.wait(10)
        return self.real.read_request(body, header)


LONG: Mapping[str, tuple[bytes, tuple[bytes, ...]]] = {
    "a long body": (PROTOCOLS["matrix"].write([BAD_ROW] * 4000), ()),
    "a short body that is long once decoded": (
        gzip.compress(PROTOCOLS["matrix"].write([BAD_ROW] * 40_000)),
        (b"Content-Encoding: gzip",),
    ),
}


@pytest.mark.parametrize("name", sorted(LONG))
async def test_b34_others_are_answered_while_a_long_body_is_judged(tmp_path: Path, name: str) -> None:
    real = bound(tmp_path, "matrix")
    codec = Waiting(real.codec, "none")
    slow = Guard(real.identity, codec, real.contract)
    body, fields = LONG[name]
    good = replies(answer(PROTOCOLS["matrix"].reply([0.5])))
    async with running(tmp_path, default=good, guards=[slow]) as world:
        asking = asyncio.ensure_future(world.ask(post("matrix", body, *fields)))
        await eventually(lambda: codec.threads)
        assert (await world.ask(request("/ping"), "GET")).status == 200
        assert (await world.ask(post("matrix", PROTOCOLS["matrix"].write([BAD_ROW])))).status == 422
        assert not asking.done()
        codec.go_on.set()
        assert (await asking).status == 422
        assert codec.threads[0] != "MainThread" and codec.threads[1:] == ["MainThread"]


async def test_b34_a_caller_who_leaves_while_being_judged_is_forgotten(tmp_path: Path) -> None:
    real = bound(tmp_path, "matrix")
    codec = Waiting(real.codec, "none")
    slow = Guard(real.identity, codec, real.contract)
    async with running(tmp_path, guards=[slow]) as world:
        async with world.connected() as client:
            await client.send(post("matrix", LONG["a long body"][0]))
            await eventually(lambda: codec.threads)
        await eventually(lambda: not world.gateway.in_flight)
        codec.go_on.set()
        assert (await world.ask(post("matrix", PROTOCOLS["matrix"].write([BAD_ROW])))).status == 422
        assert world.upstream.requests == [] and world.gateway.buffered_bytes == 0


async def test_b34_a_long_body_is_refused_by_its_stated_length_before_it_is_sent(tmp_path: Path) -> None:
    async with port(tmp_path, settings=GatewaySettings(max_body_bytes=1000)) as world, world.connected() as client:
        await client.send(post("matrix", b"x" * 1001)[:-1001])
        assert (await client.answer()).status == 413
        assert await client.closed()
        assert world.upstream.requests == []
