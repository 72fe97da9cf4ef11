"""The schema that editors get: it takes what we take and refuses what it can."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from sidecar.yamldoc import schema_of

from .sections import Everything

SCHEMA = schema_of(Everything)


def valid(document: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft7Validator(SCHEMA).is_valid({"name": "x", **document}))


def test_it_is_a_draft_07_schema_with_docs_and_defaults() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    properties = SCHEMA["definitions"]["yamldoc.Everything"]["properties"]
    assert properties["wait"]["default"] == "1s"
    assert properties["wait"]["description"] == "A duration."
    assert properties["colour"]["enum"] == ["red", "off"]


@pytest.mark.parametrize(
    "document",
    [
        {"title": 2.3},
        {"count": 5, "ratio": 1e5, "limit": "off"},
        {"wait": "250ms", "idle": "off", "size": "1GiB", "share": "5%"},
        {"share": 0.05, "size": 1024, "wait": 0},
        {"action": "clamp"},
        {"action": {"replace": 5}},
        {"version": ["14"]},
        {"windows": {"any name": {"low": 1}}},
        {"drawings": [{"kind": "square", "side": 1}, {"kind": "circle"}, {"kind": "blob", "radius": 1}]},
        {"from": "x"},
    ],
)
def test_it_takes(document: dict[str, Any]) -> None:
    jsonschema.validate({"name": "x", **document}, SCHEMA)


@pytest.mark.parametrize(
    "document",
    [
        {"name": "Upper"},
        {"tilte": "x"},
        {"count": 0},
        {"count": "5"},
        {"flag": "true"},
        {"wait": 30},
        {"wait": "off"},
        {"size": "1Gi"},
        {"share": 5},
        {"colour": "blue"},
        {"action": {"replce": 5}},
        {"windows": [1]},
        {"drawings": [{"kind": "square"}]},
        {"drawings": [{"kind": "square", "side": 1, "radius": 2}]},
        {"drawings": [{"kind": "sqare", "side": 1}]},
        {"from_": "x"},
    ],
)
def test_it_refuses(document: dict[str, Any]) -> None:
    assert not valid(document)
