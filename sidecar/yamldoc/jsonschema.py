"""Shapes → JSON Schema draft-07, for editors: what they underline is what `check` refuses, as far as a schema can say.

Text fields take numbers and truth values too, because an unquoted `2.3` or `no` in a text field is that text.
"""

from __future__ import annotations

from typing import Any

from .canonical import shape_of
from .scalars import PATTERNS, spell
from .shapes import (
    Anything,
    Field,
    ListOf,
    MapOf,
    Number,
    OneOf,
    Section,
    SectionOf,
    Shape,
    Text,
    Truth,
    Words,
    section,
)
from .vocabulary import Bounds, Suggests, Unit

DRAFT = "http://json-schema.org/draft-07/schema#"


def schema_of(cls: type[Any], *, title: str = "") -> dict[str, Any]:
    """The schema of documents that are `cls`."""
    definitions: dict[str, Any] = {}
    root = _reference(cls, definitions)
    return {"$schema": DRAFT, "title": title or cls.__name__, **root, "definitions": dict(sorted(definitions.items()))}


def _reference(cls: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    name = f"{cls.__module__.rpartition('.')[0].rpartition('.')[2]}.{cls.__name__}"
    if name not in definitions:
        definitions[name] = {}  # taken first: a section may hold itself
        definitions[name].update(_section(section(cls), definitions))
    return {"$ref": f"#/definitions/{name}"}


def _section(found: Section, definitions: dict[str, Any]) -> dict[str, Any]:
    properties = {name: _field(field, definitions) for name, field in found.fields.items()}
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    doc = (found.cls.__doc__ or "").strip().split("\n")[0]
    if doc:
        schema["description"] = doc
    required = [name for name, field in found.fields.items() if field.make_default is None]
    if required:
        schema["required"] = required
    if found.variants is not None:
        _variants(found, schema, definitions)
    return schema


def _variants(found: Section, schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Keys of every variant are known; which of them, and how, depends on the tag."""
    assert found.variants is not None
    classes = found.variants.classes()
    tag = found.tag.name
    schema["properties"][tag] = {**schema["properties"][tag], "enum": list(classes)}
    own = set(found.fields)
    further = {name for cls in classes.values() if cls is not None for name in section(cls).fields} - own
    schema["properties"].update({name: {} for name in sorted(further)})
    branches = []
    for word, cls in classes.items():
        if cls is None:
            continue
        fields = {name: field for name, field in section(cls).fields.items() if name not in own}
        then: dict[str, Any] = {"properties": {name: _field(field, definitions) for name, field in fields.items()}}
        then["properties"].update(dict.fromkeys(sorted(further - set(fields)), False))
        required = [name for name, field in section(cls).fields.items() if field.make_default is None]
        if required:
            then["required"] = required
        condition = {"properties": {tag: {"const": word}}, "required": [tag]}
        branches.append({"if": condition, "then": then})
    schema["allOf"] = branches


def _field(field: Field, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _shape(field.shape, definitions)
    if "$ref" in schema:  # draft-07 ignores everything beside a $ref
        schema = {"allOf": [schema]}
    if field.doc:
        schema = {**schema, "description": field.doc}
    if field.make_default is not None:
        default = field.make_default()
        if default is not None and not isinstance(default, dict | tuple) and default != "":
            said = _default(default, field.shape)
            if said is not None:
                schema = {**schema, "default": said}
    return schema


def _default(value: Any, shape: Shape) -> Any:
    match shape:
        case OneOf():
            return _default(value, shape_of(value, shape))
        case Number(unit=Unit() as unit):
            return spell(value, unit)
        case Words(words):
            return next(word for word, meaning in words if meaning == value)
        case Number() | Truth() | Text():
            return value
    return None


def _shape(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    match shape:
        case Text(suggests=Suggests(offered, also)):
            further = [{"type": "string", "pattern": f"^(?:{also})$"}] if also else []
            return {"anyOf": [{"enum": list(offered)}, *further]}
        case Text(rule):
            # A pattern applies to strings alone, so numbers and truth values pass it, as they must.
            pattern = {"pattern": f"^(?:{rule.pattern})$"} if rule is not None else {}
            return {"type": ["string", "number", "boolean"], **pattern}
        case Truth():
            return {"type": "boolean"}
        case Number(whole, unit, bounds):
            return _number(whole, unit, bounds)
        case Words(words):
            return {"enum": [word for word, _ in words]}
        case Anything():
            scalars = {"type": ["string", "number", "boolean", "null"]}
            return {"anyOf": [scalars, {"type": "array"}]}
        case ListOf(item):
            return {"type": "array", "items": _shape(item, definitions)}
        case MapOf(value):
            return {"type": "object", "additionalProperties": _shape(value, definitions)}
        case SectionOf(cls):
            return _reference(cls, definitions)
        case OneOf(options, nullable):
            some = [_shape(option, definitions) for option in options]
            if nullable:
                off = any(isinstance(option, Number) for option in options)
                some.append({"enum": [None, "off", False]} if off else {"type": "null"})
            return some[0] if len(some) == 1 else {"anyOf": some}


def _number(whole: bool, unit: Unit | None, bounds: Bounds) -> dict[str, Any]:
    if unit is Unit.DURATION:
        return {"anyOf": [{"type": "string", "pattern": PATTERNS[unit]}, {"const": 0}]}
    if unit is Unit.SIZE:
        return {"anyOf": [{"type": "string", "pattern": PATTERNS[unit]}, {"type": "integer", "minimum": 0}]}
    if unit is Unit.SHARE:
        share = {"type": "number", "minimum": 0, "maximum": 1}
        return {"anyOf": [{"type": "string", "pattern": PATTERNS[unit]}, share]}
    schema: dict[str, Any] = {"type": "integer" if whole else "number"}
    if bounds.minimum is not None:
        schema["minimum"] = bounds.minimum
    if bounds.maximum is not None:
        schema["maximum"] = bounds.maximum
    return schema
