"""The section is its own documentation."""

from __future__ import annotations

import dataclasses

import pytest

from sidecar.contract import ContractSection, PolicyContract, sections
from sidecar.problem import Disclosure
from sidecar.yamldoc import parse
from sidecar.yamldoc.shapes import section as known
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


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("minimum", "min"),
        ("exclusiveMinimum", "exclusive_min"),
        ("ge", "min"),
        ("lt", "exclusive_max"),
        ("enum", "values"),
        ("choices", "values"),
        ("allowed_values", "values"),
        ("isin", "values"),
        ("not_in", "not_values"),
        ("regex", "pattern"),
        ("maxLength", "max_length"),
        ("not-null", "nullable"),
        ("optional", "required"),
        ("dtype", "type"),
        ("patern", "pattern"),
    ],
)
def test_the_words_of_other_languages_lead_to_ours(written: str, meant: str) -> None:
    (finding,) = parse(f"features: {{x: {{{written}: 1}}}}", ContractSection, file="c.yaml").findings
    assert (finding.code, finding.hint) == ("key.unknown", f"did you mean `{meant}`?")


def test_no_word_of_another_language_is_a_key_of_ours_or_means_two() -> None:
    for cls in SECTIONS:
        fields = known(cls).fields
        told = [word for field in fields.values() for word in field.also]
        assert len(told) == len(set(told)), cls
        assert not set(told) & {name.replace("_", "") for name in fields}, cls
        assert all(word == word.lower().replace("_", "").replace("-", "") for word in told), cls
