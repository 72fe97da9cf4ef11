"""The schema that editors get agrees with `check` about the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sidecar.contract.kinds import parse_kind
from sidecar.policy import schema
from sidecar.yamldoc import Items, Keys, Node, read

POLICIES = Path(__file__).parents[2] / "policies"


def as_editors_read(node: Node) -> Any:
    """YAML 1.2's core schema: `on` and days are text, numbers and true are not."""
    if isinstance(node, Keys):
        return {name: as_editors_read(value) for name, (_, value) in node.entries.items()}
    if isinstance(node, Items):
        return [as_editors_read(item) for item in node.items]
    if node.quoted:
        return node.text
    if node.is_null:
        return None
    if node.text in ("true", "false"):
        return node.text == "true"
    for number in (int, float):
        try:
            return number(node.text)
        except ValueError:
            continue
    return node.text


@pytest.mark.parametrize("document", ["policy", "platform"])
def test_it_is_draft_07_and_every_key_has_its_sentence(document: str) -> None:
    whole = schema(document)
    jsonschema.Draft7Validator.check_schema(whole)
    bare = [
        f"{name}.{key}"
        for name, section in whole["definitions"].items()
        for key, value in section["properties"].items()
        if not value.get("description") and value
    ]
    assert bare == []


EXAMPLES = sorted(path for path in POLICIES.rglob("*.yaml") if not path.name.endswith(".test.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_fit(path: Path) -> None:
    validator = jsonschema.Draft7Validator(schema("platform" if path.name == "sidecar.yaml" else "policy"))
    documents, _ = read(path.read_bytes(), path.name)
    for document in map(as_editors_read, documents):
        assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize("kind", ["int", "json", "bytes", "float[64]", "float[]", "int[2, 3]", "string[,2]"])
def test_editors_take_every_type_that_there_is(kind: str) -> None:
    feature = {"type": kind, "values": ["a"]} if kind == "category" else {"type": kind}
    document = {"policy": "a", "model": {"protocol": "oip"}, "contract": {"features": {"x": feature}}}
    assert jsonschema.Draft7Validator(schema()).is_valid(document)
    assert parse_kind(kind)


@pytest.mark.parametrize(
    "document",
    [
        {"policy": "a", "model": {"protocol": "oip"}, "contract": {"features": {"x": {"type": "integer"}}}},
        {"policy": "a", "model": {"protocol": "oip"}, "contract": {"features": {"x": {"type": "json[2]"}}}},
        {"policy": "a", "model": {"protocol": "oip"}, "contract": {"features": {"x": {"format": "emial"}}}},
        {"policy": "a", "model": {"protocol": "oip"}, "contract": {"features": {"x": {"unique": "yes"}}}},
        {"policy": "a"},
        {"policy": "a", "model": {"protocol": "oipp"}},
        {"policy": "a", "model": {"protocol": "opaque", "columns": {"a": ["b"]}}},
        {"policy": "a", "model": {"protocol": "oip"}, "contract": {"mode": "enforced"}},
        {"policy": "a", "model": {"protocol": "oip"}, "contrct": {}},
        {"policy": "a", "model": {"protocol": "oip"}, "watch": {"window": 3600}},
    ],
)
def test_what_an_editor_can_see_is_refused(document: dict[str, Any]) -> None:
    assert not jsonschema.Draft7Validator(schema()).is_valid(document)
