"""Whatever the table: the inferred policy is valid YAML, passes `check`, and accepts every row it was inferred from."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from .desk import infer

NAMES = st.sampled_from(
    ["age", "", "no", "true", "1e5", "a b", "a: b", "#c", "- d", "'q'", '"', "{x}", "[y]", "&z", "*w", "<<", "|", ">",
     "%", "@", "`", "é", "名", "a\nb", "\t", "\u2028", "\x85", "null", "~", "x" * 1200, "\ud800", "id", "email",
     "\\", "a,b", "!t", "?", "0123", "-", "\x00", "\ufeff", "key", "date_of_birth"]
) | st.text(max_size=6)  # fmt: skip
TEXTS = st.sampled_from(
    ["", "N/A", "nan", "no", "yes", "true", "True", "001", "1", "1.0", "-0", "1e5", "1e999", "0x1F", "NaN", "-999",
     "a: b", "# c", "'", '"', "\n", "\r\n", "\x85", "\u2028", "\ud800", "2026-01-01", "1970-01-01",
     "2026-01-01T00:00:00Z", "2026-13-41T25:00:00Z",
     "31/12/2020", "a@b.de", "4111111111111111", "+49 30 123456", "DE89370400440532013000",
     "123-45-6789", "3,14", "~", "null", "-", "?", "hash:" + "0" * 32, "x" * 400, "\x00", "٣", "Infinity",
     "1_000", " 7"]
) | st.text(max_size=5)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.floats(),
    st.integers(),
    st.sampled_from(
        [0, -0.0, -999, 999999, 2**53, 2**53 + 1, -(2**63), 10**30, 10**310, 5e-324, 1.7e308, -1.7e308, 0.1]
    ),
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), NUMBERS, TEXTS, st.lists(NUMBERS, max_size=3), st.dictionaries(TEXTS, NUMBERS, max_size=2)
)
LIKE = st.sampled_from(
    [NUMBERS, TEXTS, st.booleans(), st.integers(0, 100), st.floats(0, 1), st.lists(st.floats(), max_size=2), ANYTHING]
)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[Any] | None = None) -> list[dict[str, Any]]:
    """Columns that mostly hold one kind of value; rows that may lack some of them, repeated to be many."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    kinds: dict[str, st.SearchStrategy[Any]] = {name: cells if cells is not None else draw(LIKE) for name in names}
    gaps = draw(st.booleans())
    nothing: dict[str, st.SearchStrategy[Any]] = {}
    row = st.fixed_dictionaries(nothing, optional=kinds) if gaps else st.fixed_dictionaries(kinds)
    rows: list[dict[str, Any]] = draw(st.lists(row, min_size=1, max_size=12))
    return rows * draw(st.sampled_from([1, 1, 3, 40]))


def holds(rows: list[dict[str, Any]], *, lexical: bool) -> None:
    inferred = infer(rows, lexical=lexical, chunk=7)
    assert inferred.findings == ()
    verdict = inferred.judge(rows)
    assert verdict.would in ("ok", "repaired"), (verdict.violations, inferred.text)
    assert "seen" in inferred.text or not inferred.table.features
    for guess in inferred.table.features:
        assert f"of {len(rows)} row" in guess.comments[0]


@settings(max_examples=200, deadline=None)
@given(tables())
def test_typed_tables(rows: list[dict[str, Any]]) -> None:
    holds(rows, lexical=False)


@settings(max_examples=200, deadline=None)
@given(tables(TEXTS))
def test_tables_of_text(rows: list[dict[str, Any]]) -> None:
    holds(rows, lexical=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=12), st.sampled_from([99, 500, 1500]), st.booleans())
def test_columns_of_numbers_with_anything_among_them(others: list[str], numbers: int, lexical: bool) -> None:
    values: list[Any] = [*range(numbers), *others]
    holds([{"x": str(value) if lexical else value} for value in values], lexical=lexical)


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_answers_are_accepted_as_answers(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted({name for row in rows for name in row} or {"age"})))
    inferred = infer(rows, predictions=[name])
    from sidecar.inference.profile import table_of
    from sidecar.rows import Rows

    columns = table_of(rows, inferred.table.types, lexical=False)
    verdict = inferred.contract.judge_reply(
        Rows(len(rows), columns, lambda *_: ""), sent_rows=len(rows), caller="", now_seconds=0.0
    )
    assert verdict.would in ("ok", "repaired"), (verdict.violations, inferred.text)
