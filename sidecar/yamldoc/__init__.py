"""Strict YAML text → frozen dataclasses; every problem with file:line:column at once.

In: text, and a dataclass whose annotations say what may stand there. Out: a value, or findings. Never: an exception
for bad text, a guess (scalars are typed by the field, not by YAML), an alias, a key nobody asked for.

    parsed = parse(text, Policy, file="credit.yaml")
    parsed.value                         the Policy, or None when a finding is an error
    parsed.findings                      all of them, located
    parsed.place(finding)                a later finding, located by its path

A section is a dataclass whose fields are declared with `key(…, doc=…)`. It may have a method `problems()` that yields
findings (paths relative to itself) about keys that do not fit together; it is called when the keys themselves are fine.
"""

from __future__ import annotations

from .canonical import dumps, loads
from .document import Parsed, bind, in_order, parse, parse_all, spelt
from .jsonschema import schema_of
from .nodes import Items, Keys, Node, Place, Scalar, read, show
from .vocabulary import (
    Bounds,
    ByteSize,
    Finding,
    Matches,
    Plain,
    Seconds,
    Share,
    Suggests,
    Unit,
    Variants,
    key,
    keys_of,
)
from .wording import nearest
from .writer import quote, write

__all__ = [
    "Bounds",
    "ByteSize",
    "Finding",
    "Items",
    "Keys",
    "Matches",
    "Node",
    "Parsed",
    "Place",
    "Plain",
    "Scalar",
    "Seconds",
    "Share",
    "Suggests",
    "Unit",
    "Variants",
    "bind",
    "dumps",
    "in_order",
    "key",
    "keys_of",
    "loads",
    "nearest",
    "parse",
    "parse_all",
    "quote",
    "read",
    "schema_of",
    "show",
    "spelt",
    "write",
]
