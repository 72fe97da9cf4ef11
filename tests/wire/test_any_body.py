"""Whatever arrives, a codec gives rows or a WireError: never another exception, never a body its own edits break."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.edits import splice
from sidecar.errors import WireError
from sidecar.rows import MISSING, Change, TypedFeature
from sidecar.wire import Codec
from sidecar.wire.document import parse
from sidecar.wire.oip import Oip
from sidecar.wire.openai import OpenAi
from sidecar.wire.plain import PlainJson
from sidecar.wire.tfserving import TfServing

CODECS: dict[str, Codec] = {
    "oip matrix": Oip(columns={"x": ("a", "b")}).bind({"a": "", "b": ""}, ["s"]),
    "oip named": Oip().bind({"a": "", "b": "x[1]"}, ["s", "a"]),
    "tfserving": TfServing().bind({"a": "", "b": ""}, ["s"]),
    "tfserving lists": TfServing(columns=("a", "x", "b")).bind({"a": "", "b": ""}, ["s", "a"]),
    "json": PlainJson(rows="/inputs", predictions="/outputs").bind({"a": "", "b": "/x/0"}, ["s"]),
    "openai": OpenAi(predictions={"s": "/choices/0/s"}).bind({"a": "", "b": "/x/b"}, ["s"]),
    "openai flat": OpenAi(predictions={"s": "/s"}).bind({"a": "", "b": ""}, ["s"]),
    "json body": PlainJson(predictions={"s": "/s"}).bind({"a": "/a/b", "b": "/1"}, ["s"]),
}
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-2, 300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=2)
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "x", "s"]), inner, max_size=3)
    ),
    max_leaves=8,
)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "x", "s"]),
        "shape": st.sampled_from([[1], [2], [1, 2], [2, 2], [2, 1], [1, 1], []]),
        "datatype": st.sampled_from(["FP64", "INT64", "BYTES", "BOOL"]),
        "data": st.sampled_from([[1], [1, 2], [[1, 2]], [[1, 2], [3, 4]], [1, 2, 3, 4], [[1], [2]], ["t"]]) | anything,
    }
)
top = ["inputs", "outputs", "instances", "predictions", "id", "parameters", "a", "s"]
bodies = anything | st.dictionaries(st.sampled_from(top), anything | st.lists(tensors, max_size=3), max_size=4)
changes = st.lists(st.sampled_from([0, 1.5, "t", None, MISSING, [1, 2]]), min_size=4, max_size=4)


def nothing(name: str) -> str | None:
    return None


@pytest.mark.parametrize("name", CODECS)
@settings(deadline=None, max_examples=80)
@given(value=bodies, new=changes)
def test_rows_or_a_wire_error(name: str, value: Any, new: list[Any]) -> None:
    codec, body = CODECS[name], json.dumps(value).encode()
    try:
        rows = codec.read_request(body, nothing)
    except WireError as error:
        assert error.message
    else:
        assert all(len(column) == rows.count for column in rows.columns.values())
        assert {"a", "b"} <= set(rows.columns)
        for row in range(rows.count):
            assert all(isinstance(rows.pointer(feature, row), str) for feature in ("a", "b"))
        wanted = [
            Change(row, feature, new[row + 2 * (feature == "a")]) for row in range(rows.count)[:2] for feature in "ab"
        ]
        try:
            parse(splice(body, codec.edit_request(body, wanted, [1] if rows.count > 1 else [])))
        except WireError as error:
            assert error.message


@pytest.mark.parametrize("name", CODECS)
@settings(deadline=None, max_examples=80)
@given(value=bodies)
def test_predictions_or_a_wire_error(name: str, value: Any) -> None:
    codec, body = CODECS[name], json.dumps(value).encode()
    try:
        rows = codec.read_reply(body)
        edited = splice(
            body, codec.edit_reply(body, [Change(0, "s", 0.5)], {0: {"s": 1.0}, rows.count + 1: {"s": 2.0}})
        )
        parse(edited)
    except WireError as error:
        assert error.message
    else:
        assert all(len(column) == rows.count for column in rows.columns.values())


@pytest.mark.parametrize("name", CODECS)
@settings(deadline=None, max_examples=80)
@given(value=bodies)
def test_an_accept_never_raises_and_never_accepts_what_cannot_be_read(name: str, value: Any) -> None:
    codec, body = CODECS[name], json.dumps(value).encode()
    accept = codec.request_acceptor({"a": TypedFeature(float), "b": TypedFeature(float | None)}, closed=True)
    if accept is not None and (count := accept(body)):
        rows = codec.read_request(body, nothing)
        assert (rows.count, dict(rows.unknown)) == (count, {})
        assert all(type(value) in (int, float) for value in rows.columns["a"])
    reply = codec.reply_acceptor({"s": TypedFeature(float)})
    for count in (1, 2):
        if reply is not None and reply(body, count) is not None:
            assert len(codec.read_reply(body).columns["s"]) == count
