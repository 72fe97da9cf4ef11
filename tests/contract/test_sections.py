"""The section is its own documentation."""

from __future__ import annotations

import dataclasses

import pytest

from sidecar.contract import PolicyContract, sections
from sidecar.problem import Disclosure
from tests.contract.desk import section

SECTIONS = [
    value for value in vars(sections).values() if isinstance(value, type) and dataclasses.is_dataclass(value)
    and value.__module__ == sections.__name__
]  # fmt: skip


@pytest.mark.parametrize("cls", SECTIONS, ids=lambda cls: cls.__name__)
def test_every_key_has_its_sentence(cls: type) -> None:
    assert cls.__doc__
    for field in dataclasses.fields(cls):
        assert field.metadata["doc"].rstrip().endswith("."), field.name


def test_the_defaults_are_safe() -> None:
    plain = section("features: {age: {type: int}}")
    assert plain.mode == "observe"
    assert plain.unknown_features == "ignore"
    assert plain.on_bad_rows == "reject_request"
    assert plain.errors is Disclosure.CODES
    assert plain.features["age"].required
    assert not plain.features["age"].nullable
    assert plain == dataclasses.replace(PolicyContract(), features=plain.features)


def test_the_key_from_is_spelled_as_in_yaml() -> None:
    assert section("features: {x: {from: 'header:x-a'}}").features["x"].from_ == "header:x-a"
