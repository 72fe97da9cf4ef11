"""No fast accept takes a body in which a key comes twice, however it is spelled; the standard library is the judge."""

from __future__ import annotations

import json
from typing import Annotated, Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from sidecar.rows import TypedFeature
from sidecar.wire.plain import PlainJson

TYPES = {"age": TypedFeature(Annotated[float, Meta(ge=0, le=120)]), "note": TypedFeature(str, required=False)}
ACCEPTS = [
    accept
    for codec in (
        PlainJson(rows="/data").bind(dict.fromkeys(TYPES, ""), []),
        PlainJson(rows="/data").bind({"age": "/person/age", "note": ""}, []),
    )
    if (accept := codec.request_acceptor(TYPES, closed=True)) is not None
]
SPACE = st.sampled_from(["", "", "", " ", "\n", "\t "])
TEXTS = st.sampled_from(["", "x", ":", '":', '"age":1', "},{", "\\", '\\"', "é", '{"age":1,"age":2}'])


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """A string, with some of its letters as escapes."""
    letters = [f"\\u{ord(each):04x}" if draw(st.integers(0, 9)) == 0 else json.dumps(each)[1:-1] for each in text]
    return '"' + "".join(letters) + '"'


@st.composite
def members(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> str:
    """An object of these members, some of them perhaps once more."""
    if draw(st.integers(0, 5)) == 0:
        pairs = [*pairs, draw(st.sampled_from(pairs))]
    parts = [
        draw(SPACE) + draw(spelled(key)) + draw(SPACE) + ":" + draw(SPACE) + value + draw(SPACE) for key, value in pairs
    ]
    return "{" + ",".join(parts) + "}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Few rows or many of them, in objects that are flat or not."""
    nested = draw(st.booleans())
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        age = [("age", draw(st.sampled_from(["0", "7", "1.5e1", "120"])))]
        pairs = [("person", draw(members(age)))] if nested else age
        if draw(st.booleans()):
            pairs.append(("note", draw(spelled(draw(TEXTS)))))
        rows.append(draw(members(pairs)))
    rows = rows * draw(st.sampled_from([1, 1, 1, 300])) + rows[: draw(st.integers(0, 1))]
    return draw(members([("data", "[" + draw(st.sampled_from([",", ", "])).join(rows) + "]")])).encode()


def comes_twice(body: bytes) -> bool:
    twice = False

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice = twice or len(dict(pairs)) < len(pairs)
        return dict(pairs)

    json.loads(body, object_pairs_hook=look)
    return twice


@settings(deadline=None, max_examples=200)
@given(bodies())
def test_what_is_accepted_has_no_key_twice(body: bytes) -> None:
    assert len(ACCEPTS) == 2
    twice = comes_twice(body)
    accepted = [accept(body) for accept in ACCEPTS]
    event("a key comes twice" if twice else "accepted" if any(accepted) else "not proven")
    if twice:
        assert accepted == [0, 0]
