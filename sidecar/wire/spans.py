"""Where values stand in a JSON body, and the byte spans that change, remove or insert them, in one pass.

A `Draft` collects changes by path (keys and indexes of the body as sent) and gives ordered spans that do not overlap.
Bodies must have been parsed before: a place that is not there is a WireError, a body that is not JSON is not foreseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..edits import Span
from ..errors import WireError, WireFault
from .document import Token, shown, tokens_of

_SPACE: Final = re.compile(rb"[ \t\n\r]*").match
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL).match
_SCALAR: Final = re.compile(rb"[^ \t\n\r,\]}]+").match
# To the next bracket, over strings.
_TO_BRACKET: Final = re.compile(rb'[^"\[\]{}]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^"\[\]{}]*)*', re.DOTALL).match
_QUOTE, _OPEN_LIST, _OPEN_OBJECT, _CLOSE_LIST, _CLOSE_OBJECT, _COMMA = b'"[{]},'


class Place(NamedTuple):
    """The bytes of one value: `body[start:end]`."""

    start: int
    end: int


def locate(body: bytes, pointers: Iterable[str]) -> dict[str, Place]:
    """RFC 6901 pointer → the place of its value, in one pass; a pointer that leads nowhere is left out."""
    draft = Draft(body)
    nodes = {pointer: draft.node(tokens_of(pointer)) for pointer in pointers}
    draft.walk()
    return {pointer: node.place for pointer, node in nodes.items() if node.place is not None}


@dataclass(slots=True)
class Node:
    """What is to happen at one place. `insert` maps final positions of a list to new items."""

    data: bytes | None = None
    remove: bool = False
    children: dict[str, Node] = field(default_factory=dict)
    insert: dict[int, bytes] = field(default_factory=dict)
    place: Place | None = None

    def build(self) -> bytes | None:
        """A value for a place that the body does not have; None when nothing is to be put there."""
        if self.data is not None or self.remove:
            return self.data
        members = [(key, child.build()) for key, child in self.children.items()]
        text = b",".join(_member(key, data) for key, data in members if data is not None)
        return b"{" + text + b"}" if text else None


class Draft:
    """Changes to one body. Paths are those of the body as sent; a removed place wins over changes inside it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._root = Node()
        self._spans: list[Span] = []

    def node(self, path: Sequence[Token]) -> Node:
        node = self._root
        for token in path:
            node = node.children.setdefault(str(token), Node())
        return node

    def set(self, path: Sequence[Token], data: bytes) -> None:
        """Put `data` in the value's place; a key that an object does not have is added at its end."""
        self.node(path).data = data

    def remove(self, path: Sequence[Token]) -> None:
        """Take a member or an item out, with its comma; one that is not there is out already."""
        self.node(path).remove = True

    def insert(self, path: Sequence[Token], index: int, data: bytes) -> None:
        """Put an item into the list at `path` so that it stands at `index` when all changes are done."""
        self.node(path).insert[index] = data

    def spans(self) -> tuple[Span, ...]:
        """The edits, in order, none overlapping another."""
        self.walk()
        return tuple(sorted(self._spans, key=lambda span: span[:2]))

    def walk(self) -> None:
        """Find every place and collect the spans."""
        self._spans = []
        self._value(_after_space(self._body, 0), self._root, ())

    def _value(self, start: int, node: Node, path: tuple[Token, ...]) -> int:
        kind = self._body[start]
        if node.data is not None:
            end = _skip(self._body, start)
            self._spans.append(Span(start, end, node.data))
        elif kind == _OPEN_OBJECT:
            end = self._object(start, node, path)
        elif kind == _OPEN_LIST:
            end = self._list(start, node, path)
        else:
            end = _skip(self._body, start)
            if node.insert or any(child.build() is not None for child in node.children.values()):
                raise WireError(WireFault.SHAPE, "a value cannot be put inside a scalar", pointer=shown(path))
        node.place = Place(start, end)
        return end

    def _object(self, start: int, node: Node, path: tuple[Token, ...]) -> int:
        if node.insert:
            raise WireError(WireFault.SHAPE, "an item cannot be put into an object", pointer=shown(path))
        body, position = self._body, _after_space(self._body, start + 1)
        items: list[_Item] = []
        seen: set[str] = set()
        while body[position] != _CLOSE_OBJECT:
            key_end = _string_end(body, position)
            key = _key(body[position:key_end])
            seen.add(key)
            value = _after_space(body, _after_space(body, key_end) + 1)
            child = node.children.get(key)
            end, gone = self._child(value, child, (*path, key))
            items.append(_Item(position, end, gone))
            position = _after_comma(body, end)
        new = [(key, child.build()) for key, child in node.children.items() if key not in seen]
        added = [_member(key, data) for key, data in new if data is not None]
        self._arrange(start, items, {len(items) + index: data for index, data in enumerate(added)})
        return position + 1

    def _list(self, start: int, node: Node, path: tuple[Token, ...]) -> int:
        children = {int(token): child for token, child in node.children.items() if token.isdecimal()}
        if not children and not node.insert:
            return _skip(self._body, start)
        body, position = self._body, _after_space(self._body, start + 1)
        items: list[_Item] = []
        while body[position] != _CLOSE_LIST:
            index = len(items)
            child = children.get(index)
            end, gone = self._child(position, child, (*path, index) if child else path)
            items.append(_Item(position, end, gone))
            position = _after_comma(body, end)
        for index, child in children.items():
            if index >= len(items) and child.build() is not None:
                raise WireError(WireFault.SHAPE, "the list is too short", pointer=shown((*path, index)))
        self._arrange(start, items, node.insert)
        return position + 1

    def _child(self, start: int, node: Node | None, path: tuple[Token, ...]) -> tuple[int, bool]:
        if node is None:
            return _skip(self._body, start), False
        if node.remove:
            end = _skip(self._body, start)
            node.place = Place(start, end)
            return end, True
        return self._value(start, node, path), False

    def _arrange(self, start: int, items: Sequence[_Item], insert: dict[int, bytes]) -> None:
        """Remove and insert items with their commas. `insert`: final position → item; beyond the end = at the end."""
        first = start + 1
        kept = [index for index, item in enumerate(items) if not item.gone]
        waiting = sorted(insert.items(), reverse=True)
        if not kept:
            if items:
                self._spans.append(Span(items[0].start, items[-1].end, b""))
            if waiting:
                at = items[-1].end if items else first
                self._spans.append(Span(at, at, b",".join(data for _, data in reversed(waiting))))
            return
        final = 0
        for previous, index in zip([-1, *kept], kept, strict=False):
            if index - previous > 1:  # a run of removed items
                begin = items[previous].end if previous >= 0 else items[0].start
                end = items[index - 1].end if previous >= 0 else items[index].start
                self._spans.append(Span(begin, end, b""))
            new = []
            while waiting and waiting[-1][0] <= final:
                new.append(waiting.pop()[1] + b",")
                final += 1
            if new:
                self._spans.append(Span(items[index].start, items[index].start, b"".join(new)))
            final += 1
        last = items[kept[-1]].end
        tail = b"".join(b"," + data for _, data in reversed(waiting))
        if kept[-1] < len(items) - 1:
            self._spans.append(Span(last, items[-1].end, tail))
        elif tail:
            self._spans.append(Span(last, last, tail))


class _Item(NamedTuple):
    start: int
    end: int
    gone: bool


def _member(key: str, data: bytes) -> bytes:
    return json.dumps(key, ensure_ascii=False).encode() + b":" + data


def _key(quoted: bytes) -> str:
    return quoted[1:-1].decode() if b"\\" not in quoted else str(json.loads(quoted))


def _after_space(body: bytes, position: int) -> int:
    match = _SPACE(body, position)
    return match.end() if match else position


def _after_comma(body: bytes, position: int) -> int:
    """The start of the next item, or the closing bracket."""
    position = _after_space(body, position)
    return _after_space(body, position + 1) if body[position] == _COMMA else position


def _string_end(body: bytes, start: int) -> int:
    match = _STRING(body, start)
    if match is None:
        raise WireError(WireFault.MALFORMED, "a string does not end", offset=start)
    return match.end()


def _skip(body: bytes, start: int) -> int:
    """The end of the value that starts here."""
    kind = body[start]
    if kind == _QUOTE:
        return _string_end(body, start)
    if kind not in (_OPEN_LIST, _OPEN_OBJECT):
        match = _SCALAR(body, start)
        return match.end() if match else start
    levels, position = 1, start + 1
    while levels:
        match = _TO_BRACKET(body, position)
        position = match.end() if match else position
        if position >= len(body):
            raise WireError(WireFault.MALFORMED, "a bracket is not closed", offset=start)
        levels += 1 if body[position] in (_OPEN_LIST, _OPEN_OBJECT) else -1
        position += 1
    return position
