"""Which rows of a large body may be bad: rows are decoded by their type, only those that decline are read in full.

One bad row in a hundred then costs one row's explanation, not a hundred. What a whole-body accept proves about keys is
proven here for the body as well: as many colons as keys were decoded, row by row and around them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET

from ..edits import Span
from ..errors import WireError
from ..rows import Change, Rows
from .base import Sieve
from .document import Document, count_keys, encode, parse
from .row_accept import RowTypes
from .row_edit import edit_rows
from .row_proof import OBJECT, Around, RowForm, keys_once, pieces, starts_at, too_many, wrapped
from .row_table import Encode, Form, Layout, Path, RowTable
from .typed import DECODE_ERRORS, list_of

LEAST_BYTES: Final = 4096  # below, reading everything is as quick
_MOST_SUSPECT: Final = 4  # a body of which one row in so many is suspect is read as a whole
_FEW: Final = 16
_ROWS_AT_ONCE: Final = 7  # about: of bad rows, one in a hundred spoils few such pieces
_raw_rows: Final = msgspec.json.Decoder(list_of(msgspec.Raw)).decode

Unpack: TypeAlias = Callable[[RowTable], Mapping[str, Sequence[Any]]]


class _Sifted(NamedTuple):
    """`rows` gives the bytes of each; `alone` says that nothing before them can be taken for one."""

    total: int
    rows: Callable[[], Sequence[Any]]
    numbers: tuple[int, ...]
    documents: list[Document]
    form: Form
    alone: bool


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
        edit = partial(_edit, body, sifted, table) if sifted.alone else None
        unknown = table.unknown(layout.columns)
        return Rows(sifted.total, columns, table.pointer, unknown, numbers=sifted.numbers, edit=edit)

    return read


def _edit(
    body: bytes, sifted: _Sifted, table: RowTable, changes: Sequence[Change], drop: Collection[int]
) -> tuple[Span, ...] | None:
    return edit_rows(body, sifted.rows(), sifted.numbers, table, changes, drop)


def _sifter(types: RowTypes, path: Path, optional: Sequence[str]) -> Callable[[bytes], _Sifted | None] | None:
    forms = {
        start: (kind, RowForm(path, row, False, optional))
        for start, kind, row in ((b"[{", Form.OBJECT, types.objects), (b"[[", Form.LIST, types.lists))
        if row is not None and not row.not_one_long
    }
    if not forms or not path:
        return None
    raw = msgspec.json.Decoder(wrapped(path, list_of(msgspec.Raw), optional)).decode
    objects = forms.get(b"[{")
    around = Around(path)
    inside = attrgetter(".".join(f"m{depth}" for depth in range(len(path))))
    extra = tuple(f"o{index}" for index in range(len(optional)))
    starts = starts_at(path)
    bracketed = any("[" in name or "{" in name for name in (*map(str, path), *optional))

    def rows_of(body: bytes) -> Sequence[Any]:
        rows: Sequence[Any] = inside(raw(body))
        return rows

    def sift(body: bytes) -> _Sifted | None:
        if too_many(body):
            return None
        keys, alone = len(path), not bracketed
        at, stop = around.inside(body)
        if at > 0 and objects is not None and body[at] == OBJECT:
            suspects = _in_pieces(body, at, stop, objects[1])
            rows = partial(rows_of, body)
            return None if suspects is None else suspects.sifted(body, keys, rows, Form.OBJECT, alone)
        found = forms.get(starts(body))
        if found is None:
            return None
        try:
            message = raw(body)
        except DECODE_ERRORS:
            return None
        for member in extra:
            text = getattr(message, member)
            if text is not UNSET:
                keys += 1
                alone = alone and "[" not in text and "{" not in text
        kind, form = found
        listed = inside(message)
        suspects = _Suspects(form, len(listed))
        if not suspects.look(listed):
            return None
        return suspects.sifted(body, keys, lambda: listed, kind, alone)

    return sift


def _in_pieces(body: bytes, at: int, stop: int, form: RowForm) -> _Suspects | None:
    """As many rows at once as are likely to be clean together; only where they are not is each of them looked at."""
    first_row = max(body.find(b"}", at, stop) - at, 2)
    suspects = _Suspects(form, (stop - at) // first_row)
    tried = failed = 0
    for piece in pieces(body, at, stop, _ROWS_AT_ONCE * first_row):
        if failed <= tried // 2:
            tried += 1
            if suspects.take(piece):
                continue
            failed += 1
        try:
            rows = _raw_rows(piece)
        except DECODE_ERRORS:
            return None
        if not rows or not suspects.look(rows):
            return None
    return suspects


class _Suspects:
    """Rows by their type: the keys of the clean ones, and where the others are."""

    def __init__(self, form: RowForm, rows: int) -> None:
        """`rows`: about how many there are. So many may be suspect before a sieve is no gain any more."""
        self.form = form
        self.most = max(_FEW, rows // _MOST_SUSPECT)
        self.count = 0
        self.keys = 0
        self.numbers: list[int] = []
        self.raw: list[bytes] = []

    def take(self, piece: bytes) -> bool:
        """Several rows at once, if all are clean."""
        try:
            rows = self.form.decode_rows(piece)
        except DECODE_ERRORS:
            return False
        if not rows or not self.form.hold(rows):
            return False
        self.count += len(rows)
        self.keys += self.form.keys_of(rows)
        return True

    def look(self, rows: Sequence[Any]) -> bool:
        """Rows one by one; whether it is worth going on after these."""
        form = self.form
        for raw in rows:
            try:
                one = (form.decode_row(raw),)
                clean = form.hold(one)
            except DECODE_ERRORS:
                clean = False
            if clean:
                self.keys += form.keys_of(one)
            else:
                self.numbers.append(self.count)
                self.raw.append(bytes(raw))
                if len(self.numbers) > self.most:
                    return False
            self.count += 1
        return True

    def sifted(
        self, body: bytes, keys: int, rows: Callable[[], Sequence[Any]], kind: Form, alone: bool
    ) -> _Sifted | None:
        """What was found in a body with so many keys around its rows; None where a key came twice, or may have."""
        try:
            documents = [parse(raw) for raw in self.raw]
        except WireError:
            return None
        wanted = dict if kind is Form.OBJECT else list
        if any(type(document) is not wanted for document in documents):
            return None
        if not keys_once(body, keys + self.keys + sum(map(count_keys, documents))):
            return None
        return _Sifted(self.count, rows, tuple(self.numbers), documents, kind, alone)
