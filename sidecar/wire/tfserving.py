"""TensorFlow Serving's REST API, and KServe's V1 protocol that follows it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ..edits import Span
from ..errors import WireError, WireFault
from ..problem import Problem
from ..rows import MISSING, Change, Rows, RowTest, TypedFeature, Value
from ..yamldoc import key
from . import document
from .base import Acceptor, HeaderLookup, ReplyAcceptor, Route, RouteKind, Sieve
from .compose import json_body, row_documents
from .document import Document, pointer_to, shown
from .paths import READING_METHODS, plain_path
from .refusal import error_object
from .row_accept import RowTypes, json_alone
from .row_sieve import request_sieve
from .row_table import Form, Layout, RowTable, answered, cell_of, read_table
from .sources import header_columns, header_pointer, split_headers
from .spans import Draft

# http_rest_api_handler.cc matches without regard to case.
_MODEL: Final = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/:]+)|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<verb>[^/:]+)|/(?P<page>metadata))?",
    re.IGNORECASE,
)
_REQUEST_KEYS: Final = ("instances", "inputs", "examples")
_REPLY_KEYS: Final = ("predictions", "outputs", "results", "result")


@dataclass(frozen=True, slots=True)
class TfServing:
    """TensorFlow Serving REST and KServe V1: `instances` of objects or lists, or columnar `inputs`."""

    kind: ClassVar[str] = "tfserving"

    columns: tuple[str, ...] = key((), doc="The features in the positions of a row, for rows that are lists.")

    @classmethod
    def route(cls, method: str, path: str) -> Route | None:
        path = plain_path(path)
        if path.lower() == "/v1/models":
            return Route(RouteKind.METADATA, "tfserving", "/v1/models")
        match = _MODEL.fullmatch(path)
        if match is None:
            return None
        verb, page = (match["verb"] or "").lower(), (match["page"] or "").lower()
        part = "/versions/{version}" if match["version"] else "/labels/{label}" if match["label"] else ""
        known = verb if verb in _VERBS else "{verb}"
        template = "/v1/models/{model}" + part + (f":{known}" if verb else "") + (f"/{page}" if page else "")
        asking = RouteKind.OTHER if method in READING_METHODS else RouteKind.INFERENCE
        kind = asking if verb else RouteKind.METADATA
        return Route(kind, "tfserving", template, match["model"], match["version"] or "", verb or page)

    @classmethod
    def inference_path(cls, model_name: str) -> str:
        return f"/v1/models/{model_name}:predict"

    @classmethod
    def render(cls, problem: Problem) -> tuple[str, bytes] | None:
        return error_object(problem)

    def bind(self, features: Mapping[str, str], predictions: Sequence[str]) -> TfServingCodec:
        headers, in_body = split_headers(features)
        for name, source in in_body.items():
            if source:
                raise ValueError(f"`{name}`: `from: {source}` is not read here: features go by name; rename it")
            if self.columns and name not in self.columns:
                raise ValueError(f"`{name}` is not among `columns`; add it where it stands in a row")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names a feature twice")
        return TfServingCodec(headers, Layout(tuple(in_body), columns=self.columns), tuple(predictions))


_VERBS: Final = frozenset({"predict", "classify", "regress", "explain"})


@dataclass(frozen=True, slots=True)
class TfServingCodec:
    """Rows of `instances` (or `inputs`, `examples`); answers of `predictions` (or `outputs`, `results`).

    A list row of one value is that value; the values of a longer one belong to the names in policy order (answers) or
    in the order of `columns` (requests); with one name and no columns the whole list is its value. `{"b64": …}` is
    bytes. Bare NaN and Infinity are legal here. A row that was left out is null in the list of answers, and null in
    every list of columnar `outputs`.
    """

    lists_rows: ClassVar[bool] = True

    headers: Mapping[str, str]
    layout: Layout
    predictions: tuple[str, ...]

    def request_acceptor(
        self, features: Mapping[str, TypedFeature], *, closed: bool, rules: Sequence[RowTest] = ()
    ) -> Acceptor | None:
        if any(name not in self.layout.names for name in features):
            return None
        types = RowTypes.of(self.layout, features, rules)
        return types.request_acceptor(("instances",), optional=("signature_name",)) if types else None

    def request_sieve(self, features: Mapping[str, TypedFeature], *, rules: Sequence[RowTest] = ()) -> Sieve | None:
        types = RowTypes.of(self.layout, features, rules)
        if types is None or any(name not in self.layout.names for name in features):
            return None
        return request_sieve(types, self.layout, ("instances",), _columns, optional=("signature_name",), encode=_encode)

    def reply_acceptor(self, predictions: Mapping[str, TypedFeature]) -> ReplyAcceptor | None:
        if not predictions:
            return json_alone
        types = RowTypes.of(Layout(self.predictions, in_order=True), predictions)
        return types.reply_acceptor(("predictions",)) if types else None

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        table = self._request(body)
        elsewhere = header_pointer(self.headers)
        return Rows(
            table.count,
            {**_columns(table), **header_columns(self.headers, header, table.count)},
            lambda feature, row: elsewhere(feature, row) or table.pointer(feature, row),
            table.unknown(self.layout.columns),
        )

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        table = self._reply(body, null_rows)
        return Rows(table.count, _columns(table), table.pointer, table.unknown(()))

    def edit_request(self, body: bytes, changes: Sequence[Change], drop_rows: Collection[int] = ()) -> tuple[Span, ...]:
        draft = Draft(body)
        self._request(body).edit(draft, changes, drop_rows)
        return draft.spans()

    def edit_reply(
        self,
        body: bytes,
        changes: Sequence[Change],
        insert_rows: Mapping[int, Mapping[str, Value] | None] | None = None,
        null_rows: Collection[int] = (),
    ) -> tuple[Span, ...]:
        draft = Draft(body)
        self._reply(body).edit(draft, changes, insert=insert_rows, nulls=null_rows)
        return draft.spans()

    def fallback_reply(
        self, request_body: bytes, rows: Sequence[Mapping[str, Value] | None], *, model_name: str = ""
    ) -> bytes:
        only = self.predictions[0] if len(self.predictions) == 1 else None
        values: Any = [answered(row, only, self.predictions) for row in rows]
        try:
            asked = _members(request_body)
        except WireError:
            asked = {}
        name = "predictions"
        if "inputs" in asked:
            name = "outputs"
            if only is None:
                values = {name: [cell_of(row, name) for row in rows] for name in self.predictions}
        elif "examples" in asked:
            name = "results"
        return _encode({name: values})

    def compose_request(self, rows: Sequence[Mapping[str, Value]]) -> bytes:
        sent = [{name: value for name, value in row.items() if name not in self.headers} for row in rows]
        return json_body({"instances": row_documents(self.layout, sent)})

    def _request(self, body: bytes) -> RowTable:
        members = _members(body)
        document.refuse_lookalikes(members, _REQUEST_KEYS)
        name = _one_of(members, _REQUEST_KEYS)
        if name == "examples" and "context" in members:
            raise WireError(WireFault.UNSUPPORTED, "a shared `context` is not looked into", pointer="/context")
        return _table(members[name], name, self.layout)

    def _reply(self, body: bytes, null_rows: Collection[int] = ()) -> RowTable:
        members = _members(body)
        name = _one_of(members, _REPLY_KEYS)
        return _table(members[name], name, Layout(self.predictions, in_order=True), null_rows)


@dataclass(frozen=True, slots=True)
class ColumnTable(RowTable):
    """`{name: [value of each row]}`: a row is a position in every list."""

    def columns(self) -> dict[str, Sequence[Value]]:
        lists: Mapping[str, Any] = self.rows[0]
        missing = [MISSING] * self.count
        return {name: lists.get(name, missing) for name in self.paths}

    @property
    def count(self) -> int:
        return self.width

    def place(self, name: str, row: int) -> tuple[str | int, ...]:
        return (*self.base, name, row) if name in self.rows[0] else self.base

    def unknown(self, known: Collection[str]) -> dict[str, Sequence[int]]:
        return {name: range(self.count) for name in self.rows[0] if name not in self.paths and name not in known}

    def edit(
        self,
        draft: Draft,
        changes: Sequence[Change],
        drop: Collection[int] = (),
        insert: Mapping[int, Mapping[str, Value] | None] | None = None,
        nulls: Collection[int] = (),
    ) -> None:
        lists: Mapping[str, Any] = self.rows[0]
        cells: dict[str, dict[int, Value]] = {}
        for change in changes:
            if change.feature in self.paths or change.feature in lists:
                cells.setdefault(change.feature, {})[change.row] = change.value
        for given in (insert or {}).values():
            for name in given or ():
                if name in self.paths and name not in lists:
                    cells.setdefault(name, {})
        gone = frozenset(drop)
        removed: set[str] = set()
        for name, values in cells.items():
            if name in lists and all(values.get(row) is MISSING for row in range(self.count) if row not in gone):
                draft.remove((*self.base, name))
                removed.add(name)
                continue
            plain = {row: None if value is MISSING else value for row, value in values.items()}
            if name in lists:
                for row, value in plain.items():
                    draft.set((*self.base, name, row), self.encode(value))
            else:
                new = [plain.get(row) for row in range(self.count) if row not in gone]
                for position, given in sorted((insert or {}).items()):
                    new.insert(position, cell_of(given, name))
                if values or any(value is not None for value in new):
                    draft.set((*self.base, name), self.encode(new))
        if removed and removed.issuperset(lists) and removed.issuperset(cells):
            raise WireError(WireFault.SHAPE, "nothing would be left of the body", pointer=shown(self.base))
        for name in lists:
            for row in drop:
                draft.remove((*self.base, name, row))
            for position, given in (insert or {}).items():
                draft.insert((*self.base, name), position, self.encode(cell_of(given, name)))
            for row in nulls:
                draft.set((*self.base, name, row), b"null")


def _table(value: Document, name: str, layout: Layout, null_rows: Collection[int] = ()) -> RowTable:
    if type(value) is not dict or name not in ("inputs", "outputs"):
        return read_table(value, (name,), layout, encode=_encode, null_rows=null_rows)
    count: int | None = None
    for member, column in value.items():
        if type(column) is not list:
            raise WireError(WireFault.UNSUPPORTED, "a columnar tensor must be a list", pointer=shown((name, member)))
        if count is not None and len(column) != count:
            raise WireError(WireFault.SHAPE, "columns disagree about the number of rows", pointer=shown((name, member)))
        count = len(column)
    if not count:
        raise WireError(WireFault.SHAPE, "there are no rows", pointer=pointer_to((name,)))
    paths = {feature: (feature,) for feature in layout.names}
    return ColumnTable((name,), False, Form.OBJECT, paths, [value], count, _encode)


def _members(body: bytes) -> dict[str, Any]:
    members = document.parse(body, allow_nonfinite=True)
    if type(members) is not dict:
        raise WireError(WireFault.MALFORMED, "the body must be a JSON object")
    return members


def _one_of(members: Mapping[str, Any], names: Sequence[str]) -> str:
    found = [name for name in names if name in members]
    if len(found) > 1:
        raise WireError(WireFault.AMBIGUOUS, f"`{found[0]}` and `{found[1]}` are both there", pointer=f"/{found[1]}")
    if not found:
        raise WireError(WireFault.MALFORMED, f"the body has none of {', '.join(f'`{name}`' for name in names[:2])}")
    return found[0]


def _columns(table: RowTable) -> dict[str, Sequence[Value]]:
    return {name: _unpacked(table, name, values) for name, values in table.columns().items()}


def _unpacked(table: RowTable, name: str, values: Sequence[Value]) -> Sequence[Value]:
    """`{"b64": "…"}` → bytes, once any value is an object."""
    if dict not in set(map(type, values)):
        return values
    return [_bytes_of(value, table, name, row) for row, value in enumerate(values)]


def _bytes_of(value: Value, table: RowTable, name: str, row: int) -> Value:
    if type(value) is not dict or list(value) != ["b64"] or type(value["b64"]) is not str:
        return value
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        at = table.pointer(name, row)
        raise WireError(WireFault.MALFORMED, "`b64` is not base64", pointer=at) from None


def _encode(value: Any) -> bytes:
    if type(value) is bytes:
        value = {"b64": base64.b64encode(value).decode()}
    return document.encode(value, allow_nonfinite=True)


MEMBER = TfServing
