"""Open Inference Protocol bodies as rows: both layouts of data, checked arithmetic, edits that keep shapes true."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.edits import splice
from sidecar.errors import WireError, WireFault
from sidecar.rows import MISSING, Change
from sidecar.wire.oip import Oip, OipCodec

NAMES = ["age", "income", "tenure"]
MATRIX = Oip(columns={"input-0": ("age", "income", "tenure")}).bind({"age": "", "income": ""}, ["score"])
NAMED = Oip().bind({"age": "", "profile": "", "region": "header:X-Region"}, ["score"])


def nothing(name: str) -> str | None:
    return None


def body(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


def tensor(name: str, shape: list[int], data: list[Any], datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def answer(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"model_name": "credit", **more, "outputs": list(tensors)}).encode()


def refused(codec: OipCodec, sent: bytes) -> WireError:
    with pytest.raises(WireError) as caught:
        codec.read_request(sent, nothing)
    return caught.value


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]])
def test_a_matrix_is_read_flat_or_nested(data: list[Any]) -> None:
    sent = body(tensor("input-0", [2, 3], data))
    rows = MATRIX.read_request(sent, nothing)
    assert (rows.count, rows.columns) == (2, {"age": [1, 4], "income": [2, 5]})
    place = json.loads(sent)
    for token in rows.pointer("income", 1).split("/")[1:]:
        place = place[int(token)] if isinstance(place, list) else place[token]
    assert place == 5


@pytest.mark.parametrize(("shape", "data"), [([2], [1, 2]), ([2, 1], [1, 2]), ([2, 1], [[1], [2]])])
def test_a_named_tensor_is_a_feature(shape: list[int], data: list[Any]) -> None:
    rows = NAMED.read_request(body(tensor("age", shape, data)), nothing)
    assert list(rows.columns["age"]) == [1, 2]
    assert rows.columns["profile"] == [MISSING, MISSING]
    assert rows.pointer("profile", 0) == "/inputs"


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
def test_a_wider_tensor_gives_lists(data: list[Any]) -> None:
    rows = NAMED.read_request(body(tensor("profile", [2, 2], data)), nothing)
    assert rows.columns["profile"] == [[1, 2], [3, 4]]
    deep = NAMED.read_request(body(tensor("profile", [1, 2, 2], [1, 2, 3, 4])), nothing)
    assert deep.columns["profile"] == [[[1, 2], [3, 4]]]


def test_headers_stand_in_every_row() -> None:
    sent = body(tensor("age", [2], [1, 2]))
    rows = NAMED.read_request(sent, {"x-region": "n"}.get)
    assert rows.columns["region"] == ["n", "n"]
    assert rows.pointer("region", 1) == "header:x-region"
    assert NAMED.edit_request(sent, [Change(0, "region", MISSING)]) == ()


def test_tensors_nobody_asked_for_are_named() -> None:
    rows = NAMED.read_request(body(tensor("age", [2], [1, 2]), tensor("spare", [2], [1, 2])), nothing)
    assert {name: list(where) for name, where in rows.unknown.items()} == {"spare": [0, 1]}
    assert not MATRIX.read_request(body(tensor("input-0", [1, 3], [1, 2, 3])), nothing).unknown


def test_whole_numbers_are_exact_and_nulls_and_texts_are_left_to_the_contract() -> None:
    rows = MATRIX.read_request(body(tensor("input-0", [1, 3], [2**53 + 1, None, "x"], "INT64")), nothing)
    assert rows.columns == {"age": [2**53 + 1], "income": [None]}


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([1, 3], [1, 2]),
        ([1, 3], [1, 2, 3, 4]),
        ([2, 3], [[1, 2, 3], [4, 5]]),
        ([2, 3], [[1, 2, 3]]),
        ([2, 3], [[1, 2, 3], 4, 5, 6]),
        ([2, 3], [[1, 2, 3], [[4], 5, 6]]),
        ([-1, 3], [1, 2, 3]),
        ([0, 3], []),
        ([1, 2**40], [1, 2, 3]),
        ([2**62, 2**62, 4], [1, 2, 3]),
        ([1, 3.0], [1, 2, 3]),
        ([True, 3], [1, 2, 3]),
        ([3], [1, 2, 3]),
        ([1, 2], [1, 2]),
        ([1, 1, 3], [1, 2, 3]),
        ([], [1]),
    ],
)
def test_shape_and_data_must_agree(shape: list[Any], data: list[Any]) -> None:
    error = refused(MATRIX, body(tensor("input-0", shape, data)))
    assert error.fault is WireFault.SHAPE
    assert error.pointer.startswith("/inputs/0/")


def test_tensors_must_agree_about_the_rows() -> None:
    error = refused(NAMED, body(tensor("age", [2], [1, 2]), tensor("profile", [3, 2], [1] * 6)))
    assert (error.fault, error.pointer) == (WireFault.SHAPE, "/inputs/1/shape")


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("INT8", 128), ("UINT8", -1), ("UINT64", 2**64), ("INT32", 1.5), ("FP32", 1e39), ("FP16", 70000), ("BOOL", 2),
        ("BYTES", 77), ("FP64", {"a": 1}), ("FP64", 10**309), ("BYTES", True),
    ],
)  # fmt: skip
def test_a_value_the_server_would_change_silently_is_refused(datatype: str, value: Any) -> None:
    error = refused(NAMED, body(tensor("age", [2], [None, value], datatype)))
    assert (error.fault, error.pointer) == (WireFault.SHAPE, "/inputs/0/data")
    assert str(value) not in error.message


@pytest.mark.parametrize("datatype", ["BOOL", "INT8", "UINT64", "FP16", "BF16", "FP32", "FP64"])
def test_one_fits_every_numeric_datatype(datatype: str) -> None:
    assert NAMED.read_request(body(tensor("age", [1], [1], datatype)), nothing).columns["age"] == [1]


@pytest.mark.parametrize(
    ("sent", "fault", "pointer"),
    [
        (body(tensor("age", [1], [1]), tensor("age", [1], [2])), WireFault.AMBIGUOUS, "/inputs/1/name"),
        (b'{"inputs":[],"inputs":[]}', WireFault.AMBIGUOUS, "/inputs"),
        (body(tensor("age", [1], [1]), Inputs=[]), WireFault.AMBIGUOUS, "/Inputs"),
        (body({**tensor("age", [1], [1]), "Data": [2]}), WireFault.AMBIGUOUS, "/inputs/0/Data"),
        (body(tensor("age", [1], [1], "INT128")), WireFault.UNSUPPORTED, "/inputs/0/datatype"),
        (
            body({"name": "a", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}),
            WireFault.UNSUPPORTED,
            "/inputs/0/parameters/binary_data_size",
        ),
        (
            body({**tensor("a", [1], [1]), "parameters": {"shared_memory_region": "r"}}),
            WireFault.UNSUPPORTED,
            "/inputs/0/parameters/shared_memory_region",
        ),
        (
            body(tensor("a", [1], [1]), outputs=[{"name": "o", "parameters": {"shared_memory_region": "r"}}]),
            WireFault.UNSUPPORTED,
            "/outputs/0/parameters/shared_memory_region",
        ),
        (
            body({**tensor("a", [1], ["eA=="], "BYTES"), "parameters": {"content_type": "base64"}}),
            WireFault.UNSUPPORTED,
            "/inputs/0/parameters/content_type",
        ),
        (b"{}", WireFault.MALFORMED, "/inputs"),
        (b'{"inputs":[]}', WireFault.MALFORMED, "/inputs"),
        (b'{"inputs":{"a":1}}', WireFault.MALFORMED, "/inputs"),
        (b'{"inputs":[1]}', WireFault.MALFORMED, "/inputs/0"),
        (b'{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}', WireFault.MALFORMED, "/inputs/0/name"),
        (b'{"inputs":[{"name":"a","datatype":"FP32","data":[1]}]}', WireFault.MALFORMED, "/inputs/0/shape"),
        (b'{"inputs":[{"name":"a","shape":[1],"data":[1]}]}', WireFault.MALFORMED, "/inputs/0/datatype"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP32"}]}', WireFault.MALFORMED, "/inputs/0/data"),
        (b"[]", WireFault.MALFORMED, ""),
    ],
)
def test_what_cannot_be_read_says_why_and_where(sent: bytes, fault: WireFault, pointer: str) -> None:
    error = refused(NAMED, sent)
    assert (error.fault, error.pointer) == (fault, pointer)


def edited(codec: OipCodec, sent: bytes, changes: list[Change], drop: tuple[int, ...] = ()) -> Any:
    return json.loads(splice(sent, codec.edit_request(sent, changes, drop)))["inputs"]


def test_a_cell_is_set_in_place() -> None:
    sent = b'{"inputs": [ {"name":"input-0","shape":[1,3],"datatype":"FP64","data":[ [1, 2 ,3] ]} ], "x" : 1 }'
    spans = MATRIX.edit_request(sent, [Change(0, "income", 2.5)])
    assert splice(sent, spans) == sent.replace(b"2 ,", b"2.5 ,")


def test_a_whole_float_is_written_whole_into_an_integer_tensor() -> None:
    sent = body(tensor("input-0", [1, 3], [1, 2, 3], "INT64"))
    assert b'"data": [7, 2, 3]' in splice(sent, MATRIX.edit_request(sent, [Change(0, "age", 7.0)]))


@pytest.mark.parametrize(
    ("data", "left"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 7, 8, 9]),
        ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2, 3], [7, 8, 9]]),
    ],
)
def test_rows_leave_every_tensor_with_their_shape(data: list[Any], left: list[Any]) -> None:
    sent = body(tensor("input-0", [3, 3], data), tensor("spare", [3], [1, 2, 3]), tensor("threshold", [1], [0.5]))
    assert edited(MATRIX, sent, [], (1,)) == [
        tensor("input-0", [2, 3], left),
        tensor("spare", [2], [1, 3]),
        tensor("threshold", [1], [0.5]),
    ]


@pytest.mark.parametrize(
    ("data", "left"), [([1, 2, 3, 4, 5, 6], [2, 3, 5, 6]), ([[1, 2, 3], [4, 5, 6]], [[2, 3], [5, 6]])]
)
def test_a_column_taken_out_of_every_row_leaves(data: list[Any], left: list[Any]) -> None:
    changes = [Change(row, "age", MISSING) for row in range(2)]
    assert edited(MATRIX, body(tensor("input-0", [2, 3], data)), changes) == [tensor("input-0", [2, 2], left)]
    assert edited(NAMED, body(tensor("age", [2], [1, 2]), tensor("x", [2], [1, 2])), changes) == [
        tensor("x", [2], [1, 2])
    ]


def test_a_cell_taken_out_alone_becomes_null() -> None:
    assert edited(MATRIX, body(tensor("input-0", [2, 3], [1] * 6)), [Change(1, "age", MISSING)])[0]["data"][3] is None


def test_a_default_for_a_missing_tensor_comes_as_a_tensor_like_the_others() -> None:
    codec = Oip().bind({"age": "", "tenure": "", "job": ""}, [])
    sent = body(tensor("age", [2, 1], [[30], [40]]))
    changes = [Change(0, "tenure", 0), Change(1, "tenure", 0), Change(1, "job", "none")]
    assert edited(codec, sent, changes) == [
        tensor("age", [2, 1], [[30], [40]]),
        tensor("tenure", [2, 1], [[0], [0]], "INT64"),
        tensor("job", [2, 1], [[None], ["none"]], "BYTES"),
    ]
    assert edited(codec, sent, changes, (0,))[1] == tensor("tenure", [1, 1], [[0]], "INT64")


def test_a_list_value_is_set_flat_or_nested() -> None:
    flat, nested = tensor("profile", [2, 2], [1, 2, 3, 4]), tensor("profile", [2, 2], [[1, 2], [3, 4]])
    assert edited(NAMED, body(flat), [Change(1, "profile", [8, 9])])[0]["data"] == [1, 2, 8, 9]
    assert edited(NAMED, body(nested), [Change(1, "profile", [8, 9])])[0]["data"] == [[1, 2], [8, 9]]


@pytest.mark.parametrize(
    ("predictions", "mapping", "outputs", "columns"),
    [
        (["score"], {}, [tensor("predict", [2, 1], [0.1, 0.2])], {"score": [0.1, 0.2]}),
        (["score"], {}, [tensor("predict", [1, 2], [0.1, 0.9])], {"score": [[0.1, 0.9]]}),
        (["score"], {}, [tensor("score", [1], [1]), tensor("why", [1], ["x"], "BYTES")], {"score": [1]}),
        (["score"], {}, [tensor("a", [1], [1]), tensor("b", [1], [2])], {"score": [MISSING]}),
        (["no", "yes"], {}, [tensor("proba", [2, 2], [0.1, 0.9, 0.8, 0.2])], {"no": [0.1, 0.8], "yes": [0.9, 0.2]}),
        (["score"], {"score": "proba[1]"}, [tensor("proba", [1, 2], [[0.1, 0.9]])], {"score": [0.9]}),
    ],
)
def test_which_output_a_prediction_is(
    predictions: list[str], mapping: dict[str, str], outputs: list[dict[str, Any]], columns: dict[str, Any]
) -> None:
    rows = Oip(predictions=mapping).bind({}, predictions).read_reply(answer(*outputs, model_version="7"))
    assert {name: list(values) for name, values in rows.columns.items()} == columns
    assert rows.model_version == "7"


@pytest.mark.parametrize(("stated", "version"), [({}, ""), ({"model_version": None}, ""), ({"model_version": 3}, "3")])
def test_a_version_is_what_the_body_states(stated: dict[str, Any], version: str) -> None:
    assert MATRIX.read_reply(answer(tensor("o", [1], [1]), **stated)).model_version == version


def test_rows_come_back_at_their_final_positions() -> None:
    sent = answer(tensor("score", [2, 1], [0.1, 0.2]), tensor("why", [2, 2], [["a", "b"], ["c", "d"]], "BYTES"))
    spans = MATRIX.edit_reply(sent, [Change(1, "score", 0.25)], {0: {"score": 0.5}, 3: {"score": 0.6}})
    assert json.loads(splice(sent, spans))["outputs"] == [
        tensor("score", [4, 1], [0.5, 0.1, 0.25, 0.6]),
        tensor("why", [4, 2], [[None, None], ["a", "b"], ["c", "d"], [None, None]], "BYTES"),
    ]


def test_a_fallback_is_an_answer_of_its_own() -> None:
    made = MATRIX.fallback_reply(body(tensor("x", [1], [1]), id="r-1"), [{"score": 0.5}, {"score": 1}], model_name="m")
    assert json.loads(made) == {"model_name": "m", "id": "r-1", "outputs": [tensor("score", [2], [0.5, 1])]}
    assert MATRIX.read_reply(made).columns == {"score": [0.5, 1]}
    codec = Oip(predictions={"score": "proba[1]"}).bind({}, ["score"])
    assert codec.read_reply(codec.fallback_reply(b"not json", [{"score": 0.5}])).columns == {"score": [0.5]}


@pytest.mark.parametrize(
    ("columns", "source", "sentence"),
    [
        ({"x": ("age", "age")}, "", "twice"),
        ({"x": ()}, "", "names no column"),
        ({"x": ("income",)}, "x", "`columns` splits"),
        ({"x": ("income",)}, "x[1]", "1 columns"),
        ({}, "/customer/age", "JSON Pointers"),
        ({}, "header:", "names no header"),
    ],
)
def test_a_mapping_that_cannot_work_says_so(columns: dict[str, tuple[str, ...]], source: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Oip(columns=columns).bind({"age": source}, [])


def test_a_feature_may_name_its_column_itself() -> None:
    codec = Oip().bind({"age": "input-0[2]", "income": "money"}, [])
    rows = codec.read_request(body(tensor("input-0", [1, 3], [1, 2, 3]), tensor("money", [1], [9])), nothing)
    assert rows.columns == {"age": [3], "income": [9]}
    assert not rows.unknown
