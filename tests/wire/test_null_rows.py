"""Rows that were left out are null in the answer's list, at their places, and every other byte stays (P1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.edits import splice
from sidecar.errors import WireError, WireFault
from sidecar.rows import MISSING, Change
from sidecar.wire import Codec
from sidecar.wire.oip import Oip
from sidecar.wire.opaque import Opaque
from sidecar.wire.plain import PlainJson
from sidecar.wire.tfserving import TfServing

ONE, TWO = ("score",), ("score", "label")
TF, JSON = TfServing().bind({}, ONE), PlainJson(predictions="/out").bind({}, ONE)
OWN = PlainJson(predictions={"score": "/a/b", "label": "/c"}).bind({}, TWO)


def edited(codec: Codec, body: bytes, insert: dict[int, Any], nulls: tuple[int, ...] = ()) -> bytes:
    return splice(body, codec.edit_reply(body, [], insert, nulls))


@pytest.mark.parametrize(
    ("codec", "body", "wanted"),
    [
        (TF, b'{"predictions": [1, 2e0, 3 ]}', b'{"predictions": [null,1, null, null,3,5 ]}'),
        (TF, b'{"predictions": [[1],[2],[3]]}', b'{"predictions": [null,[1],null,null,[3],[5]]}'),
        (TF, b'{"predictions": [{"score":1},{},{"score":3}]}',
         b'{"predictions": [null,{"score":1},null,null,{"score":3},{"score":5}]}'),
        (TF, b'{"outputs": {"score":[1,2,3],"x":[7,8,9]}}',
         b'{"outputs": {"score":[null,1,null,null,3,5],"x":[null,7,null,null,9,null]}}'),
        (JSON, b'{"out": [1,2,3], "n": 3.0}', b'{"out": [null,1,null,null,3,5], "n": 3.0}'),
        (OWN, b'{"a": {"b": [1,2,3]}, "c": ["x","y","z"]}',
         b'{"a": {"b": [null,1,null,null,3,5]}, "c": [null,"x",null,null,"z",null]}'),
    ],
)  # fmt: skip
def test_rows_come_back_as_null_and_rows_become_null(codec: Codec, body: bytes, wanted: bytes) -> None:
    """Rows 0 and 3 were not sent, row 5 fell back, and the answer's second row is withheld."""
    final = edited(codec, body, {0: None, 3: None, 5: {"score": 5}}, (1,))
    assert final == wanted
    read = codec.read_reply(final, null_rows=(0, 2, 3))
    assert read.count == 6
    assert [read.columns["score"][row] for row in (1, 4, 5)] == [1, 3, 5]
    assert all(read.columns["score"][row] in (None, MISSING) for row in (0, 2, 3))


values = st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.text(max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(values, min_size=2, max_size=8), st.data())
def test_what_was_sent_and_what_comes_back_line_up(ages: list[Any], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(0, len(ages) - 1), max_size=len(ages) - 1))
    fallen = data.draw(st.sets(st.sampled_from(sorted(gone)))) if gone else set()
    codec = TfServing().bind({"age": ""}, ONE)
    body = json.dumps({"instances": [{"age": age, "n": n} for n, age in enumerate(ages)]}).encode()
    sent = json.loads(splice(body, codec.edit_request(body, [], gone)))
    kept = [row for row in range(len(ages)) if row not in gone]
    assert [row["n"] for row in sent["instances"]] == kept
    answer = json.dumps({"predictions": [{"score": row["n"]} for row in sent["instances"]]}).encode()
    insert = {row: {"score": -1} if row in fallen else None for row in gone}
    final = json.loads(edited(codec, answer, insert))["predictions"]
    assert final == [
        {"score": row} if row in kept else {"score": -1} if row in fallen else None for row in range(len(ages))
    ]


@pytest.mark.parametrize("codec", [TF, JSON], ids=["tfserving", "json"])
def test_a_row_that_is_said_to_be_null_must_be(codec: Codec) -> None:
    name = b"predictions" if codec is TF else b"out"
    for body in (b'{"%b": [1, 2]}' % name, b'{"%b": [1]}' % name):
        with pytest.raises(WireError) as caught:
            codec.read_reply(body, null_rows=(1,))
        assert caught.value.fault is WireFault.SHAPE
        assert caught.value.pointer.endswith("/1")


@pytest.mark.parametrize("body", [b'{"out": 0.5}', b'{"out": {"score": 0.5}}'])
def test_one_value_has_no_place_for_another_row(body: bytes) -> None:
    for insert, nulls in (({0: None}, ()), ({}, (0,))):
        with pytest.raises(WireError):
            JSON.edit_reply(body, [], insert, nulls)
    with pytest.raises(WireError):
        OWN.edit_reply(b'{"a": {"b": 1}, "c": [1]}', [], {0: None})


def test_whole_fallbacks_hold_null_for_rows_that_were_dropped() -> None:
    asked = b'{"instances": [{}, {}, {}]}'
    rows: list[Any] = [{"score": 1}, None, {"score": 3}]
    assert json.loads(TF.fallback_reply(asked, rows)) == {"predictions": [1, None, 3]}
    assert json.loads(TF.fallback_reply(b'{"inputs": {"a": [1, 2, 3]}}', rows)) == {"outputs": [1, None, 3]}
    two = TfServing().bind({}, TWO)
    given = [{"score": 1, "label": "x"}, None]
    assert json.loads(two.fallback_reply(asked, given)) == {"predictions": [{"score": 1, "label": "x"}, None]}
    columns = json.loads(two.fallback_reply(b'{"inputs": {"a": [1, 2]}}', given))
    assert columns == {"outputs": {"score": [1, None], "label": ["x", None]}}
    assert json.loads(JSON.fallback_reply(b"[{}, {}, {}]", rows)) == {"out": [1, None, 3]}
    assert json.loads(OWN.fallback_reply(b"[{}, {}]", given)) == {"a": {"b": [1, None]}, "c": ["x", None]}


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        (Oip().bind({}, ONE), b'{"outputs": [{"name": "score", "shape": [1], "datatype": "FP64", "data": [1]}]}'),
        (Opaque().bind({}, ()), b"anything"),
    ],
    ids=["oip", "opaque"],
)
def test_protocols_without_lists_of_rows_say_so_and_refuse(codec: Codec, body: bytes) -> None:
    assert not codec.lists_rows
    assert TF.lists_rows and JSON.lists_rows
    for insert, nulls in (({0: None}, ()), ({}, (0,))):
        with pytest.raises(WireError) as caught:
            codec.edit_reply(body, [], insert, nulls)
        assert caught.value.fault is WireFault.UNSUPPORTED
    with pytest.raises(WireError):
        codec.fallback_reply(b"{}", [None])


def test_changes_and_null_rows_go_together() -> None:
    body = b'{"predictions": [{"score": 5}, {"score": 6}, {"score": 7}]}'
    spans = TF.edit_reply(body, [Change(2, "score", 1)], {0: None}, (0,))
    assert splice(body, spans) == b'{"predictions": [null,null, {"score": 6}, {"score": 1}]}'
