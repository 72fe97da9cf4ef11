"""A body that is never looked into: bound by path, recorded, passed on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..edits import Span
from ..errors import WireError, WireFault
from ..problem import Problem
from ..rows import Change, Rows, RowTest, TypedFeature, Value
from .base import Acceptor, HeaderLookup, ReplyAcceptor, Route, Sieve
from .sources import header_columns, header_pointer, split_headers


@dataclass(frozen=True, slots=True)
class Opaque:
    """Any bytes: the request and the answer are recorded as they are and nothing in them is checked."""

    kind: ClassVar[str] = "opaque"

    @classmethod
    def route(cls, method: str, path: str) -> Route | None:
        return None

    @classmethod
    def inference_path(cls, model_name: str) -> str:
        return ""

    @classmethod
    def render(cls, problem: Problem) -> tuple[str, bytes] | None:
        return None

    def bind(self, features: Mapping[str, str], predictions: Sequence[str]) -> OpaqueCodec:
        headers, in_body = split_headers(features)
        if in_body:
            name = next(iter(in_body))
            raise ValueError(f"`{name}` cannot be read: `opaque` never looks into a body; say `from: header:…`")
        if predictions:
            raise ValueError(f"`{predictions[0]}` cannot be read: `opaque` never looks into an answer")
        return OpaqueCodec(headers)


@dataclass(frozen=True, slots=True)
class OpaqueCodec:
    """One row a request, made of headers alone."""

    lists_rows: ClassVar[bool] = False

    headers: Mapping[str, str]

    def request_acceptor(
        self, features: Mapping[str, TypedFeature], *, closed: bool, rules: Sequence[RowTest] = ()
    ) -> Acceptor | None:
        return None if features else _accept_any

    def request_sieve(self, features: Mapping[str, TypedFeature], *, rules: Sequence[RowTest] = ()) -> Sieve | None:
        return None

    def reply_acceptor(self, predictions: Mapping[str, TypedFeature]) -> ReplyAcceptor | None:
        return _accept_any_reply

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        return Rows(1, header_columns(self.headers, header, 1), header_pointer(self.headers))

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        return Rows(1, {}, lambda feature, row: "")

    def edit_request(self, body: bytes, changes: Sequence[Change], drop_rows: Collection[int] = ()) -> tuple[Span, ...]:
        if drop_rows:
            raise WireError(WireFault.UNSUPPORTED, "an opaque body has no rows to take out")
        return ()

    def edit_reply(
        self,
        body: bytes,
        changes: Sequence[Change],
        insert_rows: Mapping[int, Mapping[str, Value] | None] | None = None,
        null_rows: Collection[int] = (),
    ) -> tuple[Span, ...]:
        if changes or insert_rows or null_rows:
            raise WireError(WireFault.UNSUPPORTED, "an opaque answer cannot be changed")
        return ()

    def fallback_reply(
        self, request_body: bytes, rows: Sequence[Mapping[str, Value] | None], *, model_name: str = ""
    ) -> bytes:
        raise WireError(WireFault.UNSUPPORTED, "an opaque protocol has no answer to fall back to")

    def compose_request(self, rows: Sequence[Mapping[str, Value]]) -> bytes:
        """Empty: there is only what headers say. ValueError for more than one row, or for a value in the body."""
        for row in rows:
            for name in row:
                if name not in self.headers:
                    raise ValueError(f"`{name}` has no place: an opaque body is not looked into")
        if len(rows) > 1:
            raise ValueError("an opaque body is one row")
        return b""


def _accept_any(body: bytes) -> int:
    return 1


def _accept_any_reply(body: bytes, rows: int) -> str | None:
    return ""


MEMBER = Opaque
