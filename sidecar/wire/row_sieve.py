"""Which rows of a large body may be bad: each row is decoded by its type, only those that decline are read in full.

One bad row in a hundred then costs one row's explanation, not a hundred. What a whole-body accept proves about keys is
proven here for the body as well: as many colons as keys were decoded, row by row and around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET

from ..errors import WireError
from ..rows import Rows
from .base import Sieve
from .document import Document, count_keys, encode, parse
from .row_accept import RowType, RowTypes, too_many, wrapped
from .row_edit import edit_rows
from .row_table import Encode, Form, Layout, Path, RowTable
from .typed import DECODE_ERRORS, list_of

LEAST_BYTES: Final = 4096  # below, reading everything is as quick
_MOST_SUSPECT: Final = 4  # a body of which one row in so many is suspect is read as a whole
_FEW: Final = 16

Unpack: TypeAlias = Callable[[RowTable], Mapping[str, Sequence[Any]]]


class _Sifted(NamedTuple):
    """`rows` are the bytes of each; `alone` says that nothing before them can be taken for one."""

    rows: Sequence[Any]
    numbers: tuple[int, ...]
    documents: list[Document]
    form: Form
    alone: bool


class _RowForm(NamedTuple):
    form: Form
    decode: Callable[[Any], Any]
    row: RowType


def request_sieve(
    types: RowTypes,
    layout: Layout,
    path: Path,
    columns_of: Unpack,
    *,
    optional: Sequence[str] = (),
    encode: Encode = encode,
) -> Sieve | None:
    """A sieve for bodies with nothing but a list of rows at `path`; None where no form of row can be sifted."""
    sift = _sifter(types, path, optional)
    if sift is None:
        return None

    def read(body: bytes) -> Rows | None:
        sifted = sift(body) if len(body) >= LEAST_BYTES else None
        if sifted is None:
            return None
        width = len(layout.columns) or len(layout.names)
        documents = sifted.documents
        if sifted.form is Form.LIST and any(len(row) != width for row in documents):
            return None  # the exact path says which, and why
        try:
            paths = layout.paths(sifted.form, width, (*path, 0))
            table = RowTable(path, False, sifted.form, paths, documents, width, encode)
            columns = columns_of(table) if documents else dict.fromkeys(layout.names, ())
        except WireError:
            return None
        edit = partial(edit_rows, body, sifted.rows, sifted.numbers, table) if sifted.alone else None
        unknown = table.unknown(layout.columns)
        return Rows(len(sifted.rows), columns, table.pointer, unknown, numbers=sifted.numbers, edit=edit)

    return read


def _sifter(types: RowTypes, path: Path, optional: Sequence[str]) -> Callable[[bytes], _Sifted | None] | None:
    forms = {
        start: _RowForm(form, msgspec.json.Decoder(row.annotation).decode, row)
        for start, form, row in ((b"[{", Form.OBJECT, types.objects), (b"[[", Form.LIST, types.lists))
        if row is not None and not row.not_one_long
    }
    if not forms or not path:
        return None
    raw = msgspec.json.Decoder(wrapped(path, list_of(msgspec.Raw), optional)).decode
    wrapping = tuple(f"m{depth}" for depth in range(len(path)))
    extra = tuple(f"o{index}" for index in range(len(optional)))
    starts = types.starts_at(path)
    bracketed = any("[" in name or "{" in name for name in (*map(str, path), *optional))

    def sift(body: bytes) -> _Sifted | None:
        form = forms.get(starts(body))
        if form is None or body.find(b"\\") >= 0 or too_many(body):
            return None
        try:
            message = raw(body)
        except DECODE_ERRORS:
            return None
        keys = len(wrapping)
        alone = not bracketed
        for member in extra:
            text = getattr(message, member)
            if text is not UNSET:
                keys += 1
                alone = alone and "[" not in text and "{" not in text
        for member in wrapping:
            message = getattr(message, member)
        suspects = _suspects(message, form)
        if suspects is None:
            return None
        clean_keys, numbers = suspects
        try:
            documents = [parse(bytes(message[number])) for number in numbers]
        except WireError:
            return None
        wanted = dict if form.form is Form.OBJECT else list
        if any(type(document) is not wanted for document in documents):
            return None
        if keys + clean_keys + sum(map(count_keys, documents)) != body.count(b":"):
            return None
        return _Sifted(message, numbers, documents, form.form, alone)

    return sift


def _suspects(rows: Sequence[Any], form: _RowForm) -> tuple[int, tuple[int, ...]] | None:
    """(keys of the clean rows, positions of the others); None when so many are suspect that a sieve is no gain."""
    decode, row_type = form.decode, form.row
    always, optional, checks, rules = row_type.keys, row_type.optional, row_type.checks, row_type.rules
    most = max(_FEW, len(rows) // _MOST_SUSPECT)
    keys = 0
    numbers: list[int] = []
    for number, raw in enumerate(rows):
        try:
            row = decode(raw)
        except DECODE_ERRORS:
            numbers.append(number)
            if len(numbers) > most:
                return None
            continue
        if (checks or rules) and not _holds(row, row_type):
            numbers.append(number)
            if len(numbers) > most:
                return None
            continue
        keys += always
        if optional is not None:
            values = optional(row)
            keys += len(values) - values.count(UNSET)
    return keys, tuple(numbers)


def _holds(row: Any, row_type: RowType) -> bool:
    for get, check in row_type.checks:
        value = get(row)
        if value is not UNSET and check(value) is not True:
            return False
    return all(holds(*cells_of(row)) is True for cells_of, holds in row_type.rules)
