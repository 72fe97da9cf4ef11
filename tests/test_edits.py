"""Spans: what they name changes, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.edits import Span, splice


def test_spans_replace_insert_and_remove() -> None:
    assert splice(b"abcdef", [Span(1, 2, b"XX"), Span(3, 3, b"-"), Span(4, 6, b"")]) == b"aXXc-d"


def test_no_spans_change_nothing() -> None:
    assert splice(b"abc", []) == b"abc"


def test_neighbours_may_touch() -> None:
    assert splice(b"abcd", [Span(0, 2, b"1"), Span(2, 2, b"2"), Span(2, 4, b"3")]) == b"123"


@pytest.mark.parametrize(
    "spans",
    [
        [Span(0, 2, b""), Span(1, 3, b"")],
        [Span(2, 3, b""), Span(0, 1, b"")],
        [Span(2, 1, b"")],
        [Span(0, 5, b"")],
        [Span(-1, 1, b"")],
    ],
    ids=["overlap", "order", "backwards", "beyond", "before"],
)
def test_spans_that_make_no_sense_are_refused(spans: list[Span]) -> None:
    with pytest.raises(ValueError, match="span"):
        splice(b"abcd", spans)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.data())
def test_every_byte_outside_the_spans_stays_in_its_place(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8).filter(lambda cuts: len(cuts) % 2 == 0)))
    spans = [
        Span(start, end, data.draw(st.binary(max_size=5))) for start, end in zip(cuts[::2], cuts[1::2], strict=True)
    ]
    rest = splice(body, spans)
    position = 0
    for start, end, new in spans:
        kept = body[position:start]
        assert rest.startswith(kept + new)
        rest, position = rest[len(kept) + len(new) :], end
    assert rest == body[position:]
