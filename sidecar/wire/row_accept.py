"""Fast accepts for rows in a JSON list: one type per form that rows may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Final

import msgspec

from ..rows import RowTest, TypedFeature
from .base import Acceptor, ReplyAcceptor
from .row_proof import Prover, RowForm, RowType
from .row_table import Layout, Path
from .typed import ANY_SCALAR, DECODE_ERRORS, Check, element_of, narrowed, struct, tuple_of, values_of

_decode_any: Final = msgspec.json.Decoder().decode


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

    def _prover(self, path: Path, optional: Sequence[str], single: bool) -> Acceptor | None:
        def form(row: RowType | None, is_row: bool) -> RowForm | None:
            return None if row is None else RowForm(path, row, is_row, optional)

        flat = form(self.lists, True) if self.has_columns and single else form(self.scalars, False)
        one_object = form(self.objects, True) if single else None
        forms = (form(self.objects, False), form(self.lists, False), flat, one_object)
        return Prover(path, optional, *forms).prove if any(one is not None for one in forms) else None


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
