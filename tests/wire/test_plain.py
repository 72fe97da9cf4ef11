"""Plain JSON: rows, columns and predictions where the policy's pointers say; and bodies nobody looks into."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.edits import splice
from sidecar.errors import WireError, WireFault
from sidecar.rows import MISSING, Change, TypedFeature
from sidecar.wire.opaque import Opaque
from sidecar.wire.plain import PlainCodec, PlainJson

IRIS = PlainJson(rows="/features", columns=("a", "b", "c")).bind({"c": ""}, [])
ROWS = PlainJson(rows="/in/rows", predictions="/out").bind({"age": "/customer/age", "job": ""}, ["score"])
BODY = PlainJson(predictions={"score": "/score", "label": "/label"}).bind(
    {"age": "/customer/age", "job": "", "tag": "/tags/1", "region": "header:X-Region"}, ["score", "label"]
)


def nothing(name: str) -> str | None:
    return None


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("features", "values", "pointer"),
    [
        ([[1, 2, 3], [4, 5, 6]], [3, 6], "/features/0/2"),
        ([1, 2, 3], [3], "/features/2"),
        ([{"c": 3, "a": 1}], [3], "/features/0/c"),
        ({"c": 3}, [3], "/features/c"),
    ],
)
def test_rows_and_columns(features: Any, values: list[int], pointer: str) -> None:
    rows = IRIS.read_request(text({"features": features, "more": 1}), nothing)
    assert rows.columns == {"c": values}
    assert rows.pointer("c", 0) == pointer
    assert not rows.unknown


def test_a_feature_s_pointer_starts_at_its_row() -> None:
    sent = text({"in": {"rows": [{"customer": {"age": 4}, "job": "x"}, {"customer": None, "z": 1}]}})
    rows = ROWS.read_request(sent, nothing)
    assert rows.columns == {"age": [4, MISSING], "job": ["x", MISSING]}
    assert rows.unknown == {"z": [1]}
    assert rows.pointer("age", 1) == "/in/rows/1/customer/age"


def test_without_rows_the_body_is_the_row() -> None:
    sent = text({"customer": {"age": 4}, "job": None, "tags": ["x", "y"]})
    rows = BODY.read_request(sent, {"x-region": "n"}.get)
    assert rows.columns == {"age": [4], "job": [None], "tag": ["y"], "region": ["n"]}
    assert (rows.count, rows.pointer("age", 0)) == (1, "/customer/age")
    many = BODY.read_request(text([{"job": "a"}, {"job": "b"}]), nothing)
    assert (many.count, many.columns["job"], many.pointer("job", 1)) == (2, ["a", "b"], "/1/job")


@pytest.mark.parametrize(
    ("codec", "sent", "fault"),
    [
        (IRIS, {"other": 1}, WireFault.MALFORMED),
        (IRIS, {"features": []}, WireFault.SHAPE),
        (IRIS, {"features": [[1, 2, 3], [1, 2]]}, WireFault.SHAPE),
        (IRIS, {"features": [[1, 2, 3], {"c": 1}]}, WireFault.SHAPE),
        (ROWS, {"in": {"rows": 5}}, WireFault.SHAPE),
    ],
)
def test_what_cannot_be_read(codec: PlainCodec, sent: Any, fault: WireFault) -> None:
    with pytest.raises(WireError) as caught:
        codec.read_request(text(sent), nothing)
    assert caught.value.fault is fault


def edited(codec: PlainCodec, sent: bytes, changes: list[Change], drop: tuple[int, ...] = ()) -> Any:
    return json.loads(splice(sent, codec.edit_request(sent, changes, drop)))


def test_edits_follow_the_pointers() -> None:
    sent = text({"in": {"rows": [{"customer": {"age": 4}, "job": "x"}, {"z": 1}, {}]}})
    changes = [Change(0, "age", 5), Change(0, "job", MISSING), Change(1, "age", 0)]
    assert edited(ROWS, sent, changes, (2,)) == {
        "in": {"rows": [{"customer": {"age": 5}}, {"z": 1, "customer": {"age": 0}}]}
    }
    assert edited(IRIS, text({"features": [1, 2, 3]}), [Change(0, "c", 9)]) == {"features": [1, 2, 9]}
    one = text({"customer": {"age": 4}})
    assert edited(BODY, one, [Change(0, "age", MISSING)]) == {"customer": {}}
    with pytest.raises(WireError, match="one row"):
        BODY.edit_request(one, [], (0,))
    with pytest.raises(WireError):
        BODY.edit_request(text({"customer": 5}), [Change(0, "age", 1)])


@pytest.mark.parametrize(
    ("answer", "values"),
    [({"out": [1, 2]}, [1, 2]), ({"out": 5}, [5]), ({"out": [{"score": 1}]}, [1]), ({"out": {"score": 1}}, [1])],
)
def test_predictions_at_one_pointer(answer: Any, values: list[Any]) -> None:
    assert ROWS.read_reply(text(answer)).columns == {"score": values}


def test_predictions_at_pointers_of_their_own() -> None:
    rows = BODY.read_reply(text({"score": [1, 2], "label": ["a", "b"]}))
    assert (rows.columns, rows.pointer("label", 1)) == ({"score": [1, 2], "label": ["a", "b"]}, "/label/1")
    assert BODY.read_reply(text({"score": 1})).columns == {"score": [1], "label": [MISSING]}
    with pytest.raises(WireError):
        BODY.read_reply(text({"score": [1, 2], "label": "a"}))
    sent = text({"score": [1], "label": ["a"]})
    spans = BODY.edit_reply(sent, [Change(0, "score", 2)], {0: {"score": 5}})
    assert json.loads(splice(sent, spans)) == {"score": [5, 2], "label": [None, "a"]}


def test_fallbacks_have_the_policy_s_shape() -> None:
    many = text({"in": {"rows": [{}]}})
    assert json.loads(ROWS.fallback_reply(many, [{"score": 1}])) == {"out": [1]}
    assert json.loads(ROWS.fallback_reply(text({"in": {"rows": {}}}), [{"score": 1}])) == {"out": 1}
    assert json.loads(BODY.fallback_reply(b"{}", [{"score": 1, "label": "a"}])) == {"score": 1, "label": "a"}
    named = PlainJson().bind({}, ["score"])
    assert json.loads(named.fallback_reply(b"{}", [{"score": 1}])) == {"score": 1}
    assert named.read_reply(named.fallback_reply(b"{}", [{"score": 1}])).columns == {"score": [1]}


@pytest.mark.parametrize(
    ("codec", "body", "rows"),
    [
        (IRIS, b'{"features":[[1,2,3],[4,"x",6]]}', 2),
        (IRIS, b'{"features": [1,2,3]}', 1),
        (IRIS, b'{"features":[[1,2,3]],"features":[[1,2,3]]}', 0),
        (IRIS, b'{"features":[[1,2,3]],"other":1}', 0),
        (IRIS, b'{"features":[[1,2]]}', 0),
        (ROWS, b'{"in":{"rows":[{"customer":{"age":4},"job":5}]}}', 1),
        (ROWS, b'{"in":{"rows":{"customer":{"age":4},"job":5}}}', 1),
        (ROWS, b'{"in":{"rows":[{"customer":{"age":4,"age":4},"job":5}]}}', 0),
        (ROWS, b'{"in":{"rows":[{"customer":{"age":4}}]}}', 0),
    ],
)
def test_accepts_are_proof(codec: PlainCodec, body: bytes, rows: int) -> None:
    accept = codec.request_acceptor({name: TypedFeature(float) for name in codec.layout.names}, closed=True)
    assert accept is not None
    assert accept(body) == rows
    if rows:
        assert codec.read_request(body, nothing).count == rows


def test_answers_are_accepted() -> None:
    accept = ROWS.reply_acceptor({"score": TypedFeature(float)})
    assert accept is not None
    assert [accept(b'{"out":[1,2]}', rows) for rows in (1, 2)] == [None, ""]
    assert accept(b'{"out":{"score":1}}', 1) == ""
    assert BODY.reply_acceptor({"score": TypedFeature(float)}) is None


@pytest.mark.parametrize(
    ("member", "features", "predictions"),
    [
        (PlainJson(columns=("a", "a")), {}, []),
        (PlainJson(columns=("a",)), {"b": ""}, []),
        (PlainJson(predictions={"x": "/x"}), {}, []),
        (PlainJson(predictions={"x": "/x"}), {}, ["x", "y"]),
        (PlainJson(rows="features"), {}, []),
        (PlainJson(), {"a": "customer/age"}, []),
    ],
)
def test_a_mapping_that_cannot_work_says_so(
    member: PlainJson, features: dict[str, str], predictions: list[str]
) -> None:
    with pytest.raises(ValueError, match="`"):
        member.bind(features, predictions)


def test_an_opaque_body_is_one_row_of_headers() -> None:
    codec = Opaque().bind({"region": "header:x-region"}, [])
    assert codec.read_request(b"\xff", {"x-region": "n"}.get).columns == {"region": ["n"]}
    assert codec.read_reply(b"\xff").columns == {}
    assert codec.edit_request(b"\xff", []) == ()
    assert codec.request_acceptor({}, closed=True)
    with pytest.raises(WireError):
        codec.edit_reply(b"\xff", [Change(0, "score", 1)])
    for features, predictions in (({"age": ""}, []), ({}, ["score"])):
        with pytest.raises(ValueError, match="never looks into"):
            Opaque().bind(features, predictions)
