"""Expressions that compile, and rows of every kind of cell, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sidecar.expression import ANY, LIST, NUMBER, TEXT, TIME, TRUTH, Type, category
from sidecar.rows import MISSING

TYPES: dict[str, Type] = {
    "a": NUMBER, "b": NUMBER, "n": NUMBER, "s": TEXT, "t": TEXT, "flag": TRUTH, "at": TIME, "since": TIME,
    "job": category(["x", "y", "zz"]), "grade": category([1, 2, 3]), "mixed": category(["x", 1, True]), "vec": LIST,
    "any": ANY, "other": ANY,
}  # fmt: skip

NUMBERS = st.sampled_from(
    [0, 1, -1, 2, 3, 7, 10, 0.0, -0.0, 0.5, 2.5, 1e-300, 1e300, 1e308, -1e308, 2**53, 2**53 + 1, -(2**53) - 1, 10**400]
) | st.integers(-5, 5)
STAMPS = st.sampled_from(
    ["2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z", "1969-12-31T23:59:59Z", "1600-02-29T01:02:03Z",
     "2000-02-29T23:59:59.5Z", "9999-12-31T23:59:59Z"]
)  # fmt: skip
TEXTS = st.sampled_from(["", "x", "y", "zz", "X", "xy", "é", "İ", "2026", "'\"\\", "\n", "`", "k0", "return"])
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "number": NUMBERS | st.floats(),
    "text": TEXTS,
    "truth": st.booleans(),
    "time": STAMPS | st.just("yesterday"),
    "list": st.lists(st.integers(0, 2), max_size=3),
    "mixed": st.sampled_from(["x", 1, 1.0, True, False, "q", 0]),
    "any": NUMBERS | TEXTS | st.booleans() | STAMPS | st.lists(st.integers(), max_size=2),
}
NOTHING = st.sampled_from([None, MISSING, float("nan"), float("inf"), -float("inf")])
WRONG = st.sampled_from(["x", True, 1, 2.5, b"x", {"a": 1}, [1], 10**400, "2026-01-31T12:00:00Z"])


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def spelled(number: Any) -> str:
    return repr(number)


@st.composite
def numbers(draw: st.DrawFn, depth: int) -> str:
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(["a", "b", "n", "grade", "any"]) | NUMBERS.map(spelled))
    match draw(st.sampled_from(["+", "-", "*", "/", "%", "neg", "abs", "min", "len", "year", "days"])):
        case "neg":
            return f"-({draw(numbers(depth - 1))})"
        case "abs":
            return f"abs({draw(numbers(depth - 1))})"
        case "min":
            function = draw(st.sampled_from(["min", "max"]))
            return f"{function}({', '.join(draw(st.lists(numbers(depth - 1), min_size=2, max_size=3)))})"
        case "len":
            return f"len({draw(st.sampled_from(['vec', 's', 'any', 'lower(t)']))})"
        case "year":
            return f"year({draw(times())})"
        case "days":
            return f"days_between({draw(times())}, {draw(times())})"
        case sign:
            return f"({draw(numbers(depth - 1))} {sign} {draw(numbers(depth - 1))})"


def times() -> st.SearchStrategy[str]:
    return st.sampled_from(["at", "since", "any"]) | STAMPS.map(quoted)


def texts() -> st.SearchStrategy[str]:
    return st.sampled_from(["s", "t", "any", "lower(s)"]) | TEXTS.map(quoted)


EQUAL = st.sampled_from(["==", "!="])
SIGN = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


@st.composite
def comparisons(draw: st.DrawFn, depth: int) -> str:
    sign = draw(SIGN)
    match draw(st.integers(0, 11)):
        case 0:
            return f"{draw(texts())} {sign} {draw(texts())}"
        case 1:
            return f"{draw(st.sampled_from(['at', 'since']))} {sign} {draw(times())}"
        case 2:
            values = ", ".join(draw(st.lists(NUMBERS.map(spelled), min_size=1, max_size=3)))
            return f"{draw(numbers(depth))} {draw(st.sampled_from(['in', 'not in']))} [{values}]"
        case 3:
            return f"job {draw(st.sampled_from(['in', 'not in']))} ['x', 'zz']"
        case 4:
            return f"mixed {draw(EQUAL)} {draw(st.sampled_from(['1', repr('x'), 'true', 'any', 'job', 'a']))}"
        case 5:
            return f"{draw(st.sampled_from(sorted(TYPES)))} is {draw(st.sampled_from(['', 'not ']))}null"
        case 6:
            return f"startswith({draw(texts())}, {draw(texts())})"
        case 7:
            return draw(st.sampled_from(["flag", "any", "is_weekday(at)", "flag == true", "flag != any", "true"]))
        case 8:
            return f"any {sign} other"
        case 9:
            return f"{draw(st.sampled_from(['any', 'mixed']))} {draw(st.sampled_from(['in', 'not in']))} ['x', 1]"
        case 10:
            return f"{draw(numbers(depth))} {sign} {draw(numbers(depth))} {draw(SIGN)} {draw(numbers(depth))}"
        case _:
            return f"{draw(numbers(depth))} {sign} {draw(numbers(depth))}"


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth <= 0 or draw(st.booleans()):
        return draw(comparisons(depth))
    if draw(st.integers(0, 3)) == 0:
        return f"not ({draw(conditions(depth - 1))})"
    word = draw(st.sampled_from([" and ", " or "]))
    return "(" + word.join(draw(st.lists(conditions(depth - 1), min_size=2, max_size=3))) + ")"


def cells(name: str) -> st.SearchStrategy[Any]:
    """Mostly of the declared kind."""
    own = CELLS[TYPES[name].kind.value]
    values = TYPES[name].values
    if values is not None:
        own = st.sampled_from(values)
    return st.one_of(own, own, own, NOTHING, WRONG)


ROWS = st.fixed_dictionaries({name: cells(name) for name in TYPES})
