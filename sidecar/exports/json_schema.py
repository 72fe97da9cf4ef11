"""JSON Schema of one row: what the contract takes as it is, draft 2020-12 or draft-07.

A row is valid exactly where the contract has nothing to say about it but filling in a default. Rows are objects by
feature name, whatever the protocol makes of them; features from headers are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from ..contract.formats import COUNTRIES, CURRENCIES
from ..contract.kinds import NUMERIC, Kind, Scalar
from ..contract.literals import number, read
from ..contract.sections import Checks, Feature, ReplaceWith
from ..policy import Policy
from ..rows import Value
from .base import Exported, Options, Unsaid, in_body, values_of
from .base import Value as Member
from .portable_pattern import portable

DIALECTS: Final = {
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft-07": "http://json-schema.org/draft-07/schema#",
}
_TYPES: Final = {
    Scalar.INT: "integer", Scalar.FLOAT: "number", Scalar.BOOL: "boolean", Scalar.STRING: "string",
    Scalar.TIMESTAMP: "string", Scalar.BYTES: "string",
}  # fmt: skip
_BOUNDS: Final = {
    "min": "minimum", "max": "maximum", "exclusive_min": "exclusiveMinimum", "exclusive_max": "exclusiveMaximum",
}  # fmt: skip
_LISTED: Final = {"iso-country": COUNTRIES, "iso-currency": CURRENCIES}
_ANNOTATION: Final = "`format` is an annotation: a validator asserts it only when told to"
_CONTEXT: Final = "it is about the moment of the request"


class JsonSchema:
    """JSON Schema of a row and of a prediction."""

    kind: ClassVar[str] = "json-schema"

    @classmethod
    def export(cls, policy: Policy, options: Options) -> Exported:
        unsaid: list[Unsaid] = []
        row = row_schema(policy, unsaid)
        head: dict[str, Any] = {"$schema": DIALECTS[options.draft], "title": policy.name}
        if policy.purpose:
            head["description"] = policy.purpose
        head["$comment"] = "Valid rows are those that the contract takes as they are, or with a default filled in."
        head["x-sidecar-policy"] = {
            "name": policy.name, "version": policy.version or "", "digest": options.digest
        }  # fmt: skip
        answers = answer_schema(policy, unsaid)
        if answers["properties"]:
            row["x-sidecar-prediction"] = answers
        if unsaid:
            row["x-sidecar-not-expressed"] = [one._asdict() for one in unsaid]
        return Exported({**head, **row}, tuple(unsaid))


def row_schema(policy: Policy, unsaid: list[Unsaid]) -> dict[str, Any]:
    """The object schema of one row; what it cannot say is added to `unsaid`."""
    contract = policy.contract
    schema = _object(contract.features, unsaid)
    if contract.unknown_features == "reject":
        schema["additionalProperties"] = False
    elif contract.unknown_features != "ignore":
        why = f"names that are not listed are valid here, and {contract.unknown_features} by the contract"
        unsaid.append(Unsaid("", "unknown_features", why))
    for rule in contract.rules:
        unsaid.append(Unsaid("", f"rule.{rule.id}", "a condition over several features"))
    return schema


def answer_schema(policy: Policy, unsaid: list[Unsaid]) -> dict[str, Any]:
    """The object schema of one row of the answer."""
    return _object(policy.contract.prediction, unsaid)


def _object(members: dict[str, Any], unsaid: list[Unsaid]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for member in values_of(members):
        if not in_body(member.keys):
            unsaid.append(Unsaid(member.name, "from", "it comes from a header, not in the row"))
            continue
        properties[member.name] = _property(member, unsaid)
        if _must_be_there(member.keys):
            required.append(member.name)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _must_be_there(keys: Checks) -> bool:
    if not isinstance(keys, Feature):
        return keys.required
    return keys.required and keys.lifecycle == "active" and keys.default is None and keys.role != "ignored"


def _property(member: Member, unsaid: list[Unsaid]) -> dict[str, Any]:
    keys, feature = member.keys, member.keys if isinstance(member.keys, Feature) else None
    told = _told(keys, feature)
    if feature is not None and feature.role == "ignored":
        return told
    value = _value(member, unsaid)
    nullable = keys.nullable or (feature is not None and feature.default is not None)
    schema = _with_sentinels(member, _nullable(value) if nullable else value, nullable, unsaid)
    if feature is not None and feature.default is not None:
        told["default"] = read(feature.default, member.built.kind)
    if feature is not None and feature.lifecycle == "deprecated":
        unsaid.append(Unsaid(member.name, "deprecated", "sending it is valid here, and told by the contract"))
    if feature is not None and feature.unique:
        unsaid.append(Unsaid(member.name, "unique", "it compares the rows of a request"))
    return {**told, **schema}


def _told(keys: Checks, feature: Feature | None) -> dict[str, Any]:
    """What is for readers."""
    told: dict[str, Any] = {}
    if keys.description:
        told["description"] = keys.description
    if keys.unit or keys.units:
        told["x-sidecar-unit"] = keys.unit or keys.units
    action = keys.on_violation
    if action is not None:
        told["x-sidecar-on-violation"] = (
            {"replace": action.replace.text} if isinstance(action, ReplaceWith) else str(action)
        )
    if feature is not None:
        if feature.lifecycle == "deprecated":
            told["deprecated"] = True
        if feature.role != "input":
            told["x-sidecar-role"] = feature.role
        if feature.source:
            told["x-sidecar-source"] = feature.source
        if feature.pii:
            told["x-sidecar-pii"] = True
    return told


def _value(member: Member, unsaid: list[Unsaid]) -> dict[str, Any]:
    """The schema of a value that is there and not null."""
    kind = member.built.kind
    element = _element(member, unsaid)
    if not kind.shape:
        return element
    if None in kind.shape[1:]:
        unsaid.append(Unsaid(member.name, "shape", "that inner lists are all of one length"))
    schema = element
    for size in reversed(kind.shape):
        schema = {"type": "array", "items": schema}
        if size is not None:
            schema |= {"minItems": size, "maxItems": size}
    return schema | _list_lengths(member, unsaid)


def _list_lengths(member: Member, unsaid: list[Unsaid]) -> dict[str, int]:
    lengths = {"minItems": member.keys.min_length, "maxItems": member.keys.max_length}
    stated = {name: length for name, length in lengths.items() if length is not None}
    if stated and len(member.built.kind.shape) > 1:
        unsaid.append(Unsaid(member.name, "min_length, max_length", "they count the items of all dimensions together"))
        return {}
    size = member.built.kind.shape[0]
    if size is not None:  # the shape says how many: a length beside it is a second word on the same thing
        stated = {
            "minItems": max(size, stated.get("minItems", size)),
            "maxItems": min(size, stated.get("maxItems", size)),
        }
    return stated


def _element(member: Member, unsaid: list[Unsaid]) -> dict[str, Any]:
    keys, scalar = member.keys, member.built.kind.scalar
    schema: dict[str, Any] = {}
    if scalar in _TYPES:
        schema["type"] = _TYPES[scalar]
    if member.built.allowed is not None:
        schema["enum"] = list(member.built.allowed)
    if scalar in NUMERIC:
        schema |= _numbers(keys)
    if scalar is Scalar.TIMESTAMP:
        schema["format"] = "date-time"
        unsaid.append(Unsaid(member.name, "type", _ANNOTATION))
        for name in (*_BOUNDS, "not_in_future", "max_age"):
            if getattr(keys, name) not in (None, False):
                why = _CONTEXT if name in ("not_in_future", "max_age") else "timestamps have no order in JSON Schema"
                unsaid.append(Unsaid(member.name, name, why))
    refused = [read(plain, Kind(scalar)) for plain in keys.not_values or ()]
    if refused:
        schema["not"] = {"enum": refused}
    if scalar is Scalar.JSON:
        schema["not"] = {"type": "null"}
    if scalar is Scalar.BYTES:
        unsaid.append(Unsaid(member.name, "type", "bytes are what the protocol makes of them"))
        for name in ("min_length", "max_length"):
            if getattr(keys, name) is not None:
                unsaid.append(Unsaid(member.name, name, "it counts bytes, JSON Schema counts characters"))
    if scalar in (Scalar.STRING, Scalar.CATEGORY):
        schema |= dict(_texts(member, unsaid))
    return schema


def _numbers(keys: Checks) -> dict[str, Any]:
    found = {word: getattr(keys, name) for name, word in (*_BOUNDS.items(), ("multiple_of", "multipleOf"))}
    return {word: number(plain) for word, plain in found.items() if plain is not None}


def _texts(member: Member, unsaid: list[Unsaid]) -> Iterator[tuple[str, Any]]:
    keys = member.keys
    if not member.built.kind.shape:
        if keys.min_length is not None:
            yield "minLength", keys.min_length
        if keys.max_length is not None:
            yield "maxLength", keys.max_length
    if keys.pattern:
        pattern = portable(keys.pattern)
        if pattern is None:
            unsaid.append(Unsaid(member.name, "pattern", "RE2 syntax that JSON Schema's dialect reads differently"))
        else:
            yield "pattern", pattern
            if member.built.kind.scalar is Scalar.CATEGORY:
                yield "type", "string"
    if keys.format in _LISTED and member.built.allowed is None:
        yield "enum", sorted(_LISTED[keys.format])
    elif keys.format is not None:
        yield "format", keys.format
        unsaid.append(Unsaid(member.name, "format", _ANNOTATION))


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, or null."""
    if schema == {"not": {"type": "null"}}:
        return {}
    simple = isinstance(schema.get("type"), str) and "not" not in schema
    if not simple:
        return {"anyOf": [schema, {"type": "null"}]}
    widened = {**schema, "type": [schema["type"], "null"]}
    if "enum" in widened:
        widened["enum"] = [*widened["enum"], None]
    return widened


def _with_sentinels(member: Member, schema: dict[str, Any], nullable: bool, unsaid: list[Unsaid]) -> dict[str, Any]:
    """Values that stand for null: valid where null is."""
    sentinels = _json_values(member, unsaid)
    if not sentinels:
        return schema
    if nullable:
        return {"anyOf": [schema, {"enum": sentinels}]}
    return {"allOf": [schema, {"not": {"enum": sentinels}}]}


def _json_values(member: Member, unsaid: list[Unsaid]) -> list[Value]:
    found = member.built.sentinels
    infinite = [one for one in found.numbers if one in (float("inf"), float("-inf"))]
    if found.nan or infinite:
        unsaid.append(Unsaid(member.name, "missing_values", "JSON has no NaN and no infinity"))
    numbers = sorted(one for one in found.numbers if one not in infinite)
    return [*sorted(found.texts), *sorted(found.bools), *numbers]


MEMBER = JsonSchema
