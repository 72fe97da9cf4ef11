"""What a policy's author writes becomes what a JSON body would hold, or a sentence that says why not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sidecar.contract.kinds import parse_kind
from sidecar.contract.literals import ValueSet, number, read, read_sentinel
from sidecar.yamldoc import Plain


def plain(text: str) -> Plain:
    """`'x'` is quoted, `[a, b]` a list, all else plain."""
    if text.startswith("["):
        return Plain(items=tuple(plain(item.strip()) for item in text[1:-1].split(",")))
    return Plain(text.strip("'"), quoted=text.startswith("'"))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "42", 42),
        ("int", "-0", 0),
        ("int", "9007199254740993", 9007199254740993),
        ("float", "42", 42.0),
        ("float", "1e5", 100000.0),
        ("float", "9007199254740993", 9007199254740993),
        ("bool", "true", True),
        ("string", "no", "no"),
        ("string", "0123", "0123"),
        ("string", "1", "1"),
        ("category", "no", "no"),
        ("category", "1e5", "1e5"),
        ("category", "0123", "0123"),
        ("category", "1", 1),
        ("category", "1.5", 1.5),
        ("category", "'1'", "1"),
        ("category", "true", True),
        ("timestamp", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("float[2]", "[1, 2.5]", [1.0, 2.5]),
        ("json", "[1, a]", [1, "a"]),
        ("bytes", "abc", "abc"),
    ],
)
def test_literals_are_typed_by_their_feature(kind: str, text: str, value: Any) -> None:
    got = read(plain(text), parse_kind(kind))
    assert got == value
    assert got.__class__ is value.__class__


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("int", "4.0", "whole number"),
        ("int", "0123", "must be a number"),
        ("int", "1_000", "must be a number"),
        ("int", "'4'", "remove the quotes"),
        ("int", "[1]", "not a list"),
        ("float", ".inf", "must be a number"),
        ("float", "1e999", "double"),
        ("bool", "yes", "true or false"),
        ("bool", "'true'", "true or false"),
        ("timestamp", "2026-01-31", "RFC 3339"),
        ("float[2]", "[1]", "this list has 1 items"),
        ("float[2]", "1", "a list of 2 float values"),
    ],
)
def test_what_is_not_of_the_type_is_said(kind: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(plain(text), parse_kind(kind))


def test_a_bound_is_one_number() -> None:
    with pytest.raises(ValueError, match="not a list"):
        number(plain("[1]"))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "-999", -999),
        ("int", "N/A", "N/A"),
        ("int", "'-999'", "-999"),
        ("float", ".inf", math.inf),
        ("float", "-Infinity", -math.inf),
        ("string", "-999", "-999"),
        ("category", "-999", -999),
        ("bool", "unknown", "unknown"),
        ("timestamp", "1970-01-01", "1970-01-01"),
    ],
)
def test_missing_values_may_be_of_another_type(kind: str, text: str, value: Any) -> None:
    assert read_sentinel(plain(text), parse_kind(kind)) == value


def test_a_missing_value_is_one_value() -> None:
    with pytest.raises(ValueError, match="single values"):
        read_sentinel(plain("[1]"), parse_kind("int"))


def test_a_value_set_knows_true_from_one() -> None:
    members = ValueSet([1, "a", False, math.nan])
    asked: list[Any] = [1, 1.0, True, "a", False, 0, math.nan, None, [1], {}]
    assert [value in members for value in asked] == [
        True, True, False, True, True, False, True, False, False, False,
    ]  # fmt: skip
    assert (len(members), bool(members), bool(ValueSet([]))) == (4, True, False)
