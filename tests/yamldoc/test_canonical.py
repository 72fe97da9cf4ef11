"""Values ⇄ canonical JSON ⇄ YAML: nothing is lost on any of the ways."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.yamldoc import Plain, dumps, loads, parse, write

from .sections import Circle, Colour, Drawing, Everything, Replace, Square, Window

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "no",
        "null",
        "~",
        "0123",
        "1e5",
        "off",
        " a",
        "a: b",
        "- a",
        "#",
        "a #b",
        "'",
        '"',
        "\n",
        "\x85",
        "\ufeff",
        "%",
        "---",
    ]
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.sampled_from(["<<", "no", "- a", "? b"])
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
DECIMAL = st.floats(allow_nan=False, allow_infinity=False)
SHARES = st.just(0.0) | st.floats(1e-15, 1)
SECONDS = st.floats(min_value=1e-6, max_value=1e9)
# Unquoted text that a plain scalar can be.
PLAIN = st.from_regex(r"[A-Za-z0-9.][A-Za-z0-9._:/-]{0,8}[A-Za-z0-9]", fullmatch=True)
PLAINS = st.recursive(
    st.builds(Plain, PLAIN) | st.builds(Plain, TEXTS, st.just(True)),
    lambda inner: st.builds(lambda items: Plain(items=tuple(items)), st.lists(inner, max_size=3)),
    max_leaves=4,
)
CIRCLES = st.builds(lambda r, label: Drawing("circle", label, Circle(r, label)), DECIMAL, TEXTS.filter(bool))
SQUARES = st.builds(lambda side: Drawing("square", None, Square(side)), WHOLE)
EVERYTHING = st.builds(
    Everything,
    name=st.text(string.ascii_lowercase, min_size=1),
    title=TEXTS,
    flag=st.booleans(),
    count=st.integers(1, 100),
    ratio=DECIMAL,
    limit=st.none() | DECIMAL,
    wait=SECONDS,
    idle=st.none() | SECONDS,
    size=st.integers(0, 2**63 - 1),
    share=SHARES,
    colour=st.sampled_from(Colour),
    action=st.sampled_from(["clamp", "reject"]) | st.builds(Replace, PLAINS),
    plain=st.none() | PLAINS,
    version=TEXTS | st.lists(TEXTS, max_size=3).map(tuple),
    tags=st.lists(TEXTS, max_size=3).map(tuple),
    windows=st.dictionaries(NAMES, st.builds(Window, st.integers(0, 4), st.integers(5, 9)), max_size=3),
    drawings=st.lists(CIRCLES | SQUARES, max_size=2).map(tuple),
    from_=TEXTS,
)


@settings(deadline=None, max_examples=60)
@given(EVERYTHING)
def test_canonical_json_gives_back_exactly_the_value(value: Everything) -> None:
    data = dumps(value)
    again = loads(data, Everything)
    assert again == value
    assert dumps(again) == data


@settings(deadline=None, max_examples=60)
@given(EVERYTHING)
def test_written_yaml_reads_back_as_exactly_the_value(value: Everything) -> None:
    parsed = parse(write(value), Everything, file="p.yaml")
    assert parsed.findings == ()
    assert parsed.value == value


def test_the_order_of_names_is_kept() -> None:
    one = Everything(name="x", windows={"b": Window(), "a": Window()})
    two = Everything(name="x", windows={"a": Window(), "b": Window()})
    assert one == two
    assert dumps(one) != dumps(two)
    assert list(loads(dumps(one), Everything).windows) == ["b", "a"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"flag":false', b'"flag":0'),
        (b'"flag":false', b'"flag":"false"'),
        (b'"count":1', b'"count":true'),
        (b'"count":1', b'"count":1.0'),
        (b'"colour":"red"', b'"colour":"blue"'),
        (b'"title":"",', b""),
        (b'"tags":[]', b'"tags":[],"more":1'),
        (b'"tags":[]', b'"tags":{}'),
        (b'"drawings":[]', b'"drawings":[{"kind":"blob","label":null,"shape":{}}]'),
        (b'"plain":null', b'"plain":["a",true'),
    ],
)
def test_anything_else_is_refused(before: bytes, after: bytes) -> None:
    data = dumps(Everything(name="x"))
    assert before in data
    with pytest.raises(ValueError):
        loads(data.replace(before, after), Everything)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"null", b"[" * 5000, b'{"name":1}']))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        loads(data, Everything)
