"""Rows that are objects, lists or scalars in a JSON list: read into columns, and edited in place.

One reading serves TensorFlow Serving and plain JSON, requests and answers. A feature's place is a path inside its row:
`("age",)` in an object, `(2,)` in a list, `()` for a row that is the value itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import itemgetter
from typing import Any, Final, TypeAlias

from ..errors import WireError, WireFault
from ..rows import MISSING, Change, Value
from .document import Document, Token, encode, shown
from .spans import Draft

Path: TypeAlias = tuple[Token, ...]
Encode: TypeAlias = Callable[[Any], bytes]


class Form(Enum):
    """What a row is."""

    OBJECT = "object"
    LIST = "list"
    SCALAR = "scalar"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a policy's names stand in a row. `explicit` paths come from `from:`; `columns` name a list's positions."""

    names: tuple[str, ...]
    explicit: Mapping[str, Path] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    in_order: bool = False  # list rows without `columns` hold the names in policy order, if there are as many

    def paths(self, form: Form, width: int, at: Path) -> dict[str, Path]:
        """Name → path inside a row of this form. WireError when the row's form cannot hold the names."""
        if form is Form.OBJECT:
            return {name: self.explicit.get(name, (name,)) for name in self.names}
        if form is Form.LIST and self.columns:
            index = {name: position for position, name in enumerate(self.columns)}
            return {name: self.explicit.get(name, (index[name],) if name in index else _NOWHERE) for name in self.names}
        free = [name for name in self.names if name not in self.explicit]
        if len(free) == 1 and not self.explicit:
            return {free[0]: (0,) if form is Form.LIST and width == 1 else ()}
        if not free and form is Form.LIST:
            return dict(self.explicit)
        if form is Form.LIST and self.in_order and width == len(free):
            return {**self.explicit, **{name: (position,) for position, name in enumerate(free)}}
        if not self.names:
            return {}
        if form is Form.SCALAR:
            raise WireError(WireFault.SHAPE, "a row is a single value where several are expected", pointer=shown(at))
        raise WireError(
            WireFault.UNSUPPORTED, "rows are lists: the policy must name their `columns`", pointer=shown(at)
        )


_NOWHERE: Final[Path] = ("\0",)  # no list has such an index, and no JSON key of ours


@dataclass(frozen=True, slots=True)
class RowTable:
    """Rows read. `base` leads to the list of rows, or to the one row when `single`."""

    base: Path
    single: bool
    form: Form
    paths: Mapping[str, Path]
    rows: Sequence[Document]
    width: int = 0
    encode: Encode = encode

    @property
    def count(self) -> int:
        return len(self.rows)

    def columns(self) -> dict[str, Sequence[Value]]:
        """One column a name; MISSING where a row does not have it."""
        return {name: _column(self.rows, path) for name, path in self.paths.items()}

    def place(self, name: str, row: int) -> Path:
        """The path of a cell in the body; a name that nobody asked for is a member of its row."""
        path = self.paths.get(name, (name,))
        own: Path = () if path is _NOWHERE else path
        return (*self.base, *own) if self.single else (*self.base, row, *own)

    def pointer(self, name: str, row: int) -> str:
        """RFC 6901 in the body as sent."""
        return shown(self.place(name, row))

    def unknown(self, known: Collection[str]) -> dict[str, Sequence[int]]:
        """Members of object rows that nobody asked for → the rows that have them."""
        if self.form is not Form.OBJECT:
            return {}
        asked = {*known, *(str(path[0]) for path in self.paths.values() if path)}
        found: dict[str, list[int]] = {}
        for index, row in enumerate(self.rows):
            for name in () if asked.issuperset(row) else row:
                if name not in asked:
                    found.setdefault(name, []).append(index)
        return dict(found)

    def edit(
        self,
        draft: Draft,
        changes: Sequence[Change],
        drop: Collection[int] = (),
        insert: Mapping[int, Mapping[str, Value] | None] | None = None,
        nulls: Collection[int] = (),
    ) -> None:
        """Draft cell changes, rows out, rows in. A list's cell taken out of some rows only becomes null.

        An inserted row of None is null, and `nulls` are rows that become null.
        """
        if self.single and (drop or insert or nulls):
            raise WireError(WireFault.UNSUPPORTED, "a body with one row has no list of rows", pointer=shown(self.base))
        gone = frozenset(drop)
        changes = [change for change in changes if change.row not in gone]
        removed: dict[str, int] = {}
        for change in changes:
            if change.value is MISSING:
                removed[change.feature] = removed.get(change.feature, 0) + 1
        for change in changes:
            unknown = change.feature not in self.paths
            path = self.paths.get(change.feature, (change.feature,))
            if path is _NOWHERE or (unknown and not self._has(change.row, change.feature)):
                continue
            place = self.place(change.feature, change.row)
            if change.value is not MISSING:
                if self.single and self.form is Form.LIST and type(change.value) is list:
                    raise WireError(
                        WireFault.SHAPE, "a list inside the one row would make it several", pointer=shown(place)
                    )
                draft.set(place, self.encode(change.value))
            elif path and (removed[change.feature] == self.count - len(gone) or self._in_object(path, change.row)):
                draft.remove(place)
            else:
                draft.set(place, b"null")
        for row in drop:
            draft.remove((*self.base, row))
        for position, values in (insert or {}).items():
            draft.insert(self.base, position, b"null" if values is None else self.encode(self.new_row(values)))
        for row in nulls:
            draft.set((*self.base, row), b"null")

    def _has(self, row: int, name: str) -> bool:
        return self.form is Form.OBJECT and name in self.rows[row]

    def _in_object(self, path: Path, row: int) -> bool:
        return type(follow(self.rows[row], path[:-1])) is dict

    def new_row(self, values: Mapping[str, Value]) -> Document:
        """A row of given values in the form of the others; null for what nobody gives."""
        if self.form is Form.SCALAR:
            return next((values.get(name) for name, path in self.paths.items() if path == ()), None)
        if self.form is Form.OBJECT:
            row: dict[str, Any] = {}
            for name, path in self.paths.items():
                _put(row, path, values.get(name))
            return row
        whole = next((name for name, path in self.paths.items() if path == ()), None)
        if whole is not None:
            return values.get(whole)
        items: list[Value] = [None] * self.width
        for name, path in self.paths.items():
            if len(path) == 1 and type(path[0]) is int and path[0] < self.width:
                items[path[0]] = values.get(name)
        return items


def read_table(
    listed: Document,
    base: Path,
    layout: Layout,
    *,
    single: bool = False,
    encode: Encode = encode,
    null_rows: Collection[int] = (),
) -> RowTable:
    """The rows of a list (or the one row), all of one form and, for lists with columns, one width.

    `null_rows` are known to be null: rows without any cell.
    WireError SHAPE for mixed or ragged rows, UNSUPPORTED for lists whose columns nobody names.
    """
    rows = [listed] if single else listed
    if type(rows) is not list:
        raise WireError(WireFault.MALFORMED, "the rows must be a list", pointer=shown(base))
    if not rows:
        raise WireError(WireFault.SHAPE, "there are no rows", pointer=shown(base))
    if null_rows and not single:
        return _with_nulls(rows, base, layout, encode, frozenset(null_rows))
    form = _form_of(rows[0])
    for index, row in enumerate(rows):
        if _form_of(row) is not form:
            at = base if single else (*base, index)
            raise WireError(WireFault.SHAPE, "objects, lists and values do not mix as rows", pointer=shown(at))
    width = 0
    if form is Form.LIST:
        width = len(layout.columns) or len(rows[0])
        whole_rows = not layout.columns and len(layout.names) == 1 and width != 1
        for index, row in enumerate(rows):
            if len(row) != width and not whole_rows:
                at = base if single else (*base, index)
                raise WireError(WireFault.SHAPE, f"the row must have {width} values", pointer=shown(at))
    at = base if single else (*base, 0)
    return RowTable(base, single, form, layout.paths(form, width, at), rows, width, encode)


_NO_CELLS: Final[dict[Form, Document]] = {Form.OBJECT: {}, Form.LIST: [], Form.SCALAR: None}


def _with_nulls(
    rows: Sequence[Document], base: Path, layout: Layout, encode: Encode, null_rows: frozenset[int]
) -> RowTable:
    for row in null_rows:
        if row >= len(rows) or rows[row] is not None:
            raise WireError(WireFault.SHAPE, "a row that was left out is not null", pointer=shown((*base, row)))
    read = read_table([row for index, row in enumerate(rows) if index not in null_rows], base, layout, encode=encode)
    empty = _NO_CELLS[read.form]
    padded = [empty if index in null_rows else row for index, row in enumerate(rows)]
    return RowTable(base, False, read.form, read.paths, padded, read.width, encode)


def cell_of(row: Mapping[str, Value] | None, name: str) -> Value:
    """The value of one name in a row that may be null."""
    return None if row is None else row.get(name)


def answered(row: Mapping[str, Value] | None, only: str | None, names: Sequence[str]) -> Value:
    """One row of an answer made of given values: null, the value of the `only` name, or an object of all names."""
    if row is None:
        return None
    return row.get(only) if only else {name: row.get(name) for name in names}


def _form_of(row: Document) -> Form:
    return Form.OBJECT if type(row) is dict else Form.LIST if type(row) is list else Form.SCALAR


def _column(rows: Sequence[Document], path: Path) -> Sequence[Value]:
    if not path:
        return list(rows)
    if len(path) == 1 and type(rows[0]) is dict:
        token = path[0]
        try:
            return list(map(itemgetter(token), rows))
        except KeyError:
            return [row.get(token, MISSING) for row in rows]
    return [follow(row, path) for row in rows]


def follow(value: Document, path: Path) -> Value:
    """What stands at a path, or MISSING."""
    for token in path:
        if type(value) is dict:
            value = value.get(token if type(token) is str else str(token), MISSING)
        elif type(value) is list and (type(token) is int or _is_index(token)):
            value = value[int(token)] if int(token) < len(value) else MISSING
        else:
            return MISSING
    return value


def _is_index(token: Token) -> bool:
    """RFC 6901 section 4: digits without a leading zero."""
    text = str(token)
    return text.isascii() and text.isdigit() and len(text) < 10 and (text == "0" or text[0] != "0")


def _put(row: dict[str, Any], path: Path, value: Value) -> None:
    for token in path[:-1]:
        row = row.setdefault(str(token), {})
    if path:
        row[str(path[-1])] = value
