"""Random policies, and bodies for them that are nearly right: written by a protocol, then bent as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from sidecar.guard import Guard, Identity
from sidecar.wire.oip import Oip
from sidecar.wire.plain import PlainJson
from sidecar.wire.tfserving import TfServing
from tests.contract.desk import compiled
from tests.contract.generate import contracts, near, records

Row = Mapping[str, Any]
Writer = Callable[[st.DrawFn, Sequence[str], Sequence[Row]], Any]
DATATYPES = ["FP64", "FP64", "FP64", "FP32", "INT64", "UINT8", "BYTES", "BOOL"]


@dataclass(frozen=True)
class Style:
    """`wire` binds a codec for feature names; `request` and `reply` write documents."""

    wire: Callable[[Sequence[str]], Any]
    request: Writer
    reply: Callable[[st.DrawFn, Sequence[Any]], Any]


def _cells(rows: Sequence[Row], name: str) -> list[Any]:
    return [row.get(name) for row in rows]


def _datatype(draw: st.DrawFn, values: Sequence[Any]) -> str:
    texts = any(type(value) is str for value in values)
    return draw(st.sampled_from(["BYTES"] * 3 + DATATYPES if texts else DATATYPES))


def _named(draw: st.DrawFn, names: Sequence[str], rows: Sequence[Row]) -> Any:
    tensors = []
    there = list(dict.fromkeys([*names, *(key for row in rows for key in row)]))
    for name in there:
        if not any(name in row for row in rows):
            continue
        values = _cells(rows, name)
        shape, data = [len(rows)], values
        widths = {len(value) for value in values if type(value) is list}
        if widths and all(type(value) is list for value in values) and len(widths) == 1:
            shape = [len(rows), widths.pop()]
            data = values if draw(st.booleans()) else [item for value in values for item in value]
        elif draw(st.booleans()):
            shape, data = [len(rows), 1], [[value] for value in values] if draw(st.booleans()) else values
        flat = [item for value in values for item in (value if type(value) is list else [value])]
        tensors.append({"name": name, "shape": shape, "datatype": _datatype(draw, flat), "data": data})
    document: dict[str, Any] = {"inputs": tensors}
    if draw(st.integers(0, 4)) == 0:
        document["id"] = draw(st.sampled_from(["a", "a:b", ""]))
    return document


def _matrix(draw: st.DrawFn, names: Sequence[str], rows: Sequence[Row]) -> Any:
    nested = [[row.get(name) for name in names] for row in rows]
    flat = [value for row in nested for value in row]
    data = nested if draw(st.booleans()) else flat
    shape = [len(rows), len(names)]
    return {"inputs": [{"name": "t", "shape": shape, "datatype": _datatype(draw, flat), "data": data}]}


def _outputs(draw: st.DrawFn, scores: Sequence[Any]) -> Any:
    wide = draw(st.booleans())
    data = [[score] for score in scores] if wide and draw(st.booleans()) else list(scores)
    shape = [len(scores), 1] if wide else [len(scores)]
    name = draw(st.sampled_from(["score", "score", "other"]))
    output = {"name": name, "shape": shape, "datatype": draw(st.sampled_from(["FP64", "FP32", "INT8"])), "data": data}
    version = {"model_version": draw(st.sampled_from(["1", "x:y", 2]))} if draw(st.booleans()) else {}
    return {"model_name": "m", **version, "outputs": [output]}


def _lists(names: Sequence[str], rows: Sequence[Row]) -> list[Any]:
    return [[row.get(name) for name in names] for row in rows]


def _columns(names: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    there = dict.fromkeys([*names, *(key for row in rows for key in row)])
    return {name: _cells(rows, name) for name in there if any(name in row for row in rows)}


def _predictions(draw: st.DrawFn, scores: Sequence[Any]) -> Any:
    form = draw(st.sampled_from(["value", "value", "list", "object"]))
    shaped = {"value": list(scores), "list": [[score] for score in scores], "object": [{"score": s} for s in scores]}
    return {draw(st.sampled_from(["predictions", "predictions", "outputs"])): shaped[form]}


STYLES: dict[str, Style] = {
    "named tensors": Style(lambda names: Oip(), _named, _outputs),
    "one tensor": Style(lambda names: Oip(columns={"t": tuple(names)}), _matrix, _outputs),
    "instances": Style(lambda names: TfServing(), lambda draw, names, rows: {"instances": list(rows)}, _predictions),
    "instance lists": Style(
        lambda names: TfServing(columns=tuple(names)),
        lambda draw, names, rows: {"instances": _lists(names, rows)},
        _predictions,
    ),
    "columns": Style(
        lambda names: TfServing(), lambda draw, names, rows: {"inputs": _columns(names, rows)}, _predictions
    ),
    "objects": Style(
        lambda names: PlainJson(rows="/a/rows", predictions="/scores"),
        lambda draw, names, rows: {"a": {"rows": list(rows)}},
        lambda draw, scores: {"scores": list(scores)},
    ),
    "lists": Style(
        lambda names: PlainJson(rows="/rows", columns=tuple(names), predictions="/scores"),
        lambda draw, names, rows: {"rows": _lists(names, rows)},
        lambda draw, scores: {"scores": list(scores)},
    ),
    "one object": Style(
        lambda names: PlainJson(predictions="/score"),
        lambda draw, names, rows: rows[0],
        lambda draw, scores: {"score": scores[0]},
    ),
}

SCORES = st.sampled_from([0, 0.5, 1, 1.0, 0.25, 1.5, -1, None, "a", True, float("nan"), [0.5], 1e39, 2**60])


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """A contract with a checked prediction."""
    contract = draw(contracts())
    action = draw(st.sampled_from(["reject", "fallback", "clamp", "warn", {"replace": 0.5}]))
    return {**contract, "prediction": {"score": {"type": "float", "min": 0, "max": 1, "on_violation": action}}}


def guard_of(contract: Mapping[str, Any], style: str) -> Guard:
    made = compiled(contract)
    codec = STYLES[style].wire(list(contract["features"])).bind(made.features, made.predictions)
    return Guard(Identity("p", "1", "b2:0"), codec, made)


@st.composite
def clean_records(draw: st.DrawFn, contract: Mapping[str, Any]) -> list[Row]:
    row = st.fixed_dictionaries({name: near(feature) for name, feature in contract["features"].items()})
    return draw(st.lists(row, min_size=1, max_size=3))


PIECES = [b"", b" ", b"\n", b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"0", b"1", b"-", b".", b"e9", b"null"]
PIECES += [b"true", b'"a":1,', b'"a":', b'"\\u0061":1,', b"NaN", b"1e400", b"9007199254740993", b"\xff", b"\x00"]
PIECES += [b'"instances":[],', b'"inputs":[],', b'"data":[1],', b'"shape":[1],', b"[1],", b'"score":0.5,', b"2.0,"]


@st.composite
def bent(draw: st.DrawFn, document: Any) -> bytes:
    """A document as text, spaced in some way; now and then with a piece put in, taken out or said twice."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
    body = json.dumps(document, separators=separators, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        begin = draw(st.integers(0, len(body)))
        end = begin + draw(st.sampled_from([0, 0, 0, 1, 2, 5]))
        piece = draw(st.sampled_from(PIECES))
        if draw(st.integers(0, 4)) == 0:  # a piece of its own, again
            piece = body[begin : begin + draw(st.integers(1, 40))]
            end = begin
        body = body[:begin] + piece + body[end:]
    return body


@st.composite
def requests(draw: st.DrawFn, contract: dict[str, Any], style: str) -> bytes:
    rows = draw(clean_records(contract)) if draw(st.booleans()) else draw(records(contract))
    document = STYLES[style].request(draw, list(contract["features"]), rows or [{}])
    return draw(bent(document))


@st.composite
def replies(draw: st.DrawFn, style: str, scores: Sequence[Any]) -> bytes:
    return draw(bent(STYLES[style].reply(draw, scores)))
