"""The smallest difference from a row that works which still fails (Zeller and Hildebrandt, "Simplifying and isolating
failure-inducing input", IEEE TSE 28(2), 2002): features first, then the distance of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..rows import Value
from .cases import Row

STEPS: Final = 24  # halvings of one number


def shrink(failing: Row, working: Row, fails: Callable[[Row], bool]) -> Row:
    """A row that fails and has as much of `working` as can be. `fails` is asked some tens of times."""
    row = dict(failing)
    again = True
    while again:
        again = False
        for name in list(row):
            if name in working and row[name] is working[name]:
                continue
            tried = {**row, name: working[name]} if name in working else _without(row, name)
            if fails(tried):
                row, again = tried, True
    for name in [name for name in working if name not in row]:
        tried = {**row, name: working[name]}
        if fails(tried):
            row = tried
    for name, value in list(row.items()):
        if name in working and value is not working[name]:
            row[name] = _nearer(value, working[name], lambda near, name=name: fails({**row, name: near}))  # type: ignore[misc]
    return row


def _without(row: Row, name: str) -> dict[str, Value]:
    return {each: value for each, value in row.items() if each != name}


def _nearer(value: Value, good: Value, fails: Callable[[Value], bool]) -> Value:
    """The number nearest to the good one that still fails, by halving."""
    if type(value) not in (int, float) or type(good) not in (int, float):
        return value
    whole = type(value) is int
    for _ in range(STEPS):
        middle = (value + good) // 2 if whole else value + (good - value) / 2
        if middle in (value, good):
            break
        if fails(middle):
            value = middle
        else:
            good = middle
    return value
