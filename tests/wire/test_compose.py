"""Rows written as a caller would send them are read back as the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.rows import MISSING, Value
from sidecar.wire.base import Codec
from sidecar.wire.oip import Oip
from sidecar.wire.opaque import Opaque
from sidecar.wire.plain import PlainJson
from sidecar.wire.tfserving import TfServing

NAMES = ("age", "income", "job")
FEATURES = dict.fromkeys(NAMES, "")
CODECS: dict[str, Codec] = {
    "oip, named tensors": Oip().bind(FEATURES, ()),
    "oip, one matrix": Oip(columns={"input-0": ("age", "income")}).bind(FEATURES, ()),
    "tfserving": TfServing().bind(FEATURES, ()),
    "tfserving, lists": TfServing(columns=NAMES).bind(FEATURES, ()),
    "json, the body": PlainJson().bind(FEATURES, ()),
    "json, a pointer": PlainJson(rows="/data/rows").bind(FEATURES, ()),
    "json, lists": PlainJson(rows="/rows", columns=NAMES).bind(FEATURES, ()),
    "json, places": PlainJson(rows="/rows").bind({**FEATURES, "age": "/customer/age"}, ()),
}


def read(codec: Codec, rows: Sequence[Mapping[str, Value]], **headers: str) -> list[dict[str, Value]]:
    """What the reader finds in the body that was composed."""
    found = codec.read_request(codec.compose_request(rows), headers.get)
    return [{name: column[row] for name, column in found.columns.items()} for row in range(found.count)]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.integers(-(2**53), 2**53),
            "income": st.floats(allow_nan=False, allow_infinity=False),
            "job": st.text("abc☃", min_size=1),
        }
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@given(rows=ROWS)
@settings(max_examples=60, deadline=None)
def test_what_is_composed_is_read_back(codec: Codec, rows: list[dict[str, Any]]) -> None:
    assert read(codec, rows) == rows


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_bad_value_reaches_the_contract_as_it_is(codec: Codec) -> None:
    (row,) = read(codec, [{"age": "old", "income": None, "job": "a"}])
    assert row == {"age": "old", "income": None, "job": "a"}


@pytest.mark.parametrize("name", ["oip, named tensors", "tfserving", "json, the body", "json, places"])
def test_a_name_that_is_left_out_is_missing(name: str) -> None:
    (row,) = read(CODECS[name], [{"income": 1.0, "job": "a"}])
    assert row["age"] is MISSING


@pytest.mark.parametrize("name", ["oip, one matrix", "tfserving, lists", "json, lists"])
def test_where_a_position_cannot_be_left_out_it_is_null(name: str) -> None:
    (row,) = read(CODECS[name], [{"income": 1.0, "job": "a"}])
    assert row["age"] is None


def test_vectors_keep_their_shape() -> None:
    codec = Oip().bind({"profile": "", "grid": ""}, ())
    rows = [{"profile": [1.0, 2.0], "grid": [[1, 2], [3, 4]]}, {"profile": [3.0, 4.0], "grid": [[5, 6], [7, 8]]}]
    assert read(codec, rows) == rows
    assert json.loads(codec.compose_request(rows))["inputs"][1]["shape"] == [2, 2, 2]


def test_text_among_numbers_does_not_make_them_text() -> None:
    codec = CODECS["oip, one matrix"]
    tensor = json.loads(codec.compose_request([{"age": "x", "income": 1.5}]))["inputs"][0]
    assert (tensor["datatype"], tensor["shape"], tensor["data"]) == ("FP64", [1, 2], ["x", 1.5])


def test_unknown_names_are_sent_where_they_can_be() -> None:
    body = CODECS["oip, one matrix"].compose_request([{"age": 1, "income": 2.0, "job": "a", "odd": 3}])
    assert list(CODECS["oip, one matrix"].read_request(body, lambda name: None).unknown) == ["odd"]
    with pytest.raises(ValueError, match="`odd` has no place: a row is a list of age, income, job"):
        CODECS["json, lists"].compose_request([{"odd": 3}])


def test_what_a_header_says_is_not_in_the_body() -> None:
    features = {"age": "", "region": "header:x-region"}
    for wire in (Oip(), TfServing(), PlainJson()):
        body = wire.bind(features, ()).compose_request([{"age": 1, "region": "n"}])
        assert b"region" not in body


def test_an_opaque_body_has_no_values() -> None:
    codec = Opaque().bind({"region": "header:x-region"}, ())
    assert codec.compose_request([{"region": "n"}]) == b""
    with pytest.raises(ValueError, match="is not looked into"):
        codec.compose_request([{"age": 1}])
