"""The language as its authors meet it: what may be said, what comes of it, and how a mistake is told."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.expression import (
    ANY,
    BYTES,
    LIST,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    TRUTH,
    Declared,
    ExpressionError,
    category,
    compile_expression,
)
from sidecar.rows import MISSING

NAMES = Declared(
    {
        "age": NUMBER, "income": NUMBER, "loan_amount": NUMBER, "name": TEXT, "vip": TRUTH, "at": TIME, "until": TIME,
        "occupation": category(["employed", "self_employed", "retired"]), "grade": category([1, 2, 3]),
        "mixed": category(["a", 1, True]), "profile": LIST, "photo": BYTES, "codes": TEXTS, "thing": ANY,
        "odd name": NUMBER, "a.b": NUMBER,
    }
)  # fmt: skip
ROW: dict[str, Any] = {
    "age": 41, "income": 52000.0, "loan_amount": 9000, "name": "Ann", "vip": True, "at": "2026-11-20T23:30:00-01:00",
    "until": "2026-11-22T00:30:00Z", "occupation": "employed", "grade": 2, "mixed": 1, "profile": [1, 2],
    "photo": b"12", "codes": ["age.max"], "thing": None, "odd name": 1, "a.b": 2,
}  # fmt: skip


def answer(text: str, **cells: Any) -> bool | None:
    return compile_expression(text, NAMES).row({**ROW, **cells})


@pytest.mark.parametrize(
    "text",
    [
        "age >= 18 and age < 65",
        "18 <= age < 65",
        "not age < 18 or vip",
        "loan_amount <= 10 * income",
        "income / age > 1268.2 and income % 7 == 4",
        "-age < -40 and - -age == 41",
        "2 + 3 * 4 == 14 and (2 + 3) * 4 == 20 and 10 - 4 - 3 == 3",
        "occupation in ['employed', 'retired'] and occupation != 'retired'",
        "grade not in [1, 3] and grade < 3",
        "mixed == 1 and mixed != true and mixed != 'a'",
        "thing is null and age is not null",
        "abs(-age) == 41 and min(age, 3, 7) == 3 and max(age, 3) == 41",
        "len(name) == 3",
        "len(profile) == 2 and len(photo) == 2",
        "lower(name) == 'ann' and startswith(name, 'A')",
        "at > '2026-11-21T00:00:00Z' and at < until",
        "year(at) == 2026 and not is_weekday(at) and days_between(at, until) == 1",
        "is_weekday('2026-11-23T00:00:00Z') and not is_weekday('2026-11-22T23:59:59Z')",
        "`odd name` == 1 and a.b == 2 and `a.b` == 2",
        "codes == 'age.max' and codes != 'x' and codes in ['x', 'age.max'] and codes not in ['y']",
        "vip == true and vip",
        'name == "Ann" and name != \'it\\\'s "quoted" \\\\ text\'',
        "TRUE or age > 1e9",
        "  age>1  ",
        "age\n  > 1\n  and age < 100",
    ],
)
def test_it_holds(text: str) -> None:
    assert answer(text) is True
    assert answer(f"not ({text})") is False


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("age > 1", {"age": None}),
        ("age > 1", {"age": MISSING}),
        ("age > 1", {"age": float("nan")}),
        ("age > 1", {"age": "41"}),
        ("age > 1", {"age": True}),
        ("age != 1", {"age": "one"}),
        ("age == age", {"age": float("nan")}),
        ("age / (age - 41) > 1", {}),
        ("age % (age - 41) > 1", {}),
        ("income * 1e308 > 1", {}),
        ("income + 1 > 1", {"income": float("inf")}),
        ("income + 1 > 1", {"income": 10**400}),
        ("not vip", {"vip": 1}),
        ("name > 'a'", {"name": 1}),
        ("at > '2026-01-31T12:00:00Z'", {"at": "yesterday"}),
        ("thing == 1", {"thing": "1"}),
        ("thing in [1, 2]", {"thing": "1"}),
        ("thing", {"thing": 1}),
        ("thing < 1", {"thing": True}),
        ("len(thing) > 1", {"thing": 1}),
        ("len(profile) > 1", {"profile": "12"}),
        ("age > 1 and vip", {"age": None}),
        ("age > 1 or vip", {"age": None, "vip": False}),
        ("1e308 * 10 > age", {}),
    ],
)
def test_it_is_undecided_and_so_is_its_negation(text: str, cells: dict[str, Any]) -> None:
    assert answer(text, **cells) is None
    assert answer(f"not ({text})", **cells) is None


def test_null_decides_and_and_or_settle_what_they_can() -> None:
    assert answer("age is null", age=MISSING) is True
    assert answer("age is null", age=float("nan")) is False, "NaN is a value, if no good one"
    assert answer("salary is null or age > 1".replace("salary", "thing"), thing=None) is True
    assert answer("age > 1 and vip", age=None, vip=False) is False
    assert answer("age > 1 or vip", age=None, vip=True) is True


def test_whole_numbers_are_compared_exactly() -> None:
    assert answer("age == 9007199254740993", age=2**53 + 1) is True
    assert answer("age == 9007199254740993", age=float(2**53)) is False
    assert answer("abs(age) > 9007199254740992", age=-(2**53) - 1) is True


@pytest.mark.parametrize(
    ("text", "position", "message", "hint"),
    [
        ("", 0, "say a condition", ""),
        ("ocupation == 'retired'", 0, "did you mean `occupation`?", ""),
        ("zzz > 1", 0, "there is no feature `zzz`", "age, income"),
        ("occupation == 'retierd'", 14, "never 'retierd'; did you mean 'retired'?", "it is one of 'employed'"),
        ("occupation in ['employed', 'x']", 27, "is never 'x'", "'self_employed'"),
        ("'x' == occupation", 0, "is never 'x'", ""),
        ("grade == 7", 9, "`grade` is never 7", "1, 2, 3"),
        ("mixed == 'b'", 9, "`mixed` is never 'b'", "'a', 1, true"),
        ("occupation > 'a'", 0, "categories have no order", ""),
        ("vip > false", 0, "true and false have no order", ""),
        ("age == '41'", 7, "`age` is a number and `'41'` is text: they are never equal", ""),
        ("name < 5", 7, "`name` is text and `5` is a number", ""),
        ("at > '2026-01-31'", 5, "no RFC 3339 timestamp", "2026-01-31T12:00:00Z"),
        ("at > name", 5, "`at` is a timestamp and `name` is text", "timestamps are compared with"),
        ("name + 1 > 2", 0, "`name` is text; here it must be a number", "not computed with"),
        ("age / 0 > 1", 6, "divided by zero", ""),
        ("abs(age, 1) > 1", 0, "write `abs(x)`; here it has 2 arguments", ""),
        ("lenght(name) > 1", 0, "no function `lenght`; did you mean `len`?", "days_between"),
        ("min(1) > 1", 0, "write `min(x, y)`", ""),
        ("len(age) > 1", 4, "it has no length", ""),
        ("year(name) > 1", 5, "here it must be a timestamp", ""),
        ("profile == 1", 0, "a list: it is not compared", "len(x)"),
        ("profile in [1]", 0, "count it with len", ""),
        ("codes > 'a'", 8, "a code", ""),
        ("codes == 5", 9, "a code", ""),
        ("codes in [5]", 10, "codes", ""),
        ("age", 3, "`age` is a number: compare it with something", ""),
        ("age + 1 is null", 0, "only names can be null", ""),
        ("age > 1e999", 6, "too large", ""),
        ("age in []", 3, "the list is empty", ""),
        ("age in [name]", 8, "values, not names", ""),
        ("age = 3", 4, "written `==`", ""),
        ("age > 3 && vip", 8, "write `and`", ""),
        ("name == 'open", 8, "not closed", ""),
        ("(age > 3", 8, "not closed", ""),
        ("age > 3)", 7, "`and`, `or` or the end", ""),
        ("age is 5", 7, "`null` or `not null`", ""),
        ("age == null", 7, "`is null`", ""),
        ("not " * 60 + "vip", 200, "deep", ""),
        ("vip" + " or vip" * 120, 0, "at most 100", ""),
        ("vip or " * 600 + "vip", 0, "at most 4000 characters", ""),
        ("age >", 5, "ends where a name or a value is expected", ""),
        ("age >> 3", 5, "expected here, not `>`", ""),
        ("age between 1 and 3", 4, "the end is expected here, not `between`", ""),
        ("age > 3; import os", 7, "means nothing here", ""),
        ("__import__('os')", 0, "no function", ""),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_was_meant(text: str, position: int, message: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, NAMES)
    error = caught.value
    assert message in error.message
    if position:
        assert error.position == position
    assert hint in error.hint


def test_a_mistake_is_pointed_at() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("age > 1 and\nocupation == 'x'", NAMES)
    told = str(caught.value).splitlines()
    assert told[0].endswith("(at character 13)")
    assert told[1] == "  age > 1 and ocupation == 'x'"
    assert told[2].index("^") == told[1].index("ocupation")


def test_what_depends_on_no_row_is_worked_out() -> None:
    assert compile_expression("1 + 1 == 2", NAMES).answer() is True
    assert compile_expression("age > 1 and 1 > 2", NAMES).constant
    assert compile_expression("age > 1 or true", NAMES).answer() is True
    assert compile_expression("1e308 * 10 > 1", NAMES).answer() is None
    assert not compile_expression("age > 1 and true", NAMES).constant
    assert compile_expression("income > 1 and age > 2 and income < 3", NAMES).names == ("income", "age")


WORDS = [*NAMES.types, "(", ")", "[", "]", ",", "'a'", "1", "and", "or", "not", "in", "is", "null", "==", "<", "`", "-",
         "*", "%", "/", "1e999", "true", "len(", "min(", "year(", ".", "'2026-01-31T12:00:00Z'"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=60))
@example("`" * 3)
@example("1" * 5000)
@example("1" * 4000)
@example("\x00")
@example("a" * 3999 + "(")
@example("²")
@example("min(" * 30)
@example("\ud800 == 1")
def test_no_text_does_anything_but_answer_or_be_refused(text: str) -> None:
    try:
        expression = compile_expression(text, NAMES)
    except ExpressionError as error:
        assert error.message
        return
    assert expression.row(ROW) in (True, False, None)
    assert expression.row({}) in (True, False, None)


@pytest.mark.parametrize("piece", ["'", "`", "(", "a.", "1.", "\\", "not ", "- ", "'\\'", "== ", "1e", "[", " "])
def test_reading_takes_time_in_the_length_of_the_text(piece: str) -> None:
    text = (piece * 4000)[:4000]
    best = min(_seconds(text) for _ in range(3))
    assert best < 0.05


def _seconds(text: str) -> float:
    began = time.perf_counter()
    with pytest.raises(ExpressionError):
        compile_expression(text, NAMES)
    return time.perf_counter() - began


def test_names_and_texts_are_never_source() -> None:
    wild = "'; raise SystemExit #\n\\"
    names = Declared({wild.replace("`", ""): TEXT})
    quoted = wild.replace("\\", "\\\\").replace("'", "\\'")
    expression = compile_expression(f"`{wild}` == '{quoted}'", names)
    assert expression.row({wild: wild}) is True
    code = expression.answer.__code__
    assert {name.rstrip("0123456789") for name in code.co_names} == {"__class__", "str", "k"}
