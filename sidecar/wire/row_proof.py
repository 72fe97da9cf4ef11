"""One typed decode of a body's rows, and the proof that no key in it came twice.

The proof counts colons (see `typed`). What it costs is most of what there is beside decoding, so it goes by size:

- `bytes.count` looks at every byte and mispredicts at every colon: 0.4 ns a byte, a third of decoding.
- `bytes.replace` jumps from colon to colon (memchr), and stops after as many as there may be; if one is left, a key
  came twice. Less than half of that; of a body of few keys, next to nothing.
- numpy compares many bytes at a time: a twentieth of decoding, but a call costs a microsecond, and there is an import
  before the first (see `arrays`): worth it for longer bodies, once it is there.

Counting quotes or commas would be no cheaper, and a second decode that shows repeated keys costs as much as the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import starmap
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from . import arrays
from .row_table import Path
from .typed import DECODE_ERRORS, Check, list_of, struct, values_of

# Commas plus colons. What types decode is small: an object of one number takes nine times its bytes, not thirty.
MOST_ELEMENTS: Final = 5_000_000
_ARRAYS_FROM_BYTES: Final = 1 << 13
_ARRAY_BYTES: Final = 1 << 18  # a comparison needs as many bytes again
_ONE_ROW_BYTES: Final = 1 << 14  # a row this long is decoded for nothing when it is not alone
_PIECES_FROM_BYTES: Final = 1 << 20
_PIECE_BYTES: Final = 1 << 17
_SKIPPED: Final = b": \t\r\n"
_COLON: Final = 0x3A
_SPACE: Final = 0x20
OBJECT: Final = 0x7B
_LIST: Final = 0x5B


class RowType(NamedTuple):
    """One form of row as a type. `keys` are those every row has; `optional` reads the members that may be UNSET."""

    annotation: Any
    keys: int = 0
    optional: Callable[[Any], tuple[Any, ...]] | None = None
    checks: tuple[tuple[Callable[[Any], Any], Check], ...] = ()
    rules: tuple[tuple[Callable[[Any], tuple[Any, ...]], Callable[..., bool]], ...] = ()
    not_one_long: bool = False  # a list of one is read as its only value


def too_many(body: bytes) -> bool:
    """Whether a body has more elements than types may decode. Each takes two bytes: most bodies need not be counted."""
    return len(body) > 2 * MOST_ELEMENTS and body.count(b",") + _colons(body) > MOST_ELEMENTS


def keys_once(body: bytes, keys: int) -> bool:
    """Whether a body in which `keys` different keys were decoded has no other colon: then each came once."""
    if len(body) >= _ARRAYS_FROM_BYTES:
        if arrays.numpy is not None:
            return _colons(body) == keys
        if len(body) >= arrays.WANTED_FROM_BYTES:
            arrays.long_body_seen()
    return body.replace(b":", b";", keys).find(b":") < 0


def _colons(body: bytes) -> int:
    np: Any = arrays.numpy
    if np is None:
        return body.count(b":")
    array = np.frombuffer(body, np.uint8)
    parts = range(0, len(body), _ARRAY_BYTES)
    return sum([int(np.count_nonzero(array[at : at + _ARRAY_BYTES] == _COLON)) for at in parts])


def wrapped(path: Path, annotation: Any, optional: Sequence[str]) -> Any:
    """The type of a body that has it at `path` (members m0, m1, …), with optional text members (o0, …) beside it."""
    extra = [(f"o{index}", name, str) for index, name in enumerate(optional)]
    for depth in reversed(range(len(path))):
        annotation = struct("Body", [(f"m{depth}", str(path[depth]), annotation)], extra if depth == 0 else [])
    return annotation


def starts_at(path: Path) -> Callable[[bytes], bytes]:
    """How the rows begin: `[{`, `[[`, `{…` or `[…`. A guess by the first such key: a wrong one only declines."""
    key = b'"' + str(path[-1]).encode() + b'"' if path else b""

    def starts(body: bytes) -> bytes:
        at = body.find(key) + len(key)
        return body[at : at + 16].translate(None, _SKIPPED)[:2]

    return starts


class Around:
    """What stands around a list of rows, in the two spellings that most bodies have: compact, and as Python's json.

    Where it does, it is read already: `{"instances":[` and `]}` hold their keys once, and a list of valid pieces is a
    valid list.
    """

    def __init__(self, path: Path) -> None:
        names = [msgspec.json.encode(str(token)) for token in path]
        self.compact = b"".join([b"{" + name + b":" for name in names]) + b"["
        self.spaced = b"".join([b"{" + name + b": " for name in names]) + b"["
        self.end = b"]" + b"}" * len(path)

    def inside(self, body: bytes) -> tuple[int, int]:
        """Where the rows begin and end; (0, 0) for any other spelling."""
        at = len(self.compact)
        if body[:at] != self.compact:
            at = len(self.spaced)
            if body[:at] != self.spaced:
                return 0, 0
        stop = len(body) - len(self.end)
        return (at, stop) if at < stop and body[at] > _SPACE and body[stop:] == self.end else (0, 0)


def pieces(body: bytes, at: int, stop: int, size: int) -> Iterator[bytes]:
    """The objects between `at` and `stop`, as lists of about `size` bytes; cut inside a string, they are not valid."""
    gap = b"},{" if body.find(b"},{", at + size, stop) > 0 else b"}, {"
    while at < stop:
        cut = body.find(gap, at + size, stop)
        end = cut + 1 if cut > 0 else stop
        yield b"[%b]" % body[at:end]
        at = end + len(gap) - 2


class RowForm:
    """A body with rows of one form: its decoders, and what must hold besides."""

    def __init__(self, path: Path, row: RowType, single: bool, optional: Sequence[str]) -> None:
        annotation = row.annotation if single else list_of(row.annotation)
        self.single = single
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(wrapped(path, annotation, optional)).decode
        self.decode_row: Callable[[bytes], Any] = msgspec.json.Decoder(row.annotation).decode
        self.decode_rows: Callable[[bytes], Any] = msgspec.json.Decoder(list_of(row.annotation)).decode
        self.keys = row.keys
        self.optional = row.optional
        self.checks = row.checks
        self.rules = row.rules
        self.not_one_long = row.not_one_long

    def keys_of(self, rows: Sequence[Any]) -> int:
        """The keys that these rows were decoded from."""
        keys = self.keys * len(rows)
        if self.optional is not None:
            for row in rows:
                values = self.optional(row)
                keys += len(values) - values.count(UNSET)
        return keys

    def hold(self, rows: Sequence[Any]) -> bool:
        """Whether these rows keep what their type cannot say."""
        if self.not_one_long:
            for row in rows:
                if len(row) == 1:
                    return False
        for get, check in self.checks:
            for row in rows:
                value = get(row)
                if value is not UNSET and check(value) is not True:
                    return False
        return all(all(starmap(holds, map(cells_of, rows))) for cells_of, holds in self.rules)


class Prover:
    """An acceptor for rows at one path, by the form they have.

    One row alone is decoded without what stands around it, many objects are decoded piece by piece.
    """

    def __init__(
        self,
        path: Path,
        optional: Sequence[str],
        objects: RowForm | None,
        lists: RowForm | None,
        flat: RowForm | None,
        one_object: RowForm | None,
    ) -> None:
        """`flat`: the list holds values; `one_object`: the one row stands where a list might."""
        self.objects = objects
        self.lists = lists
        self.flat = flat
        self.one_object = one_object
        self.around = Around(path)
        self.wrapping = len(path)
        self.starts = starts_at(path)
        self.rows_of: Callable[[Any], Any] | None = None
        if path:
            self.rows_of = attrgetter(".".join(f"m{depth}" for depth in range(len(path))))
        self.beside: Callable[[Any], tuple[Any, ...]] | None = None
        if optional:
            self.beside = values_of([f"o{index}" for index in range(len(optional))])
        self.likely_one = True  # callers keep to one form: what fitted last is tried first, which decides nothing

    def prove(self, body: bytes) -> int:
        """The rows of a body that is clean for certain, or 0."""
        if too_many(body):
            return 0
        at, stop = self.around.inside(body)
        if at == 0:
            return self._whole(body, self._form_of(body))
        first = body[at]
        form = self.objects if first == OBJECT else self.lists if first == _LIST else self.flat
        if form is None or form.single:
            return self._whole(body, form)
        if self.likely_one and len(body) < _ONE_ROW_BYTES:
            inner = body[at:stop]
            try:
                row = form.decode_row(inner)
            except DECODE_ERRORS:
                pass
            else:
                one = (row,)
                keys = form.keys if form.optional is None else form.keys_of(one)
                return 1 if keys_once(inner, keys) and form.hold(one) else 0
        if first == OBJECT and len(body) >= _PIECES_FROM_BYTES:
            return self._in_pieces(body, form, at, stop)
        rows = self._whole(body, form)
        if rows > 0:
            self.likely_one = rows == 1
        return rows

    def _form_of(self, body: bytes) -> RowForm | None:
        start = self.starts(body)
        if start == b"[{":
            return self.objects
        if start == b"[[":
            return self.lists
        return self.one_object if start[:1] == b"{" else self.flat

    def _whole(self, body: bytes, form: RowForm | None) -> int:
        if form is None:
            return 0
        try:
            message = form.decode(body)
        except DECODE_ERRORS:
            return 0
        keys = self.wrapping
        if self.beside is not None:
            beside = self.beside(message)
            keys += len(beside) - beside.count(UNSET)
        if self.rows_of is not None:
            message = self.rows_of(message)
        rows = (message,) if form.single else message
        return len(rows) if keys_once(body, keys + form.keys_of(rows)) and form.hold(rows) else 0

    def _in_pieces(self, body: bytes, form: RowForm, at: int, stop: int) -> int:
        """What is decoded stays in the core's own cache, and takes no memory in proportion to the body."""
        count, keys = 0, self.wrapping
        for piece in pieces(body, at, stop, _PIECE_BYTES):
            try:
                rows = form.decode_rows(piece)
            except DECODE_ERRORS:
                return 0
            if not rows or not form.hold(rows):
                return 0
            count += len(rows)
            keys += form.keys_of(rows)
        return count if keys_once(body, keys) else 0
