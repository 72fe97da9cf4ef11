"""A JSON Schema, or the OpenAPI document of a FastAPI application → features with the bounds that it states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from ..yamldoc import quote
from .ranges import spelled_number
from .signature import MOST_FIELDS, Signature, field_guess
from .spelling import Guess, listed, number, shown, text, unusable

_TYPES: Final = {"integer": "int", "number": "float", "boolean": "bool", "string": "string"}
_BOUNDS: Final = {
    "minimum": "min",
    "maximum": "max",
    "exclusiveMinimum": "exclusive_min",
    "exclusiveMaximum": "exclusive_max",
}
_STEPS: Final = 32  # of references that are followed
Schema = Mapping[str, Any]


def from_json_schema(document: Any, root: Any = None) -> tuple[Guess, ...]:
    """The properties of an object, or of the objects of a list. ValueError where there are none."""
    root = document if root is None else root
    schema = resolve(document, root)
    if schema.get("type") == "array":
        schema = resolve(schema.get("items"), root)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        raise ValueError("the JSON Schema has no `properties`: it does not speak of named features")
    required = schema.get("required")
    needed = [each for each in required if isinstance(each, str)] if isinstance(required, list) else []
    fields = list(properties.items())[:MOST_FIELDS]
    return tuple(_field(name, resolve(each, root), name in needed) for name, each in fields if not unusable(name))


def resolve(schema: Any, root: Any) -> Schema:
    """The schema behind references within the document; {} for what is none."""
    for _ in range(_STEPS):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            schema = schema.get(step) if isinstance(schema, Mapping) else None
    return {}


def _field(name: str, schema: Schema, required: bool) -> Guess:
    nullable, schema = _nullable(schema)
    keys: dict[str, str] = {}
    stated = schema.get("type")
    type_ = _TYPES.get(stated, "json") if isinstance(stated, str) else "json"
    enum = schema.get("enum")
    if isinstance(enum, list) and enum and all(isinstance(each, str) and each for each in enum):
        type_ = "category"
        keys["values"] = listed([quote(each) for each in dict.fromkeys(enum)])
    elif type_ in ("int", "float"):
        for word, key in _BOUNDS.items():
            value = schema.get(word)
            if (
                isinstance(value, int | float)
                and type(value) is not bool
                and (spelled := spelled_number(value)) is not None
            ):
                keys[key] = spelled
        if not _possible(keys, whole=type_ == "int"):
            keys.clear()
    elif type_ == "string":
        for word, key in (("minLength", "min_length"), ("maxLength", "max_length")):
            value = schema.get(word)
            if type(value) is int and 0 <= value < 2**31:
                keys[key] = number(value)
        if int(keys.get("min_length", 0)) > int(keys.get("max_length", 2**31)):
            keys.clear()
        if schema.get("format") == "date-time":
            type_, keys = "timestamp", {}
    elif stated == "array":
        items = schema.get("items")
        element = (
            _TYPES.get(items["type"]) if isinstance(items, Mapping) and isinstance(items.get("type"), str) else None
        )
        if element is not None:
            type_ = f"{element}[]"
    if nullable:
        keys["nullable"] = "true"
    said = f"the schema says {shown(stated if stated is not None else 'nothing of its type')}"
    described = schema.get("description")
    if isinstance(described, str) and described:
        keys["description"] = text(described[:200])
    return field_guess(name, type_, said, keys, required=required)


def _possible(keys: Mapping[str, str], *, whole: bool) -> bool:
    """Whether a number can be within what the schema states."""
    low = max((Fraction(keys[name]) for name in ("min", "exclusive_min") if name in keys), default=None)
    high = min((Fraction(keys[name]) for name in ("max", "exclusive_max") if name in keys), default=None)
    if low is None or high is None:
        return True
    if any(name.startswith("exclusive") for name in keys):
        return low + (2 if whole else 0) < high
    return math.ceil(low) <= math.floor(high) if whole else low <= high


def _nullable(schema: Schema) -> tuple[bool, Schema]:
    """`type: [number, null]`, and pydantic's anyOf with null."""
    stated = schema.get("type")
    if isinstance(stated, list):
        rest = [each for each in stated if each != "null"]
        return len(rest) < len(stated), {**schema, "type": rest[0] if len(rest) == 1 else None}
    options = schema.get("anyOf")
    if isinstance(options, list):
        rest = [each for each in options if not (isinstance(each, Mapping) and each.get("type") == "null")]
        only = rest[0] if len(rest) == 1 and isinstance(rest[0], Mapping) else {}
        return len(rest) < len(options), {**schema, **only}
    return False, schema


def from_openapi(document: Any, wanted: str = "") -> Signature:
    """A POST route with a JSON body: one row as an object, or rows under one key, or a list of rows.

    `wanted`: the route's path; left out, the first that sounds like a model's. ValueError where there is none.
    """
    paths = document.get("paths") if isinstance(document, Mapping) else None
    if not isinstance(paths, Mapping):
        raise ValueError("this is no OpenAPI document: it has no `paths`")
    found = [(path, body) for path, item in paths.items() if (body := _body(item, document))]
    found.sort(key=lambda each: not any(word in each[0] for word in ("predict", "score", "infer", "invocations")))
    routes = [route for path, body in found if (route := _route(path, body, document)) is not None]
    others = [route.path for route in routes if route.path != wanted]
    if wanted and len(others) == len(routes):
        has = f"; it has {', '.join(shown(path, 100) for path in others[:20])}" if others else ""
        raise ValueError(f"the OpenAPI document describes no JSON body of POST {shown(wanted, 100)}{has}")
    if wanted:
        return next(route for route in routes if route.path == wanted)
    if not routes:
        raise ValueError("the OpenAPI document has no POST route with a JSON body that is described")
    if len(routes) == 1:
        return routes[0]
    rest = ", ".join(shown(path, 100) for path in others[1:20])
    return replace(routes[0], notes=(*routes[0].notes, f"It describes {rest}, too: choose with --path."))


def _body(item: Any, root: Any) -> Schema:
    """The schema of a POST route's JSON body."""
    node: Any = item
    for step in ("post", "requestBody", "content", "application/json", "schema"):
        node = resolve(node, root).get(step)
    return resolve(node, root)


def _route(path: str, body: Schema, root: Any) -> Signature | None:
    note = f"From /openapi.json: POST {shown(path, 100)}"
    if body.get("type") == "array":
        try:
            return Signature(
                from_json_schema(body, root), protocol="json", path=path, notes=(f"{note} with a list of rows.",)
            )
        except ValueError:
            return None
    properties = body.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return None
    for name, each in properties.items():
        schema = resolve(each, root)
        items = resolve(schema.get("items"), root) if schema.get("type") == "array" else {}
        if items.get("type") == "array" or isinstance(items.get("properties"), Mapping):
            pointer = "/" + name.replace("~", "~0").replace("/", "~1")
            if items.get("type") == "array":
                told = f"{note} with rows as lists under {pointer}: name their positions in `columns: […]`."
                return Signature(protocol="json", path=path, rows=pointer, notes=(told,))
            rows = from_json_schema(schema, root)
            return Signature(
                rows, protocol="json", path=path, rows=pointer, notes=(f"{note} with rows under {pointer}.",)
            )
    return Signature(
        from_json_schema(body, root), protocol="json", path=path, notes=(f"{note} with one row a request.",)
    )
