"""Fast accepts for rows in a JSON list: one typed decode per form that rows may have, then the keys are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from ..rows import RowTest, TypedFeature
from .base import Acceptor, ReplyAcceptor
from .row_table import Layout, Path
from .typed import ANY_SCALAR, DECODE_ERRORS, Check, element_of, list_of, narrowed, struct, tuple_of, values_of

# Commas plus colons. What types decode is small: an object of one number takes nine times its bytes, not thirty.
MOST_ELEMENTS: Final = 5_000_000
_SKIPPED: Final = b": \t\r\n"
_decode_any: Final = msgspec.json.Decoder().decode


class RowType(NamedTuple):
    """One form of row as a type. `keys` are those every row has; `optional` reads the members that may be UNSET."""

    annotation: Any
    keys: int = 0
    optional: Callable[[Any], tuple[Any, ...]] | None = None
    checks: tuple[tuple[Callable[[Any], Any], Check], ...] = ()
    rules: tuple[tuple[Callable[[Any], tuple[Any, ...]], Callable[..., bool]], ...] = ()
    not_one_long: bool = False  # a list of one is read as its only value


class _Body(NamedTuple):
    """A body with rows of one form: its decoder, and how the rows are found in what it gives."""

    decode: Callable[[bytes], Any]
    row: RowType
    single: bool


@dataclass(frozen=True, slots=True)
class RowTypes:
    """A policy's names as types, by the form of row; None for a form that types cannot say."""

    objects: RowType | None
    lists: RowType | None
    scalars: RowType | None
    has_columns: bool

    @classmethod
    def of(cls, layout: Layout, features: Mapping[str, TypedFeature], rules: Sequence[RowTest] = ()) -> RowTypes | None:
        """None when an annotation is not understood, or a feature stands nowhere types can follow."""
        annotations = {}
        for name in layout.names:
            annotation = narrowed(features[name].annotation) if name in features else ANY_SCALAR
            element = element_of(annotation)
            if "other" in element.kinds or ("int" in element.kinds and element.high == float("inf")):
                return None
            annotations[name] = annotation
        if any(name not in annotations for rule in rules for name in rule.names):
            return None
        return cls(
            _object_row(layout, annotations, features, rules),
            _list_row(layout, annotations, features, rules),
            _scalar_row(layout, annotations, features, rules),
            bool(layout.columns),
        )

    def request_acceptor(self, path: Path, *, optional: Sequence[str] = (), single: bool = False) -> Acceptor | None:
        """Accepts bodies with nothing but the rows at `path`; `optional` are text members beside it."""
        return self._prover(path, optional, single)

    def reply_acceptor(self, path: Path, *, single: bool = False) -> ReplyAcceptor | None:
        """As `request_acceptor`, for as many rows as were sent; these protocols state no model version."""
        prove = self._prover(path, (), single)
        if prove is None:
            return None
        return lambda body, rows: "" if prove(body) == rows > 0 else None

    @staticmethod
    def starts_at(path: Path) -> Callable[[bytes], bytes]:
        """How the rows begin: `[{`, `[[`, `{…` or `[…`. A guess by the first such key: a wrong one only declines."""
        key = b'"' + str(path[-1]).encode() + b'"' if path else b""

        def starts(body: bytes) -> bytes:
            at = body.find(key) + len(key)
            return body[at : at + 16].translate(None, _SKIPPED)[:2]

        return starts

    def _prover(self, path: Path, optional: Sequence[str], single: bool) -> Acceptor | None:
        flat = (self.lists, True) if self.has_columns and single else (self.scalars, False)
        choices = {
            b"[{": _body(path, self.objects, False, optional),
            b"[[": _body(path, self.lists, False, optional),
            b"{": _body(path, self.objects, True, optional) if single else None,
            b"[": _body(path, flat[0], flat[1], optional),
        }
        if not any(choices.values()):
            return None
        starts = self.starts_at(path)
        wrapping = tuple(f"m{depth}" for depth in range(len(path)))
        extra = tuple(f"o{index}" for index in range(len(optional)))
        many, nested, one_list, one_object = choices[b"[{"], choices[b"[["], choices[b"["], choices[b"{"]

        def prove(body: bytes) -> int:
            if too_many(body) or body.find(b"\\") >= 0:
                return 0
            start = starts(body)
            if start == b"[{":
                form = many
            elif start == b"[[":
                form = nested
            elif start[:1] == b"{":
                form = one_object
            else:
                form = one_list
            if form is None:
                return 0
            try:
                message = form.decode(body)
            except DECODE_ERRORS:
                return 0
            keys = len(wrapping)
            for member in extra:
                keys += getattr(message, member) is not UNSET
            for member in wrapping:
                message = getattr(message, member)
            rows = (message,) if form.single else message
            row_type = form.row
            keys += row_type.keys * len(rows)
            if row_type.optional is not None:
                for row in rows:
                    values = row_type.optional(row)
                    keys += len(values) - values.count(UNSET)
            if body.count(b":") != keys:
                return 0
            if row_type.not_one_long and any(len(row) == 1 for row in rows):
                return 0
            for get, check in row_type.checks:
                for row in rows:
                    value = get(row)
                    if value is not UNSET and check(value) is not True:
                        return 0
            for cells_of, holds in row_type.rules:
                if not all(starmap(holds, map(cells_of, rows))):
                    return 0
            return len(rows)

        return prove


def _body(path: Path, row: RowType | None, single: bool, optional: Sequence[str]) -> _Body | None:
    if row is None:
        return None
    annotation = row.annotation if single else list_of(row.annotation)
    return _Body(msgspec.json.Decoder(wrapped(path, annotation, optional)).decode, row, single)


def wrapped(path: Path, annotation: Any, optional: Sequence[str]) -> Any:
    """The type of a body that has it at `path` (members m0, m1, …), with optional text members (o0, …) beside it."""
    extra = [(f"o{index}", name, str) for index, name in enumerate(optional)]
    for depth in reversed(range(len(path))):
        annotation = struct("Body", [(f"m{depth}", str(path[depth]), annotation)], extra if depth == 0 else [])
    return annotation


def too_many(body: bytes) -> bool:
    """Whether a body has more elements than types may decode. Each takes two bytes: most bodies need not be counted."""
    return len(body) > 2 * MOST_ELEMENTS and body.count(b",") + body.count(b":") > MOST_ELEMENTS


def _object_row(
    layout: Layout,
    annotations: Mapping[str, Any],
    features: Mapping[str, TypedFeature],
    rules: Sequence[RowTest],
) -> RowType | None:
    """Objects, nested where a feature's path is."""
    tree: dict[str, Any] = {}
    getters: dict[str, str] = {}
    optional_getters: list[str] = []
    for name in layout.names:
        path = tuple(str(token) for token in layout.explicit.get(name, (name,)))
        node, dotted = tree, []
        for token in path[:-1]:
            dotted.append(_attribute(node, token))
            child = node.setdefault(token, {})
            if type(child) is not dict:
                return None
            node = child
        if not path or path[-1] in node:
            return None  # two features at one place
        required = features[name].required if name in features else True
        dotted.append(_attribute(node, path[-1]))
        node[path[-1]] = (annotations[name], required)
        getters[name] = ".".join(dotted)
        if not required:
            optional_getters.append(getters[name])
    annotation, keys = _tree_struct(tree)
    checks = tuple((attrgetter(getters[name]), check) for name, check in _checks(layout, features))
    tests = tuple((values_of([getters[name] for name in rule.names]), rule.holds) for rule in rules)
    return RowType(annotation, keys, values_of(optional_getters) if optional_getters else None, checks, tests)


def _attribute(node: dict[str, Any], token: str) -> str:
    return f"m{list(node).index(token) if token in node else len(node)}"


def _tree_struct(tree: Mapping[str, Any]) -> tuple[Any, int]:
    """(type, keys that are always there) of a tree of (annotation, required) leaves."""
    members, optional, keys = [], [], 0
    for index, (token, child) in enumerate(tree.items()):
        attribute = f"m{index}"
        if type(child) is dict:
            annotation, inner = _tree_struct(child)
            members.append((attribute, token, annotation))
            keys += 1 + inner
        elif child[1]:
            members.append((attribute, token, child[0]))
            keys += 1
        else:
            optional.append((attribute, token, child[0]))
    return struct("Row", members, optional), keys


def _list_row(
    layout: Layout,
    annotations: Mapping[str, Any],
    features: Mapping[str, TypedFeature],
    rules: Sequence[RowTest],
) -> RowType | None:
    if layout.explicit or not layout.names:
        return None
    names = layout.columns or layout.names
    if layout.columns or (layout.in_order and len(names) > 1):
        if any(name not in names for name in layout.names):
            return None
        annotation = tuple_of(*(annotations.get(name, ANY_SCALAR) for name in names))
        position: dict[str, Callable[[Any], Any]] = {name: itemgetter(index) for index, name in enumerate(names)}
        checks = tuple((position[name], check) for name, check in _checks(layout, features))
        return RowType(annotation, checks=checks, rules=_rules(rules, position))
    if len(names) != 1:
        return None
    (annotation,) = annotations.values()
    if element_of(annotation).is_list:
        checks = tuple((_itself, check) for _, check in _checks(layout, features))
        return RowType(annotation, checks=checks, rules=_rules(rules, {names[0]: _itself}), not_one_long=True)
    first: Callable[[Any], Any] = itemgetter(0)
    checks = tuple((first, check) for _, check in _checks(layout, features))
    return RowType(tuple_of(annotation), checks=checks, rules=_rules(rules, {names[0]: first}))


def _scalar_row(
    layout: Layout,
    annotations: Mapping[str, Any],
    features: Mapping[str, TypedFeature],
    rules: Sequence[RowTest],
) -> RowType | None:
    if len(layout.names) != 1 or layout.explicit:
        return None
    (annotation,) = annotations.values()
    if element_of(annotation).is_list or layout.columns:
        return None
    checks = tuple((_itself, check) for _, check in _checks(layout, features))
    return RowType(annotation, checks=checks, rules=_rules(rules, {layout.names[0]: _itself}))


def _rules(
    rules: Sequence[RowTest], cells: Mapping[str, Callable[[Any], Any]]
) -> tuple[tuple[Callable[[Any], tuple[Any, ...]], Callable[..., bool]], ...]:
    return tuple((_cells_of([cells[name] for name in rule.names]), rule.holds) for rule in rules)


def _cells_of(getters: Sequence[Callable[[Any], Any]]) -> Callable[[Any], tuple[Any, ...]]:
    if len(getters) == 1:
        (only,) = getters
        return lambda row: (only(row),)
    return lambda row: tuple([get(row) for get in getters])


def _checks(layout: Layout, features: Mapping[str, TypedFeature]) -> list[tuple[str, Check]]:
    return [(name, check) for name in layout.names if name in features and (check := features[name].check) is not None]


def _itself(value: Any) -> Any:
    return value


def json_alone(body: bytes, rows: int) -> str | None:
    """The reply acceptor where no prediction is checked: the answer is JSON, and states no version."""
    try:
        _decode_any(body)
    except DECODE_ERRORS:
        return None
    return ""
