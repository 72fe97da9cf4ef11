"""Every key of a policy and of sidecar.yaml as tables, made from the JSON Schema that `sidecar schema` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sidecar.policy import codes

Schema = dict[str, Any]
Row = tuple[str, str, str]


def sections(schema: Schema, seen: set[str]) -> Iterator[tuple[str, str, list[Row]]]:
    """(path, sentence, rows) of each section, outermost first; one that was in `seen` is not told again."""
    for path, name in codes.sections(schema):
        section = schema["definitions"][name]
        rows = list(_rows(section))
        if name not in seen and rows:
            yield path, section.get("description", ""), rows
        seen.add(name)


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
