"""Edits to a few rows of a large body: each row is drafted by itself, and nothing between the rows is read again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..edits import Span
from ..rows import MISSING, Change
from .row_table import Form, RowTable
from .spans import Draft

_OPENS = {Form.OBJECT: b"{", Form.LIST: b"["}


def edit_rows(
    body: bytes,
    rows: Sequence[Any],
    numbers: Sequence[int],
    table: RowTable,
    changes: Sequence[Change],
    drop: Collection[int],
) -> tuple[Span, ...] | None:
    """The spans that make `changes` and take the rows `drop` out; at least one row stays.

    `rows` are the bytes of all rows of a body without escapes, which holds no bracket before them but those they stand
    in; `table` has those at the positions `numbers`, and only these are edited. None where the form of a row decides
    with all the others what becomes of a cell.
    """
    gone = frozenset(drop)
    wanted: dict[int, list[Change]] = {}
    for change in changes:
        if change.row not in gone:
            if change.value is MISSING and table.form is not Form.OBJECT:
                return None
            wanted.setdefault(change.row, []).append(change)
    if not wanted and not gone:
        return ()
    known = {number: position for position, number in enumerate(numbers)}
    opens, last = _OPENS[table.form], max((*wanted, *gone))
    spans: list[Span] = []
    first, end, kept = 0, 0, False
    for number, row in enumerate(rows):
        if kept and number > last:
            break
        # Before the first row there is nothing like it; between two rows there is nothing but a comma and space.
        start = body.find(opens, end) if number else body.find(bytes(row))
        if not number:
            first = start
        before, end = end, start + len(row)
        if number not in gone:
            if not kept and number:
                spans.append(Span(first, start, b""))
            kept = True
            if number in wanted:
                spans += _row_spans(table, known[number], wanted[number], bytes(row), start)
        elif kept:
            if spans and spans[-1].end == before and not spans[-1].data:
                before = spans.pop().start
            spans.append(Span(before, end, b""))
    return tuple(spans)


def _row_spans(table: RowTable, position: int, changes: Sequence[Change], row: bytes, start: int) -> list[Span]:
    """One row, as the only one of a list."""
    draft = Draft(b"[%b]" % row)
    alone = RowTable((), False, table.form, table.paths, (table.rows[position],), table.width, table.encode)
    alone.edit(draft, [Change(0, change.feature, change.value) for change in changes])
    return [Span(at - 1 + start, to - 1 + start, data) for at, to, data in draft.spans()]
