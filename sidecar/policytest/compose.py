"""Rows of a test or dry run → the request that a caller would send: body and headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..contract.cell import Cell
from ..contract.kinds import Scalar
from ..errors import WireError
from ..guard import Guard
from ..rows import Value, as_header

_EXACT: Final = 2**53


class CaseError(Exception):
    """A case that cannot be run: no body of the policy's protocol can hold it."""


def request_of(guard: Guard, rows: Sequence[Mapping[str, Value]]) -> tuple[bytes, dict[str, str]]:
    """(body, headers by lower-case name). CaseError with a sentence."""
    declared = [as_declared(guard.contract.cells, row) for row in rows]
    try:
        body = guard.codec.compose_request(declared)
    except (ValueError, WireError) as error:
        raise CaseError(f"no {guard.identity.protocol} body can hold this: {error}") from None
    return body, _headers(guard, rows)


def answer_of(guard: Guard, sent: bytes, rows: Sequence[Mapping[str, Value]]) -> bytes:
    """An answer with these predictions. CaseError with a sentence."""
    declared = [as_declared(guard.contract.answers, row) for row in rows]
    try:
        return guard.codec.fallback_reply(sent, declared, model_name=guard.identity.model_name)
    except (ValueError, WireError) as error:
        raise CaseError(f"no {guard.identity.protocol} answer can hold these predictions: {error}") from None


def as_declared(cells: Sequence[Cell], row: Mapping[str, Value]) -> dict[str, Value]:
    """Whole numbers of float features as floats: a caller's tensor of floats is one of floats, whatever is in it."""
    floats = {cell.name for cell in cells if cell.checks.kind.scalar is Scalar.FLOAT}
    return {name: _as_float(value) if name in floats else value for name, value in row.items()}


def _as_float(value: Value) -> Value:
    if value.__class__ is list:
        return [_as_float(item) for item in value]
    return float(value) if value.__class__ is int and -_EXACT <= value <= _EXACT else value


def _headers(guard: Guard, rows: Sequence[Mapping[str, Value]]) -> dict[str, str]:
    """Features that come from headers are told there; one request has one of each."""
    headers: dict[str, str] = {}
    for name, header in guard.feature_headers.items():
        values = {as_header(row[name]) for row in rows if name in row}
        if len(values) > 1:
            raise CaseError(f"`{name}` is a header: one request cannot say {' and '.join(sorted(values))}")
        if values:
            headers[header] = values.pop()
    return headers
