"""The row's function, the columns, and a slow interpreter of the tree give one answer for any expression and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sidecar.expression import ANY, Declared, Expression, ExpressionError, compile_expression, implication
from sidecar.expression.columns import NotColumns, answers
from sidecar.expression.parser import parse
from sidecar.rows import MISSING
from tests.expression import generate
from tests.expression.reference import Interpreter

NAMES = Declared(generate.TYPES)


def compiled(text: str) -> Expression:
    try:
        return compile_expression(text, NAMES)
    except ExpressionError as error:
        # Constants may collide: `10 in [..]` of 10**400 / 0, or a category's value that a literal cannot have.
        assume("divided by zero" not in error.message and "is never" not in error.message)
        raise


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in generate.TYPES}


@settings(max_examples=600, deadline=None)
@given(generate.conditions(), st.lists(generate.ROWS, min_size=1, max_size=6))
@example("a % b == 0.0 or -a % b > 0", [{**dict.fromkeys(generate.TYPES), "a": -7, "b": 0.5}])
@example("a in [9007199254740993]", [{**dict.fromkeys(generate.TYPES), "a": float(2**53)}])
def test_row_columns_and_interpreter_agree(text: str, rows: list[dict[str, Any]]) -> None:
    expression = compiled(text)
    tree = parse(text)
    expected = [Interpreter(generate.TYPES, row).truth(tree) for row in rows]
    assert [expression.row(row) for row in rows] == expected
    assert expression.columns(columns_of(rows), len(rows)) == expected
    refused = expression.refused(columns_of(rows * 60), len(rows) * 60)
    assert list(refused) == [row for row, answer in enumerate(expected * 60) if answer is False]


def as_decoded(value: Any) -> Any:
    """As a fast accept decodes it: every JSON number is a double, which may stand for many whole numbers."""
    if type(value) is not int:
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf")


@settings(max_examples=300, deadline=None)
@given(generate.conditions(), generate.ROWS)
@example("a == 9007199254740992", {**dict.fromkeys(generate.TYPES), "a": 2**53 + 1})
@example("a is not null", {**dict.fromkeys(generate.TYPES), "a": 1e300})
def test_a_proof_is_never_wrong(text: str, row: dict[str, Any]) -> None:
    expression = compiled(text)
    holds = expression.proof()
    for seen in (row, {name: as_decoded(value) for name, value in row.items()}):
        proven = holds(*[seen[name] for name in expression.names])
        assert proven in (True, False)
        if proven:
            assert expression.row(row) is not False


@settings(max_examples=200, deadline=None)
@given(generate.conditions(1), generate.conditions(1), generate.ROWS)
def test_an_implication_is_false_where_it_is_broken_and_nowhere_else(when: str, expect: str, row: Any) -> None:
    one, other = compiled(when), compiled(expect)
    broken = one.row(row) is True and other.row(row) is False
    assert (implication(one, other).row(row) is False) is broken


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a < b", {"a": [1, 2.5, 3], "b": [2, 2, 2]}),
        ("s == 'x' and not flag", {"s": ["x", None, "y"], "flag": [True, False, "no"]}),
        ("a / b > 1 or at > '2026-01-31T12:00:00Z'", {"a": [1, 2], "b": [0, 1], "at": ["2026-02-01T00:00:00Z", "x"]}),
        ("len(vec) == 2 and job in ['x']", {"vec": [[1, 2], 5], "job": ["x", "y"]}),
        ("a is null", {}),
    ],
)
def test_clean_columns_are_answered_by_numpy(text: str, columns: dict[str, list[Any]]) -> None:
    count = len(next(iter(columns.values()), [0, 0]))
    truth = answers(compiled(text).meaning, columns, count)
    by_row = [compiled(text).row({name: column[row] for name, column in columns.items()}) for row in range(count)]
    assert [bool(one) for one in truth.true] == [answer is True for answer in by_row]
    assert [bool(one) for one in truth.false] == [answer is False for answer in by_row]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a == 1", {"a": [2**53]}),
        ("a == 9007199254740993", {"a": [1]}),
        ("any == 1", {"any": [1]}),
        ("mixed == 1", {"mixed": [1]}),
    ],
)
def test_what_doubles_cannot_say_is_asked_by_row(text: str, columns: dict[str, list[Any]]) -> None:
    with pytest.raises(NotColumns):
        answers(compiled(text).meaning, columns, 1)
    assert compiled(text).columns(columns, 1) == [text[-1] == "1" and next(iter(columns.values())) == [1]]


DEEP = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=2)
    | st.just(MISSING),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=2), children, max_size=2),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(generate.conditions(), st.dictionaries(st.sampled_from(sorted(generate.TYPES)), DEEP))
def test_no_value_raises(text: str, row: dict[str, Any]) -> None:
    expression = compiled(text)
    assert expression.row(row) in (True, False, None)
    assert expression.columns({name: [value] for name, value in row.items()}, 1) == [expression.row(row)]


@settings(max_examples=100, deadline=None)
@given(DEEP, DEEP)
def test_undeclared_names_take_anything(left: Any, right: Any) -> None:
    dynamic = Declared({"x": ANY, "y": ANY})
    for text in ("x < y", "x == y", "x + y > 1", "len(x) > 1", "x in [1, 'a']", "x and y", "year(x) == 2026"):
        assert compile_expression(text, dynamic).row({"x": left, "y": right}) in (True, False, None)
