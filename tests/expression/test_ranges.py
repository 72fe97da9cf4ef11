"""What can be known of an answer before any row: never wrong, and enough to name a rule that says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.expression import NUMBER, TEXT, Declared, compile_expression
from sidecar.expression.ranges import BOTH, Range, possible

NAMES = Declared({"age": NUMBER, "loan": NUMBER, "free": NUMBER, "name": TEXT})
RANGES: dict[str, Range] = {"age": (0, 120), "loan": (100.0, 5000.0)}


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("age >= 0", {True}),
        ("age > 120", {False}),
        ("age >= 120", {True, False}),
        ("-age <= 0 and age + 1 > 0", {True}),
        ("age == 121", {False}),
        ("age != 121", {True}),
        ("loan <= 10 * age", {True, False}),
        ("loan * 2 < age", {False}),
        ("abs(age) < 0 or min(age, loan) > 120", {False}),
        ("max(age, loan) >= 100", {True}),
        ("len(name) < 0", {False}),
        ("free < 18 and free > 65", {False}),
        ("18 > free and free >= 18", {False}),
        ("free >= 18 or free < 65", {True}),
        ("65 < free < 18", {False}),
        ("free == 1 and free == 2", {False}),
        ("free > 1 and free <= 1", {False}),
        ("free >= 1 and free <= 1", {True, False}),
        ("age > 100 and free > 1 and age < 50", {False}),
        ("not (age > 120)", {True}),
        ("name == 'x' or age >= 0", {True}),
        ("name == 'x'", {True, False}),
        ("age / 0.5 > 1", {True, False}),
        ("free * 0 == 1", {True, False}),
    ],
)
def test_what_can_come_of_it(text: str, answers: set[bool]) -> None:
    assert possible(compile_expression(text, NAMES).meaning, RANGES) == answers


NUMBERS = st.sampled_from(["age", "loan", "free", "1", "100", "120.5", "-3", "5000", "9007199254740993"])


@st.composite
def terms(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(NUMBERS)
    if draw(st.integers(0, 4)) == 0:
        return f"{draw(st.sampled_from(['min', 'max']))}({draw(terms(depth - 1))}, {draw(terms(depth - 1))})"
    form = draw(st.sampled_from(["({} + {})", "({} - {})", "({} * {})", "(abs({}) - {})", "(-({}) + {})"]))
    return form.format(draw(terms(depth - 1)), draw(terms(depth - 1)))


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        return f"{draw(terms())} {draw(st.sampled_from(['<', '<=', '>', '>=', '==', '!=']))} {draw(terms())}"
    if draw(st.integers(0, 3)) == 0:
        return f"not ({draw(conditions(depth - 1))})"
    return f"({draw(conditions(depth - 1))} {draw(st.sampled_from(['and', 'or']))} {draw(conditions(depth - 1))})"


AGES = st.sampled_from([0, 1, 18, 120]) | st.integers(0, 120)
LOANS = st.sampled_from([100.0, 5000.0]) | st.floats(100, 5000)
FREE = st.floats(allow_nan=False) | st.integers() | st.sampled_from([2**53 + 1, 1e308, 10**400])


@settings(max_examples=400, deadline=None)
@given(conditions(), AGES, LOANS, FREE)
def test_no_row_within_the_ranges_gets_another_answer(text: str, age: int, loan: float, free: Any) -> None:
    expression = compile_expression(text, NAMES)
    answer = expression.row({"age": age, "loan": loan, "free": free})
    assert answer is None or answer in possible(expression.meaning, RANGES)
    assert possible(expression.meaning, {}) <= BOTH
