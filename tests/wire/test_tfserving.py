"""TensorFlow Serving bodies as rows: objects, lists, columns; answers in every documented form."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from sidecar.edits import splice
from sidecar.errors import WireError, WireFault
from sidecar.rows import MISSING, Change, TypedFeature
from sidecar.wire.tfserving import TfServing, TfServingCodec

BY_NAME = TfServing().bind({"age": "", "income": "", "region": "header:x-region"}, ["score"])
BY_POSITION = TfServing(columns=("age", "spare", "income")).bind({"age": "", "income": ""}, ["score"])
ALONE = TfServing().bind({"pixels": ""}, ["score"])
TYPES = {
    "age": TypedFeature(Annotated[float, Meta(ge=0, le=120)]),
    "income": TypedFeature(float, required=False),
}


def nothing(name: str) -> str | None:
    return None


def sent(**members: Any) -> bytes:
    return json.dumps(members).encode()


def refused(codec: TfServingCodec, body: bytes) -> WireError:
    with pytest.raises(WireError) as caught:
        codec.read_request(body, nothing)
    return caught.value


def test_rows_of_objects() -> None:
    body = sent(signature_name="x", instances=[{"age": 1, "income": 2}, {"age": 3, "spare": 4}])
    rows = BY_NAME.read_request(body, {"x-region": "n"}.get)
    assert rows.columns == {"age": [1, 3], "income": [2, MISSING], "region": ["n", "n"]}
    assert rows.unknown == {"spare": [1]}
    assert rows.pointer("income", 0) == "/instances/0/income"


def test_rows_of_lists_by_columns() -> None:
    rows = BY_POSITION.read_request(sent(instances=[[1, 0, 2], [3, 0, 4]]), nothing)
    assert rows.columns == {"age": [1, 3], "income": [2, 4]}
    assert rows.pointer("income", 1) == "/instances/1/2"


@pytest.mark.parametrize(
    ("instances", "values"),
    [
        ([1, 2], [1, 2]),
        ([[1], [2]], [1, 2]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([[[1, 2]], [[3, 4]]], [[1, 2], [3, 4]]),
    ],
)
def test_one_feature_is_the_whole_row(instances: list[Any], values: list[Any]) -> None:
    assert ALONE.read_request(sent(instances=instances), nothing).columns == {"pixels": values}


def test_columnar_inputs() -> None:
    rows = BY_NAME.read_request(sent(inputs={"age": [1, 3], "spare": [0, 0]}), nothing)
    assert rows.columns["age"] == [1, 3]
    assert rows.columns["income"] == [MISSING, MISSING]
    assert list(rows.unknown) == ["spare"]
    assert rows.pointer("age", 1) == "/inputs/age/1"


def test_bytes_are_decoded_and_not_finite_numbers_are_legal() -> None:
    rows = BY_NAME.read_request(b'{"instances":[{"age":NaN,"income":{"b64":"aGk="}}]}', nothing)
    assert math.isnan(rows.columns["age"][0])
    assert rows.columns["income"] == [b"hi"]


@pytest.mark.parametrize(
    ("codec", "body", "fault", "pointer"),
    [
        (BY_NAME, sent(instances=[{}], inputs={"age": [1]}), WireFault.AMBIGUOUS, "/inputs"),
        (BY_NAME, b'{"instances":[{"age":1,"age":2}]}', WireFault.AMBIGUOUS, "/instances/0/age"),
        (BY_NAME, sent(instances=[]), WireFault.SHAPE, "/instances"),
        (BY_NAME, sent(instances=[{}, [1]]), WireFault.SHAPE, "/instances/1"),
        (BY_NAME, sent(instances=[[1, 2]]), WireFault.UNSUPPORTED, "/instances/0"),
        (BY_NAME, sent(instances=[1]), WireFault.SHAPE, "/instances/0"),
        (BY_NAME, sent(instances={"age": 1}), WireFault.MALFORMED, "/instances"),
        (BY_NAME, sent(other=1), WireFault.MALFORMED, ""),
        (BY_NAME, sent(inputs={"age": [1], "income": [1, 2]}), WireFault.SHAPE, "/inputs/income"),
        (BY_NAME, sent(inputs={"age": 1}), WireFault.UNSUPPORTED, "/inputs/age"),
        (BY_NAME, sent(examples=[{"age": 1}], context={"income": 2}), WireFault.UNSUPPORTED, "/context"),
        (BY_NAME, sent(instances=[{"age": {"b64": "?"}}]), WireFault.MALFORMED, "/instances/0/age"),
        (BY_POSITION, sent(instances=[[1, 2, 3], [1, 2]]), WireFault.SHAPE, "/instances/1"),
        (BY_NAME, b"[]", WireFault.MALFORMED, ""),
    ],
)
def test_what_cannot_be_read_says_where(codec: TfServingCodec, body: bytes, fault: WireFault, pointer: str) -> None:
    error = refused(codec, body)
    assert (error.fault, error.pointer) == (fault, pointer)


def edited(codec: TfServingCodec, body: bytes, changes: list[Change], drop: tuple[int, ...] = ()) -> Any:
    return json.loads(splice(body, codec.edit_request(body, changes, drop)))


def test_cells_and_rows_are_edited() -> None:
    changes = [Change(0, "age", 5), Change(0, "income", 0), Change(2, "age", MISSING)]
    body = sent(instances=[{"age": 1}, {"age": 2}, {"age": 3, "x": 1}])
    assert edited(BY_NAME, body, changes, (1,)) == {"instances": [{"age": 5, "income": 0}, {"x": 1}]}
    body = sent(instances=[[1, 0, 2], [3, 0, 4]])
    assert edited(BY_POSITION, body, [Change(0, "age", MISSING)]) == {"instances": [[None, 0, 2], [3, 0, 4]]}
    both = [Change(0, "age", MISSING), Change(1, "age", MISSING)]
    assert edited(BY_POSITION, body, both) == {"instances": [[0, 2], [0, 4]]}
    body = sent(inputs={"age": [1, 2, 3], "x": [7, 8, 9]})
    assert edited(BY_NAME, body, [Change(1, "age", 5), Change(0, "income", 6)], (2,)) == {
        "inputs": {"age": [1, 5], "x": [7, 8], "income": [6, None]}
    }


def test_of_columns_the_last_list_is_not_taken_out() -> None:
    gone = [Change(row, "age", MISSING) for row in range(2)]
    assert edited(BY_NAME, sent(inputs={"age": [1, 2], "x": [7, 8]}), gone) == {"inputs": {"x": [7, 8]}}
    with pytest.raises(WireError, match="nothing would be left") as caught:
        BY_NAME.edit_request(sent(inputs={"age": [1, 2]}), gone, ())
    assert (caught.value.fault, caught.value.pointer) == (WireFault.SHAPE, "/inputs")


@pytest.mark.parametrize(
    ("predictions", "answer", "columns"),
    [
        (["score"], {"predictions": [0.1, 0.2]}, {"score": [0.1, 0.2]}),
        (["score"], {"predictions": [[0.1], [0.2]]}, {"score": [0.1, 0.2]}),
        (["score"], {"predictions": [[0.1, 0.9]]}, {"score": [[0.1, 0.9]]}),
        (["no", "yes"], {"predictions": [[0.1, 0.9]]}, {"no": [0.1], "yes": [0.9]}),
        (["score"], {"predictions": [{"score": 1, "why": "x"}, {}]}, {"score": [1, MISSING]}),
        (["score"], {"outputs": {"score": [1, 2]}}, {"score": [1, 2]}),
        (["score"], {"outputs": [1, 2]}, {"score": [1, 2]}),
        (["score"], {"result": [1.5]}, {"score": [1.5]}),
    ],
)
def test_answers(predictions: list[str], answer: dict[str, Any], columns: dict[str, Any]) -> None:
    rows = TfServing().bind({}, predictions).read_reply(sent(**answer))
    assert rows.columns == columns
    assert rows.model_version == ""


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        ({"predictions": [0.1]}, {"predictions": [0.5, 0.2, 0.6]}),
        ({"predictions": [[0.1]]}, {"predictions": [[0.5], [0.2], [0.6]]}),
        ({"predictions": [{"score": 0.1}]}, {"predictions": [{"score": 0.5}, {"score": 0.2}, {"score": 0.6}]}),
        ({"outputs": {"score": [0.1], "y": [1]}}, {"outputs": {"score": [0.5, 0.2, 0.6], "y": [None, 1, None]}}),
    ],
)
def test_rows_come_back_into_answers(answer: dict[str, Any], final: dict[str, Any]) -> None:
    body = sent(**answer)
    spans = ALONE.edit_reply(body, [Change(0, "score", 0.2)], {0: {"score": 0.5}, 2: {"score": 0.6}})
    assert json.loads(splice(body, spans)) == final


def test_fallbacks_answer_in_the_form_that_was_asked() -> None:
    rows = [{"score": 0.5}]
    assert ALONE.fallback_reply(sent(instances=[1]), rows) == b'{"predictions":[0.5]}'
    assert ALONE.fallback_reply(sent(inputs=[1]), rows) == b'{"outputs":[0.5]}'
    two = TfServing().bind({}, ["a", "b"])
    assert json.loads(two.fallback_reply(b"?", [{"a": 1, "b": 2}])) == {"predictions": [{"a": 1, "b": 2}]}
    assert json.loads(two.fallback_reply(sent(inputs={}), [{"a": 1, "b": 2}])) == {"outputs": {"a": [1], "b": [2]}}


ACCEPT = BY_NAME.request_acceptor(TYPES, closed=True)


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b'{"instances":[{"age":1,"income":2}]}', 1),
        (b'{"signature_name":"s", "instances": [ {"income":2,"age":1}, {"age":1} ]}', 2),
        (b'{"instances":[{"age":1,"age":1}]}', 0),
        (b'{"instances":[{"age":1,"income":1,"income":1}]}', 0),
        (b'{"instances":[{"age":1}],"instances":[]}', 0),
        (b'{"instances":[{"age":1}],"inputs":{"age":[1]}}', 0),
        (b'{"instances":[{"age":1,"spare":1}]}', 0),
        (b'{"\\u0069nstances":[{"age":1}]}', 0),
        (b'{"instances":[{"age":NaN}]}', 0),
        (b'{"instances":[{"age":121}]}', 0),
        (b'{"instances":[{"income":1}]}', 0),
        (b'{"signature_name":"a:b","instances":[{"age":1}]}', 0),
        (b'{"instances":[]}', 0),
        (b"", 0),
    ],
)
def test_accepts_are_proof(body: bytes, rows: int) -> None:
    assert ACCEPT is not None
    assert ACCEPT(body) == rows


members = st.lists(
    st.tuples(
        st.sampled_from(["age", "age", "income", "x"]), st.sampled_from(["1", "200", "-0.5", '"a:b"', "NaN", "null"])
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(members, max_size=3))
def test_whatever_is_accepted_reads_the_same(instances: list[list[tuple[str, str]]]) -> None:
    rows = [",".join(f'"{name}": {value}' for name, value in row) for row in instances]
    body = ('{"instances": [' + ",".join("{" + row + "}" for row in rows) + "]}").encode()
    assert ACCEPT is not None
    if count := ACCEPT(body):
        read = BY_NAME.read_request(body, nothing)
        assert (read.count, dict(read.unknown)) == (count, {})
        assert all(0 <= value <= 120 for value in read.columns["age"])


def test_list_rows_and_answers_are_accepted_too() -> None:
    accept = BY_POSITION.request_acceptor(TYPES, closed=False)
    assert accept is not None
    assert accept(b'{"instances":[[1,"x",2],[3,null,4]]}') == 2
    assert accept(b'{"instances":[[1,2]]}') == 0
    reply = ALONE.reply_acceptor({"score": TypedFeature(Annotated[float, Meta(le=1)])})
    assert reply is not None
    assert [reply(body, 2) for body in (b'{"predictions":[0.5,1]}', b'{"predictions":[[0.5],[1]]}')] == ["", ""]
    assert [reply(body, 2) for body in (b'{"predictions":[0.5]}', b'{"predictions":[0.5,2]}')] == [None, None]
    vector = ALONE.reply_acceptor({"score": TypedFeature(list[float])})
    assert vector is not None
    assert vector(b'{"predictions":[[1,2]]}', 1) == ""
    assert vector(b'{"predictions":[[1]]}', 1) is None
    assert ALONE.reply_acceptor({}) is not None


@pytest.mark.parametrize("features", [{"age": "/customer/age"}, {"job": ""}])
def test_a_mapping_that_cannot_work_says_so(features: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"`(age|job)`"):
        TfServing(columns=("age",)).bind(features, [])
