"""Tensors that nobody asked for: named, pointed at, and taken out like any other cell."""

from __future__ import annotations

import json

from sidecar.edits import splice
from sidecar.rows import MISSING, Change
from sidecar.wire.oip import Oip

BODY = json.dumps(
    {
        "inputs": [
            {"name": "age", "shape": [2], "datatype": "INT64", "data": [1, 2]},
            {"name": "a/b", "shape": [2, 1], "datatype": "FP64", "data": [3.5, 4.5]},
        ]
    }
).encode()


def test_an_unknown_tensor_is_pointed_at_where_it_is() -> None:
    rows = Oip().bind({"age": ""}, ()).read_request(BODY, lambda _: None)
    assert list(rows.unknown) == ["a/b"]
    assert rows.pointer("a/b", 1) == "/inputs/1/data/1"


def test_an_unknown_tensor_can_be_taken_out() -> None:
    codec = Oip().bind({"age": ""}, ())
    spans = codec.edit_request(BODY, [Change(0, "a/b", MISSING), Change(1, "a/b", MISSING)])
    assert [tensor["name"] for tensor in json.loads(splice(BODY, spans))["inputs"]] == ["age"]
