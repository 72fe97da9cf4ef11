"""A fast accept is proof: what it lets through, the exact path reads the same; what may be read twice, it declines."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from sidecar.rows import MISSING, TypedFeature
from sidecar.wire import Acceptor
from sidecar.wire.oip import Oip

AGE = Annotated[float, Meta(ge=0, le=120, multiple_of=1.0)]
INCOME = Annotated[float, Meta(ge=0)]
TYPES = {"age": TypedFeature(AGE), "income": TypedFeature(INCOME)}
MIXED = {**TYPES, "job": TypedFeature(Literal["a", "b"]), "extra": TypedFeature(float, required=False)}
MATRIX = Oip(columns={"input-0": ("age", "income", "tenure")}).bind({"age": "", "income": ""}, ["score"])
NAMED = Oip().bind(dict.fromkeys(MIXED, ""), ["score"])
SCORE = {"score": TypedFeature(Annotated[float, Meta(ge=0, le=1)])}


def proof(codec: Any, types: Any) -> Acceptor:
    accept = codec.request_acceptor(types, closed=True)
    assert accept is not None
    return accept  # type: ignore[no-any-return]


ACCEPT_MATRIX = proof(MATRIX, TYPES)
ACCEPT_NAMED = proof(NAMED, MIXED)


def nothing(name: str) -> str | None:
    return None


def matrix(shape: list[int], data: list[Any], datatype: str = "FP64", **more: Any) -> bytes:
    tensor = {"name": "input-0", "shape": shape, "datatype": datatype, "data": data}
    return json.dumps({"inputs": [tensor], **more}).encode()


def named(*tensors: tuple[str, list[int], str, list[Any]], **more: Any) -> bytes:
    listed = [{"name": n, "shape": s, "datatype": t, "data": d} for n, s, t, d in tensors]
    return json.dumps({"inputs": listed, **more}).encode()


FULL: list[tuple[str, list[int], str, list[Any]]] = [
    ("age", [1], "INT64", [30]),
    ("income", [1], "FP32", [5.5]),
    ("job", [1], "BYTES", ["a"]),
    ("extra", [1], "FP64", [1]),
]


@pytest.mark.parametrize(
    ("sent", "rows"),
    [
        (matrix([1, 3], [30, 5.5, 1]), 1),
        (matrix([1, 3], [[30.0, 5.5, 1]], "FP32", id="c0ffee"), 1),
        (matrix([2, 3], [30, 5.5, 1, 40, 6.5, 2]), 2),
        (matrix([2, 3], [[30, 5.5, 1], [40, 6.5, 2]], parameters={"content_type": "np"}), 2),
        (matrix([1, 3], [30, 5, 1], "INT64"), 1),
        (matrix([1, 3], [30, 5, 1], outputs=[{"name": "score"}]), 1),
    ],
)
def test_clean_matrices_are_accepted(sent: bytes, rows: int) -> None:
    assert ACCEPT_MATRIX(sent) == rows


@pytest.mark.parametrize(
    ("sent", "rows"),
    [
        (named(*FULL), 1),
        (named(*reversed(FULL)), 1),
        (named(*FULL[:3]), 1),
        (named(*((n, [2], t, d * 2) for n, _, t, d in FULL)), 2),
        (named(*((n, [2, 1], t, [d, d]) for n, _, t, d in FULL)), 2),
        (named(*((n, [1, 1], t, d) for n, _, t, d in FULL)), 1),
    ],
)
def test_clean_named_tensors_are_accepted(sent: bytes, rows: int) -> None:
    assert ACCEPT_NAMED(sent) == rows


def one(text: str) -> str:
    return '{"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP64","data":[30,5.5,1]' + text


EVIL = {
    "inputs twice": one("}]," + one("}]")[1:] + "}"),
    "data twice": one(',"data":[31,5.5,1]}]}'),
    "name twice": one(',"name":"input-0"}]}'),
    "shape twice": one(',"shape":[1,3]}]}'),
    "datatype twice": one(',"datatype":"FP32"}]}'),
    "id twice": one('}],"id":"a","id":"b"}'),
    "a parameter twice": one('}],"parameters":{"a":1,"a":2}}'),
    "a tensor parameter twice": one(',"parameters":{"a":1,"a":2}}]}'),
    "a tensor twice": one('},{"name":"input-0","shape":[1,3],"datatype":"FP64","data":[1,1,1]}]}'),
    "an extra tensor": one('},{"name":"x","shape":[1],"datatype":"FP64","data":[1]}]}'),
    "no tensor": '{"inputs":[]}',
    "an escaped key": one("}]}").replace('"inputs"', '"\\u0069nputs"'),
    "an escaped key twice": one('}],"\\u0069nputs":[]}'),
    "an escaped inner key": one("}]}").replace('"data"', '"d\\u0061ta"'),
    "a name missing and a key twice": one(',"data":[30,5.5,1]}]}').replace('"name":"input-0",', ""),
    "an unknown key": one('}],"x":1}'),
    "an unknown tensor key": one(',"x":1}]}'),
    "a lookalike": one('}],"Inputs":[]}'),
    "a colon in a text": one('}],"id":"a:b"}'),
    "an escaped colon hiding a twin": one('}],"id":"\\u003a","id":"b"}'),
    "deep parameters": one('}],"parameters":{"a":{"b":1}}}'),
    "parameters null": one('}],"parameters":null}'),
    "binary data": one(',"parameters":{"binary_data_size":24}}]}'),
    "shared memory": one(',"parameters":{"shared_memory_region":"r"}}]}'),
    "shared memory for the answer": one('}],"outputs":[{"name":"o","parameters":{"shared_memory_region":"r"}}]}'),
    "a binary answer": one('}],"parameters":{"binary_data_output":true}}'),
    "base64": one(',"parameters":{"content_type":"base64"}}]}'),
    "NaN": one("}]}").replace("5.5", "NaN"),
    "overflow": one("}]}").replace("5.5", "1e400"),
    "too big for the datatype": one("}]}").replace("5.5", "1e39").replace("FP64", "FP32"),
    "a fraction in whole numbers": one("}]}").replace("FP64", "INT64"),
    "numbers in BYTES": one("}]}").replace("FP64", "BYTES"),
    "an unknown datatype": one("}]}").replace("FP64", "FP128"),
    "too few": one("}]}").replace(",1]", "]"),
    "too many": one("}]}").replace("5.5,", "5.5,5,"),
    "the wrong shape": one("}]}").replace("[1,3]", "[3,1]"),
    "another row count": one("}]}").replace("[1,3]", "[2,3]"),
    "a shape of one dimension": one("}]}").replace("[1,3]", "[3]"),
    "a fractional shape": one("}]}").replace("[1,3]", "[1.0,3]"),
    "a negative shape": one("}]}").replace("[1,3]", "[-1,-3]"),
    "ragged": one("}]}").replace("[1,3]", "[2,3]").replace("[30,5.5,1]", "[[30,5.5,1],[30,5.5]]"),
    "out of range": one("}]}").replace("30", "-30"),
    "text": one("}]}").replace("30", '"30"'),
    "true": one("}]}").replace("30", "true"),
    "null": one("}]}").replace("30", "null"),
    "half": one("}]}").replace("30", "30.5"),
    "trailing bytes": one("}]}") + "x",
    "cut": one("}]"),
    "empty": "",
}


def test_the_bait_itself_is_clean() -> None:
    assert ACCEPT_MATRIX(one("}]}").encode()) == 1


@pytest.mark.parametrize("name", EVIL)
def test_evil_is_declined(name: str) -> None:
    assert ACCEPT_MATRIX(EVIL[name].encode()) == 0


@pytest.mark.parametrize(
    "tensors",
    [
        [*FULL, FULL[0]],
        [*FULL[1:], FULL[1]],
        [*FULL, ("spare", [1], "FP64", [1])],
        FULL[1:],
        [*FULL[:2], ("job", [1], "BYTES", ["c"])],
        [*FULL[:2], ("job", [2], "BYTES", ["a", "a"])],
        [*FULL[:2], ("job", [1], "BYTES", [["a"]])],
        [("age", [1], "UINT8", [300]), *FULL[1:]],
        [("age", [1], "INT8", [30]), ("income", [1], "INT8", [200]), *FULL[2:]],
    ],
)
def test_named_tensors_that_do_not_add_up_are_declined(tensors: list[tuple[str, list[int], str, list[Any]]]) -> None:
    assert ACCEPT_NAMED(named(*tensors)) == 0


def test_two_tensors_of_one_name_without_the_other_key_count() -> None:
    nameless = named(*FULL).replace(b'"name": "extra", ', b"").replace(b'"data": [1]', b'"data": [1], "data": [1]')
    assert ACCEPT_NAMED(nameless) == 0


def test_a_check_beside_the_type_decides() -> None:
    types = {**TYPES, "income": TypedFeature(INCOME, check=lambda value: value != 5.5)}
    accept = proof(MATRIX, types)
    assert accept(matrix([1, 3], [30, 5.0, 1])) == 1
    assert accept(matrix([1, 3], [30, 5.5, 1])) == 0
    assert accept(matrix([2, 3], [30, 5.0, 1, 30, 5.5, 1])) == 0
    assert accept(matrix([2, 3], [[30, 5.0, 1], [30, 5.5, 1]])) == 0


def test_a_check_that_does_not_say_true_declines() -> None:
    types: dict[str, TypedFeature] = {**TYPES, "age": TypedFeature(AGE, check=lambda value: bool(value) and 1)}  # type: ignore[arg-type,return-value]
    assert proof(MATRIX, types)(matrix([1, 3], [30, 5.0, 1])) == 0


def test_what_is_not_in_the_body_cannot_be_proven() -> None:
    codec = Oip().bind({"age": "", "region": "header:x-region"}, [])
    assert codec.request_acceptor({"age": TYPES["age"], "region": TypedFeature(str)}, closed=False) is None
    assert codec.request_acceptor({"age": TYPES["age"]}, closed=False) is not None


scalars = st.sampled_from([0, 1, 30, 5.5, 41.0, -1, 121, 2**53 + 1, 1e39, 1e308, "a", "c", True, None, [1], {"k": 1}])
whitespace = st.sampled_from(["", " ", "\n"])


@st.composite
def raw_bodies(draw: st.DrawFn, names: list[str]) -> bytes:
    """Nearly right bodies as text, so that keys can come twice."""
    count = draw(st.integers(1, 3))
    pick = draw(st.permutations(names))[: draw(st.integers(1, len(names)))] if draw(st.booleans()) else names
    clean: dict[str, list[Any]] = {"age": [30], "income": [5.5, 7], "job": ["a", "b"], "extra": [1.5]}

    def tensor(name: str) -> str:
        width = 3 if name == "input-0" else 1
        values = [draw(st.sampled_from(clean.get(name, [30, 1, 2]))) for _ in range(count * width)]
        if draw(st.integers(0, 5)) == 0:
            values[draw(st.integers(0, len(values) - 1))] = draw(scalars)
        shape = draw(st.sampled_from([[count, width], [count]] if width == 1 else [[count, width]]))
        if draw(st.integers(0, 9)) == 0:
            shape = draw(st.sampled_from([[count + 1, width], [width, count], [], [0]]))
        nested = len(shape) == 2 and draw(st.booleans())
        data: Any = [values[at : at + width] for at in range(0, len(values), width)] if nested else values
        datatype = draw(st.sampled_from(["BYTES"] if name == "job" else ["FP64", "FP32", "INT64", "UINT8"]))
        members = [
            f'"name":{json.dumps(name)}',
            f'"shape":{json.dumps(shape)}',
            f'"datatype":"{datatype}"',
            f'"data":{draw(whitespace)}{json.dumps(data)}',
        ]
        if draw(st.integers(0, 9)) == 0:
            members.append(draw(st.sampled_from([*members, '"parameters":{"content_type":"np"}', '"x":1'])))
        if draw(st.integers(0, 19)) == 0:
            members.pop(draw(st.integers(0, 3)))
        return "{" + f",{draw(whitespace)}".join(draw(st.permutations(members))) + "}"

    top = ['"inputs":[' + ",".join(tensor(name) for name in pick) + "]"]
    if draw(st.integers(0, 3)) == 0:
        top.append(draw(st.sampled_from(['"id":"a"', '"id":"a:b"', '"parameters":{"p":1}', '"z":1', '"inputs":[]'])))
    return ("{" + ",".join(draw(st.permutations(top))) + "}").encode()


@settings(deadline=None, max_examples=200)
@given(raw_bodies(["input-0"]) | raw_bodies(["age", "income", "job", "extra"]))
def test_whatever_is_accepted_reads_the_same_the_exact_way(sent: bytes) -> None:
    for codec, accept, types in ((MATRIX, ACCEPT_MATRIX, TYPES), (NAMED, ACCEPT_NAMED, MIXED)):
        count = accept(sent)
        if not count:
            continue
        rows = codec.read_request(sent, nothing)
        assert rows.count == count
        assert not rows.unknown
        for name, feature in types.items():
            for value in rows.columns[name]:
                assert value is not MISSING or not feature.required
                if name == "age":
                    assert 0 <= value <= 120 and value == int(value) and type(value) in (int, float)
                if name == "income":
                    assert value >= 0 and type(value) in (int, float)
                if name == "job":
                    assert value in ("a", "b")


def reply(*outputs: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"model_name": "m", **more, "outputs": list(outputs)}).encode()


def output(name: str, shape: list[int], data: list[Any], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, **more, "data": data}


def test_clean_answers_are_accepted_and_state_their_version() -> None:
    accept = MATRIX.reply_acceptor(SCORE)
    assert accept is not None
    assert accept(reply(output("predict", [1, 1], [0.5]), model_version="14", id="x", parameters={}), 1) == "14"
    assert accept(reply(output("score", [2], [0.5, 1], parameters={"content_type": "np"})), 2) == ""
    assert accept(reply(output("score", [2, 1], [[0.5], [1]])), 2) == ""


@pytest.mark.parametrize(
    "sent",
    [
        reply(output("score", [1], [1.5])),
        reply(output("score", [2], [0.5, 0.5])),
        reply(output("score", [1], [0.5]), output("score", [1], [0.5])),
        reply(output("score", [1, 2], [0.5, 0.5])),
        reply(output("score", [1], [0.5], "BYTES")),
        reply(output("score", [1], [0.5], parameters={"binary_data_size": 8})),
        reply(output("score", [1], [0.5]), model_version=None),
        reply(output("score", [1], [0.5])).replace(b'"model_name": "m"', b'"model_version":"1","model_version":"2"'),
        reply(output("score", [1], [0.5])).replace(
            b'"model_name"', b'"model_version":"1","model_version":"2","model_name"'
        ),
        b'{"error": "no"}',
        b"",
    ],
)
def test_other_answers_are_declined(sent: bytes) -> None:
    accept = MATRIX.reply_acceptor(SCORE)
    assert accept is not None
    assert accept(sent, 1) is None


def test_several_predictions_are_told_apart_by_name() -> None:
    codec = Oip(predictions={"b": "second"}).bind({}, ["a", "b"])
    accept = codec.reply_acceptor({"a": TypedFeature(float), "b": TypedFeature(float)})
    assert accept is not None
    first, second = output("a", [1], [0.5]), output("second", [1], [7])
    assert accept(reply(second, first, model_version="3"), 1) == "3"
    assert accept(reply(first, first), 1) is None
    assert accept(reply(first), 1) is None


def test_without_predictions_only_json_and_the_version_are_proven() -> None:
    accept = MATRIX.reply_acceptor({})
    assert accept is not None
    assert accept(b'{"model_version":"3","outputs":[{"x":1}]}', 5) == "3"
    assert accept(b'{"outputs":[]}', 1) == ""
    for declined in (
        b"{",
        b"[1]",
        b'{"model_version":"3","model_version":"4"}',
        b'{"model_version":3}',
        b'{"a":"\\n"}',
    ):
        assert accept(declined, 1) is None
