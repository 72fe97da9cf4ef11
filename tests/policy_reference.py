"""Every key of a policy and of sidecar.yaml as tables, made from the JSON Schema that `sidecar schema` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
Row = tuple[str, str, str]


def sections(schema: Schema, seen: set[str]) -> Iterator[tuple[str, str, list[Row]]]:
    """(path, sentence, rows) of each section, outermost first; one that was in `seen` is not told again."""
    waiting = [("", reference) for _, reference in references(schema)]
    while waiting:
        path, name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        section = schema["definitions"][name]
        rows = list(_rows(section))
        if rows:
            yield path, section.get("description", ""), rows
        for suffix, inner in references(section):
            waiting.append((f"{path}{suffix}".lstrip("."), inner))


def references(schema: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path below here, definition) of each section a schema points at: `.key`, `[]` of lists, `.NAME` of maps."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield path, schema["$ref"].rpartition("/")[2]
    for name, inner in schema.get("properties", {}).items():
        yield from references(inner, f"{path}.{name}")
    yield from references(schema.get("items"), f"{path}[]")
    yield from references(schema.get("additionalProperties"), f"{path}.NAME")
    for word in ("anyOf", "allOf"):
        for inner in schema.get(word, ()):
            yield from references(inner.get("then", inner), path)


def _rows(section: Schema) -> Iterator[Row]:
    for name, field in section.get("properties", {}).items():
        if field:
            yield _row(name, field, name in section.get("required", ()))
    for branch in section.get("allOf", ()):
        for tag, chosen in branch.get("if", {}).get("properties", {}).items():
            required = branch["then"].get("required", ())
            for name, field in branch["then"]["properties"].items():
                if isinstance(field, dict):
                    key, sentence, default = _row(name, field, name in required)
                    yield key, f"With `{tag}: {chosen['const']}`: {sentence}", default


def _row(name: str, field: Schema, required: bool) -> Row:
    default = "required" if required else ""
    if "default" in field:
        value = field["default"]
        default = f"`{value if isinstance(value, str) else json.dumps(value)}`"
    return f"`{name}`", field.get("description", ""), default
