"""Any JSON over any path: rows, columns and predictions are where the policy's JSON Pointers say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..edits import Span
from ..errors import WireError, WireFault
from ..problem import Problem
from ..rows import MISSING, Change, Rows, RowTest, TypedFeature, Value
from ..yamldoc import key
from .base import Acceptor, HeaderLookup, ReplyAcceptor, Route, Sieve
from .compose import json_body, row_documents
from .document import Document, encode, parse, refuse_lookalikes, shown, tokens_of
from .row_accept import RowTypes, json_alone
from .row_sieve import request_sieve
from .row_table import Layout, Path, RowTable, answered, cell_of, follow, read_table
from .sources import header_columns, header_pointer, split_headers
from .spans import Draft


@dataclass(frozen=True, slots=True)
class PlainJson:
    """Plain JSON (FastAPI, Flask, your own): rows and predictions found by JSON Pointers."""

    kind: ClassVar[str] = "json"

    rows: str | None = key(
        None, doc="JSON Pointer to the rows: a list of objects or lists, or one object. Left out: the body itself."
    )
    columns: tuple[str, ...] = key((), doc="The features in the positions of a row, for rows that are lists.")
    predictions: str | dict[str, str] = key(
        "", doc="JSON Pointer to the predictions, one a row; or prediction → pointer to its own list or value."
    )

    @classmethod
    def route(cls, method: str, path: str) -> Route | None:
        return None  # bound by the policy's `path`

    @classmethod
    def inference_path(cls, model_name: str) -> str:
        return ""

    @classmethod
    def render(cls, problem: Problem) -> tuple[str, bytes] | None:
        return None  # application/problem+json

    def bind(self, features: Mapping[str, str], predictions: Sequence[str]) -> PlainCodec:
        headers, in_body = split_headers(features)
        explicit: dict[str, Path] = {name: tokens_of(source) for name, source in in_body.items() if source}
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names a feature twice")
        for name in in_body:
            if self.columns and name not in self.columns and name not in explicit:
                raise ValueError(f"`{name}` is not among `columns`; add it where it stands in a row, or say `from: /…`")
        mapped: dict[str, Path] = {}
        if isinstance(self.predictions, dict):
            for name, pointer in self.predictions.items():
                if name not in predictions:
                    raise ValueError(f"`predictions: {{{name}: …}}`: the contract has no prediction `{name}`")
                mapped[name] = tokens_of(pointer)
            for name in predictions:
                if name not in mapped:
                    raise ValueError(f"`predictions` has no pointer for `{name}`")
        return PlainCodec(
            headers=headers,
            rows=tokens_of(self.rows or ""),
            layout=Layout(tuple(in_body), explicit, self.columns),
            predictions=tuple(predictions),
            answer=() if isinstance(self.predictions, dict) else tokens_of(self.predictions),
            mapped=mapped,
        )


@dataclass(frozen=True, slots=True)
class PlainCodec:
    """A feature's `from: /customer/age` starts at its row; where `rows` is left out, the row is the whole body.

    Answers: a list has one prediction a row; anything else is one row. Predictions with pointers of their own are
    lists (one value a row) or single values, and must agree about the rows. A row that was left out is null in each
    list.
    """

    lists_rows: ClassVar[bool] = True

    headers: Mapping[str, str]
    rows: Path
    layout: Layout
    predictions: tuple[str, ...]
    answer: Path
    mapped: Mapping[str, Path]

    def request_acceptor(
        self, features: Mapping[str, TypedFeature], *, closed: bool, rules: Sequence[RowTest] = ()
    ) -> Acceptor | None:
        if any(name not in self.layout.names for name in features):
            return None
        types = RowTypes.of(self.layout, features, rules)
        return types.request_acceptor(self.rows, single=True) if types else None

    def request_sieve(self, features: Mapping[str, TypedFeature], *, rules: Sequence[RowTest] = ()) -> Sieve | None:
        types = RowTypes.of(self.layout, features, rules)
        if types is None or any(name not in self.layout.names for name in features):
            return None
        return request_sieve(types, self.layout, self.rows, RowTable.columns)

    def reply_acceptor(self, predictions: Mapping[str, TypedFeature]) -> ReplyAcceptor | None:
        if not predictions:
            return json_alone
        if self.mapped:
            return None
        types = RowTypes.of(Layout(self.predictions, in_order=True), predictions)
        return types.reply_acceptor(self.answer, single=True) if types else None

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        table = self._request(parse(body))
        elsewhere = header_pointer(self.headers)
        return Rows(
            table.count,
            {**table.columns(), **header_columns(self.headers, header, table.count)},
            lambda feature, row: elsewhere(feature, row) or table.pointer(feature, row),
            table.unknown(self.layout.columns),
        )

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        document = parse(body)
        if not self.mapped:
            table = self._reply(document, null_rows)
            return Rows(table.count, table.columns(), table.pointer, table.unknown(()))
        found = {name: follow(document, path) for name, path in self.mapped.items()}
        listed = {name for name, value in found.items() if type(value) is list}
        counts = {len(value) if name in listed else 1 for name, value in found.items() if value is not MISSING}
        if len(counts) > 1:
            raise WireError(WireFault.SHAPE, "predictions disagree about the number of rows")
        count = counts.pop() if counts else 1
        columns = {name: value if name in listed else [value] * count for name, value in found.items()}
        return Rows(count, columns, lambda name, row: shown((*self.mapped[name], *((row,) if name in listed else ()))))

    def edit_request(self, body: bytes, changes: Sequence[Change], drop_rows: Collection[int] = ()) -> tuple[Span, ...]:
        draft = Draft(body)
        self._request(parse(body)).edit(draft, changes, drop_rows)
        return draft.spans()

    def edit_reply(
        self,
        body: bytes,
        changes: Sequence[Change],
        insert_rows: Mapping[int, Mapping[str, Value] | None] | None = None,
        null_rows: Collection[int] = (),
    ) -> tuple[Span, ...]:
        draft, document = Draft(body), parse(body)
        if not self.mapped:
            self._reply(document).edit(draft, changes, insert=insert_rows, nulls=null_rows)
            return draft.spans()
        listed = {name for name, path in self.mapped.items() if type(follow(document, path)) is list}
        if (insert_rows or null_rows) and len(listed) != len(self.mapped):
            raise WireError(WireFault.UNSUPPORTED, "an answer with one row has no list of rows")
        for change in changes:
            if change.feature in self.mapped:
                path = (*self.mapped[change.feature], *((change.row,) if change.feature in listed else ()))
                draft.set(path, encode(None if change.value is MISSING else change.value))
        for position, values in (insert_rows or {}).items():
            for name, path in self.mapped.items():
                draft.insert(path, position, encode(cell_of(values, name)))
        for row in null_rows:
            for path in self.mapped.values():
                draft.set((*path, row), b"null")
        return draft.spans()

    def fallback_reply(
        self, request_body: bytes, rows: Sequence[Mapping[str, Value] | None], *, model_name: str = ""
    ) -> bytes:
        """Shaped by the policy's pointers, as one value or a list just as the request's rows are."""
        single = len(rows) == 1 and self._asks_for_one(request_body)
        answer: Any = {}
        if self.mapped:
            for name, path in self.mapped.items():
                values = [cell_of(row, name) for row in rows]
                answer = _placed(answer, path, values[0] if single else values)
            return encode(answer)
        only = self.predictions[0] if len(self.predictions) == 1 and self.answer else None
        made = [answered(row, only, self.predictions) for row in rows]
        return encode(_placed(answer, self.answer, made[0] if single else made))

    def compose_request(self, rows: Sequence[Mapping[str, Value]]) -> bytes:
        """A list of rows; a lone row is the body itself where the policy says nothing of `rows`."""
        sent = [{name: value for name, value in row.items() if name not in self.headers} for row in rows]
        listed = row_documents(self.layout, sent)
        lone = len(listed) == 1 and not self.rows and not self.layout.columns
        return json_body(_placed({}, self.rows, listed[0] if lone else listed))

    def _asks_for_one(self, request_body: bytes) -> bool:
        try:
            return self._request(parse(request_body)).single
        except WireError:
            return False

    def _request(self, document: Document) -> RowTable:
        for depth, token in enumerate(self.rows):
            parent = follow(document, self.rows[:depth])
            if type(parent) is dict:
                refuse_lookalikes(parent, (str(token),), self.rows[:depth])
        listed = follow(document, self.rows)
        if listed is MISSING:
            raise WireError(WireFault.MALFORMED, "the body has no rows where the policy says", pointer=shown(self.rows))
        # A flat list under `columns` is one row: {"features": [5.1, 3.5, 1.4, 0.2]}
        flat = type(listed) is list and bool(self.layout.columns) and not {dict, list} & set(map(type, listed))
        return read_table(listed, self.rows, self.layout, single=type(listed) is not list or flat)

    def _reply(self, document: Document, null_rows: Collection[int] = ()) -> RowTable:
        listed = follow(document, self.answer)
        if listed is MISSING:
            raise WireError(
                WireFault.MALFORMED, "the answer has no predictions where the policy says", pointer=shown(self.answer)
            )
        single = type(listed) is not list
        layout = Layout(self.predictions, in_order=True)
        return read_table(listed, self.answer, layout, single=single, null_rows=null_rows)


def _placed(answer: Any, path: Path, value: Any) -> Any:
    """`answer` with `value` at `path`, objects made on the way."""
    if not path:
        return value
    node = answer
    for token in path[:-1]:
        node = node.setdefault(str(token), {})
    node[str(path[-1])] = value
    return answer


MEMBER = PlainJson
