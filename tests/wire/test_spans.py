"""Edits are spans: every byte outside them stays, and the edited body says what was asked."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.edits import Span, splice
from sidecar.errors import WireError
from sidecar.wire.document import Token, parse
from sidecar.wire.spans import Draft, locate

texts = st.text(alphabet='ab",:[]{}\\é\n/~0', max_size=5)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
spaces = st.sampled_from(["", "", " ", "\n\t", "\r\n  "])


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """A document with odd whitespace and, here and there, escapes that need not be."""

    def space() -> str:
        return draw(spaces)

    def text(node: str) -> str:
        plain = json.dumps(node, ensure_ascii=draw(st.booleans()))
        return plain.replace("a", "\\u0061") if draw(st.booleans()) else plain

    def write(node: Any) -> str:
        if isinstance(node, dict):
            items = [f"{space()}{text(key)}{space()}:{space()}{write(child)}{space()}" for key, child in node.items()]
            return "{" + (",".join(items) or space()) + "}"
        if isinstance(node, list):
            return "[" + (",".join(f"{space()}{write(child)}{space()}" for child in node) or space()) + "]"
        return text(node) if isinstance(node, str) else json.dumps(node)

    return space() + write(value) + space()


def places(node: Any, path: tuple[Token, ...] = ()) -> list[tuple[Token, ...]]:
    found = [path]
    if isinstance(node, dict):
        found += [place for key, child in node.items() for place in places(child, (*path, key))]
    if isinstance(node, list):
        found += [place for index, child in enumerate(node) for place in places(child, (*path, index))]
    return found


def at(node: Any, path: tuple[Token, ...]) -> Any:
    for token in path:
        node = node[token]
    return node


def outside(body: bytes, spans: tuple[Span, ...]) -> bytes:
    return splice(body, [Span(start, end, b"") for start, end, _ in spans])


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_every_place_is_found(data: st.DataObject) -> None:
    value = data.draw(documents)
    body = data.draw(written(value)).encode()
    pointers = {
        "".join(f"/{str(t).replace('~', '~0').replace('/', '~1')}" for t in path): path for path in places(value)
    }
    found = locate(body, [*pointers, "/no/such/place"])
    assert "/no/such/place" not in found
    for pointer, path in pointers.items():
        start, end = found[pointer]
        assert parse(body[start:end]) == at(value, path)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_edited_bodies_say_what_was_asked_and_keep_all_else(data: st.DataObject) -> None:
    value = data.draw(documents)
    body = data.draw(written(value)).encode()
    wanted = copy.deepcopy(value)
    draft = Draft(body)
    chosen: list[tuple[Token, ...]] = []
    for path in data.draw(st.lists(st.sampled_from(places(value)), max_size=5, unique=True)):
        if any(path[: len(other)] == other or other[: len(path)] == path for other in chosen):
            continue
        chosen.append(path)
    removed: list[tuple[Token, ...]] = []
    for path in chosen:
        action = data.draw(st.sampled_from(["set", "remove", "add"]))
        node = at(value, path)
        if action == "remove" and path:
            draft.remove(path)
            removed.append(path)
        elif action == "add" and isinstance(node, dict) and "new" not in node:
            draft.set((*path, "new", "inner"), b"[7]")
            at(wanted, path)["new"] = {"inner": [7]}
        elif action == "add" and isinstance(node, list):
            index = data.draw(st.integers(0, len(node)))
            draft.insert(path, index, b'"new"')
            at(wanted, path).insert(index, "new")
        else:
            draft.set(path, b"null")
            if path:
                at(wanted, path[:-1])[path[-1]] = None
            else:
                wanted = None
    for path in sorted(removed, key=lambda path: [(str(type(t)), t) for t in path], reverse=True):
        del at(wanted, path[:-1])[path[-1]]
    spans = draft.spans()
    assert parse(splice(body, spans)) == wanted
    rest = iter(body)
    assert all(byte in rest for byte in outside(body, spans))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_items_go_out_and_in_at_their_final_positions(data: st.DataObject) -> None:
    items = data.draw(st.lists(st.integers(0, 9), max_size=8))
    drop = data.draw(st.sets(st.integers(0, max(len(items) - 1, 0)))) if items else set()
    final = [item for index, item in enumerate(items) if index not in drop]
    body = data.draw(written(items)).encode()
    draft = Draft(body)
    for index in drop:
        draft.remove((index,))
    inserts = data.draw(st.sets(st.integers(0, len(items) + 3), max_size=4))
    used = [index for rank, index in enumerate(sorted(inserts)) if index <= len(final) + rank]
    for index in used:
        final.insert(index, 100 + index)
        draft.insert((), index, str(100 + index).encode())
    assert parse(splice(body, draft.spans())) == final


def test_only_the_value_changes() -> None:
    body = b'{ "a" : 1 ,\n "b":[ 1, 2 ] }'
    draft = Draft(body)
    draft.set(("b", 1), b"20")
    assert splice(body, draft.spans()) == b'{ "a" : 1 ,\n "b":[ 1, 20 ] }'


@pytest.mark.parametrize(
    ("body", "gone", "left"),
    [
        (b'{"a":1, "b":2, "c":3}', ["a"], b'{"b":2, "c":3}'),
        (b'{"a":1, "b":2, "c":3}', ["b"], b'{"a":1, "c":3}'),
        (b'{"a":1, "b":2, "c":3}', ["c"], b'{"a":1, "b":2}'),
        (b'{"a":1, "b":2, "c":3}', ["a", "b"], b'{"c":3}'),
        (b'{"a":1, "b":2, "c":3}', ["b", "c"], b'{"a":1}'),
        (b'{ "a":1, "b":2 }', ["a", "b"], b"{  }"),
        (b'{"a":1}', ["z"], b'{"a":1}'),
    ],
)
def test_members_leave_with_their_comma(body: bytes, gone: list[str], left: bytes) -> None:
    draft = Draft(body)
    for key in gone:
        draft.remove((key,))
    assert splice(body, draft.spans()) == left


def test_a_place_that_cannot_be_is_a_wire_error() -> None:
    paths: list[tuple[Token, ...]] = [("a", "b"), ("l", 9), ("l", 0, "x")]
    for path in paths:
        draft = Draft(b'{"a": 1, "l": [2]}')
        draft.set(path, b"0")
        with pytest.raises(WireError):
            draft.spans()
