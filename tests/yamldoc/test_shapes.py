"""Annotations that no document can say are a mistake of ours, told by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from sidecar.yamldoc import key, parse


@dataclass(frozen=True)
class Bytes:
    data: bytes = key(b"", doc="No.")


@dataclass(frozen=True)
class TwoSections:
    data: Bytes | dict[str, str] | None = key(None, doc="No.")


@dataclass(frozen=True)
class Pair:
    data: tuple[int, int] = key((1, 2), doc="No.")


@pytest.mark.parametrize("cls", [Bytes, TwoSections, Pair])
def test_an_annotation_that_cannot_be_read_names_its_field(cls: type[Any]) -> None:
    with pytest.raises(TypeError, match=rf"{cls.__name__}\.data"):
        parse("data: x", cls, file="p.yaml")


@dataclass(frozen=True)
class Tree:
    """A section may hold itself."""

    children: dict[str, Tree] = key(default_factory=dict, doc="Smaller trees.")


def test_a_section_may_hold_itself() -> None:
    parsed = parse("children: {a: {children: {b: {}}}}", Tree, file="p.yaml")
    assert parsed.value == Tree({"a": Tree({"b": Tree()})})
