"""A table's columns as counts that add up: one pass, bounded memory, parts counted apart merge.

A row is a mapping; a name it does not have is missing, None is null. In a lexical table (CSV) every value is text, and
what a column holds is read out of the texts; in any other, values have the types that a JSON body gives them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..rows import MISSING, Value
from .numbers import Number, Numbers
from .tally import Tally
from .texts import NO_DAY, NOTHING, TRUTHS, Look, Seen, look_at

DISTINCT_TEXTS: Final = 1000
_MOST_COLUMNS: Final = 4096
_EXAMPLES: Final = 3
MOST_STRAYS: Final = 10
_LONGEST_STRAY: Final = 40
_A_QUANTITY: Final = re.compile(r"[\s<>~≈+-]*[.,]?\d")  # ` 7`, `5 kg`, `<5`: a number of a kind, no word beside one


@dataclass(slots=True)
class Texts:
    """The texts of a column."""

    tally: Tally = field(default_factory=lambda: Tally(DISTINCT_TEXTS))
    looks: Counter[Look] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)  # formats of dates
    years: Counter[int] = field(default_factory=Counter)  # of dates, the days that systems invent left out
    nothing: Counter[str] = field(default_factory=Counter)  # words for nothing
    examples: dict[str, None] = field(default_factory=dict)  # plain words, for a comment about mixed types
    strays: Counter[str] | None = field(default_factory=Counter)  # words that may stray among numbers; None: many
    shortest: int | None = None
    longest: int = 0
    letters: int = 0  # characters of all texts together
    with_spaces: int = 0
    digits: int = 0  # texts of digits alone
    no_days: Counter[str] = field(default_factory=Counter)  # days that systems invent: 1970-01-01

    def add(self, text: str, count: int) -> Seen:
        """One text, seen `count` times."""
        seen = look_at(text)
        self.looks[seen.look] += count
        if seen.form:
            self.forms[seen.form] += count
            if text[:10] in NO_DAY:
                self.no_days[text] += count
            else:
                self.years[seen.year] += count
        if seen.look is Look.NOTHING:
            self.nothing[text] += count
        elif seen.look is Look.WORDS and len(self.examples) < _EXAMPLES:
            self.examples[text] = None
        if self.strays is not None and seen.look in (Look.WORDS, Look.TRUTH):
            self._stray(Counter({text: count}))
        length = len(text)
        self.shortest = length if self.shortest is None else min(self.shortest, length)
        self.longest = max(self.longest, length)
        self.letters += length * count
        self.with_spaces += count * (" " in text)
        self.digits += count * (text.isascii() and text.isdigit())
        return seen

    def _stray(self, words: Counter[str]) -> None:
        """Words that are few, short and no quantities could stand for a number that is not there."""
        assert self.strays is not None
        self.strays.update(words)
        usual = all(
            word.isprintable() and len(word) <= _LONGEST_STRAY and not _A_QUANTITY.match(word) for word in words
        )
        if not usual or len(self.strays) > MOST_STRAYS:
            self.strays = None

    def merge(self, other: Texts) -> None:
        """Add another part's texts."""
        self.tally.merge(other.tally)
        for name in ("looks", "forms", "years", "nothing", "no_days"):
            getattr(self, name).update(getattr(other, name))
        if other.strays is None:
            self.strays = None
        elif self.strays is not None:
            self._stray(other.strays)
        self.examples = dict.fromkeys([*self.examples, *other.examples][:_EXAMPLES])
        lengths = [each for each in (self.shortest, other.shortest) if each is not None]
        self.shortest = min(lengths) if lengths else None
        self.longest = max(self.longest, other.longest)
        self.letters += other.letters
        self.with_spaces += other.with_spaces
        self.digits += other.digits


@dataclass(slots=True)
class Column:
    """One column. `lists` counts lists of numbers by their length; `other` everything that no check speaks of."""

    name: str
    lexical: bool
    present: int = 0
    nulls: int = 0
    truths: Counter[bool] = field(default_factory=Counter)
    numbers: Numbers = field(default_factory=Numbers)
    texts: Texts = field(default_factory=Texts)
    lists: Counter[int] = field(default_factory=Counter)
    fractional_lists: int = 0
    bad_lists: int = 0  # lists with something else than finite numbers in them
    other: Counter[str] = field(default_factory=Counter)

    def add(self, values: Sequence[Value]) -> None:
        """Values of rows that have this column."""
        self.present += len(values)
        texts: list[str] = []
        numbers: list[Number] = []
        for value in values:
            kind = value.__class__
            if kind is str:
                texts.append(value)
            elif value is None:
                self.nulls += 1
            elif kind is bool:
                self.truths[value] += 1
            elif kind is int or kind is float:
                numbers.append(value)
            elif kind is list:
                self._add_list(value)
            else:
                self.other[kind.__name__] += 1
        if numbers:
            self.numbers.add(_counted(numbers))
        if texts:
            self._add_texts(Counter(texts))

    def _add_texts(self, counts: Counter[str]) -> None:
        if self.lexical:
            self.nulls += counts.pop("", 0)
        found: dict[Number, int] = {}
        for text, count in counts.items():
            seen = self.texts.add(text, count)
            if self.lexical and (seen.number is not None or seen.look is Look.CARD):
                number = seen.number if seen.number is not None else number_in(text)
                if number is not None:
                    found[number] = found.get(number, 0) + count
        self.texts.tally.add(counts)
        if found:
            self.numbers.add(found)

    def _add_list(self, value: list[Value]) -> None:
        classes = set(map(type, value))
        if not classes <= {int, float} or any(item != item or item in (_INFINITY, -_INFINITY) for item in value):
            self.bad_lists += 1
            return
        self.lists[len(value)] += 1
        self.fractional_lists += float in classes

    def merge(self, other: Column) -> None:
        """Add another part of the same column."""
        self.present += other.present
        self.nulls += other.nulls
        self.truths.update(other.truths)
        self.numbers.merge(other.numbers)
        self.texts.merge(other.texts)
        self.lists.update(other.lists)
        self.fractional_lists += other.fractional_lists
        self.bad_lists += other.bad_lists
        self.other.update(other.other)


_INFINITY: Final = float("inf")


def _counted(numbers: Sequence[Number]) -> dict[Number, int]:
    """Counts; a NaN is not equal to itself, so all of them are counted as one."""
    counts: dict[Number, int] = dict(Counter(number for number in numbers if number == number))
    nan = sum(number != number for number in numbers)
    return {**counts, float("nan"): nan} if nan else counts


def number_in(text: str) -> Number | None:
    """The number a text of a lexical column stands for."""
    seen = look_at(text)
    return int(text) if seen.look is Look.CARD and text.isdigit() else seen.number


class Profile:
    """A table: how many rows, and each column in order of first appearance."""

    def __init__(self, *, lexical: bool = False) -> None:
        self.lexical = lexical
        self.rows = 0
        self.columns: dict[str, Column] = {}

    def add(self, rows: Sequence[Mapping[str, Value]]) -> None:
        """Some rows. ValueError for a table that is wider than any model's input."""
        self.rows += len(rows)
        names = dict.fromkeys(name for row in rows for name in row)
        for name in names:
            column = self.columns.get(name)
            if column is None:
                if len(self.columns) >= _MOST_COLUMNS:
                    raise ValueError(
                        f"there are more than {_MOST_COLUMNS} columns; are the rows maps of values by key?"
                    )
                column = self.columns[name] = Column(name, self.lexical)
            column.add([value for row in rows if (value := row.get(name, MISSING)) is not MISSING])

    def merge(self, other: Profile) -> None:
        """Add a part that was counted apart."""
        self.rows += other.rows
        for name, column in other.columns.items():
            mine = self.columns.setdefault(name, Column(name, column.lexical))
            mine.merge(column)


def read_cell(text: str, type_: str) -> Value:
    """What a body holds where a CSV file has this text, in a column inferred to be of this type."""
    if text == "":
        return None
    if type_ in ("int", "float"):
        number = number_in(text)
        return text if number is None else number
    if type_ == "bool" and text in TRUTHS:
        return TRUTHS[text]
    return text


def table_of(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], *, lexical: bool) -> dict[str, list[Value]]:
    """Rows by column, as a body would hold them: for judging the data itself by what was inferred from it."""
    columns: dict[str, list[Value]] = {}
    for name, type_ in types.items():
        column = [row.get(name, MISSING) for row in rows]
        columns[name] = (
            [read_cell(cell, type_) if type(cell) is str else cell for cell in column] if lexical else column
        )
    return columns


def missing_words(column: Column, *, among_numbers: bool) -> dict[str, int]:
    """The words for nothing in a column, with their counts."""
    found = column.texts.nothing
    return {word: count for word, count in sorted(found.items()) if among_numbers or word in NOTHING}
