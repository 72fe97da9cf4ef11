"""One row of 20 features, decoded and range-checked by different libraries: microseconds each, as JSON on stdout.

Runs in `.venvs/bench`: `python -m bench.peers.decoders`. Every contestant is first shown a row out of range and must
refuse it: a decoder that checks nothing would win.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import fastjsonschema
import msgspec
import orjson

from .. import payload
from ..timing import best_microseconds
from .contract import Request

Feature = Annotated[float, msgspec.Meta(ge=payload.FEATURE_MIN, le=payload.FEATURE_MAX)]
Features = Annotated[list[Feature], msgspec.Meta(min_length=20, max_length=20)]


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Features


class TypedRequest(msgspec.Struct):
    inputs: list[Tensor]
    id: str = ""


SCHEMA = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype", "data"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "datatype": {"type": "string"},
                    "data": {
                        "type": "array",
                        "minItems": 20,
                        "maxItems": 20,
                        "items": {"type": "number", "minimum": payload.FEATURE_MIN, "maximum": payload.FEATURE_MAX},
                    },
                },
            },
        }
    },
}


def contestants() -> dict[str, Callable[[bytes], Any]]:
    typed = msgspec.json.Decoder(TypedRequest).decode
    validate = fastjsonschema.compile(SCHEMA)
    return {
        "msgspec, typed": typed,
        "pydantic": Request.model_validate_json,
        "orjson + fastjsonschema": lambda body: validate(orjson.loads(body)),
    }


def parsers() -> dict[str, Callable[[bytes], Any]]:
    return {"orjson, parsing alone": orjson.loads, "json (standard library), parsing alone": json.loads}


def refuses(decode: Callable[[bytes], Any], body: bytes) -> bool:
    try:
        decode(body)
    except (ValueError, msgspec.ValidationError, fastjsonschema.JsonSchemaException):
        return True
    return False


def main() -> None:
    found = {}
    for name, decode in {**contestants(), **parsers()}.items():
        if name in contestants() and not refuses(decode, payload.BAD_REQUEST):
            raise SystemExit(f"{name} lets a row out of range through")
        found[name] = best_microseconds(partial(decode, payload.REQUEST))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
