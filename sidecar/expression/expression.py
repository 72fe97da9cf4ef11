"""A checked expression: what it reads, and its answer for a row or for columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Final

from ..rows import MISSING, Value
from .check import Checker
from .meaning import Const, Meaning, inverse, names_of, some
from .parser import parse
from .rowcode import RowFunction, answer_of, proof_function, row_function
from .types import Environment

# Below this many rows a function per row is faster than making arrays.
COLUMNS_FROM_ROWS: Final = 256


@cache
def _by_columns() -> ModuleType:
    """numpy comes with the first batch that is worth it, never at the start of a process."""
    from . import columns

    return columns


class Expression:
    """One condition, compiled. `names` are the cells it reads, in the order of `answer`'s arguments.

    Answers are True, False or None (undecided): null, missing, NaN, a value of another type, division by zero and
    overflow leave what they touch undecided; `and`, `or` and `not` follow Kleene; `is null` always decides.
    """

    def __init__(self, text: str, meaning: Meaning) -> None:
        self.text = text
        self.meaning = meaning
        self.names: tuple[str, ...] = names_of(meaning)
        self.answer: RowFunction = row_function(meaning)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    @property
    def constant(self) -> bool:
        """Whether no row changes the answer, which is then `answer()`."""
        return isinstance(self.meaning, Const)

    def row(self, values: Mapping[str, Value]) -> bool | None:
        """The answer for one row; a name that is not there is missing."""
        return self.answer(*[values.get(name, MISSING) for name in self.names])

    def columns(self, columns: Mapping[str, Sequence[Value]], count: int) -> list[bool | None]:
        """The answer of each of `count` rows, by numpy where the columns allow it."""
        way = _by_columns()
        try:
            truth = way.answers(self.meaning, columns, count)
        except way.NotColumns:
            return self._row_by_row(columns, count)
        pairs = zip(truth.true.tolist(), truth.false.tolist(), strict=True)
        return [True if true else False if false else None for true, false in pairs]

    def refused(self, columns: Mapping[str, Sequence[Value]], count: int) -> Sequence[int]:
        """The rows for which the answer is False, in order; by whichever way is faster for so many."""
        if count >= COLUMNS_FROM_ROWS:
            way = _by_columns()
            try:
                truth = way.answers(self.meaning, columns, count)
            except way.NotColumns:
                pass
            else:
                found: list[int] = truth.false.nonzero()[0].tolist()
                return found
        return [row for row, answer in enumerate(self._row_by_row(columns, count)) if answer is False]

    def _row_by_row(self, columns: Mapping[str, Sequence[Value]], count: int) -> list[bool | None]:
        if not self.names:
            return [self.answer()] * count
        cells = [columns.get(name) or [MISSING] * count for name in self.names]
        return list(map(self.answer, *cells))

    def proof(self) -> Callable[..., bool]:
        """A function of cells as a fast decoder gives them: True only where the exact answer is not False."""
        return proof_function(self.meaning)


def compile_expression(text: str, environment: Environment) -> Expression:
    """The expression, checked against what its names are declared to be. ExpressionError for what cannot be meant."""
    return Expression(text, Checker(text, environment, answer_of).condition(parse(text)))


def implication(when: Expression, expect: Expression) -> Expression:
    """False where `when` is true and `expect` is false, and nowhere else."""
    return Expression(f"{when.text} → {expect.text}", some((inverse(when.meaning), expect.meaning)))
