"""The one expression language: typed against what is declared, cheap, three-valued, and never code.

In: text, and an environment that knows names and their types. Out: an `Expression`, which answers True, False or None
(undecided) for a row, or for columns: the same answers. Never: an exception but ExpressionError (with the place), text
of anybody becoming source, more work than the text is long.

    compile_expression("loan <= 10 * income and job in ['employed', 'other']", Declared({...})).row({"loan": 9, …})

Or: `and` `or` `not`, == != < <= > >= (also chained), `in [..]`, `not in [..]`, `is null`, `is not null`, + - * / %,
brackets, text in quotes, numbers, true, false, names (`a.b`; others in backticks), and the functions of `FUNCTIONS`.
Arithmetic is that of doubles; comparisons are exact. Timestamps compare with RFC 3339 text.
"""

from __future__ import annotations

from .expression import Expression, compile_expression, implication
from .fault import ExpressionError, UnknownNameError
from .functions import FUNCTIONS
from .rowcode import RowFunction
from .types import (
    ANY,
    BYTES,
    LIST,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    TRUTH,
    Declared,
    Environment,
    Kind,
    Type,
    category,
)

__all__ = [
    "ANY",
    "BYTES",
    "FUNCTIONS",
    "LIST",
    "NUMBER",
    "TEXT",
    "TEXTS",
    "TIME",
    "TRUTH",
    "Declared",
    "Environment",
    "Expression",
    "ExpressionError",
    "Kind",
    "RowFunction",
    "Type",
    "UnknownNameError",
    "category",
    "compile_expression",
    "implication",
]
