"""Rows to ask: each differs from the usual row in what it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from random import Random
from typing import Final, TypeAlias

from ..rows import Value
from .samples import Samples

Row: TypeAlias = Mapping[str, Value]
UNKNOWN: Final = "never_heard_of"


class About(StrEnum):
    """Why a row is asked."""

    USUAL = "usual"
    BOUNDARY = "boundary"
    PAIRWISE = "pairwise"
    MISSING = "missing"
    NULL = "null"
    UNKNOWN = "unknown"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Case:
    """One row, and the features in which it differs from the usual one."""

    about: About
    row: Row
    changed: tuple[str, ...] = ()


def usual_row(samples: Sequence[Samples]) -> dict[str, Value]:
    """Every feature at its usual value."""
    return {each.name: each.usual for each in samples}


def inside(samples: Sequence[Samples], usual: Row) -> Iterator[Case]:
    """Boundary and null rows: one feature is moved within what its checks allow, all others stay."""
    for each in samples:
        for value in each.edges:
            yield Case(About.BOUNDARY, {**usual, each.name: value}, (each.name,))
        if each.nullable:
            yield Case(About.NULL, {**usual, each.name: None}, (each.name,))


def outside(samples: Sequence[Samples], usual: Row) -> Iterator[Case]:
    """Missing, unknown and forbidden values, one at a time. They may bring a server down: ask them last."""
    for each in samples:
        without = {name: value for name, value in usual.items() if name != each.name}
        yield Case(About.MISSING, without, (each.name,))
    yield Case(About.UNKNOWN, {**usual, UNKNOWN: 1}, (UNKNOWN,))
    for each in samples:
        for _, value in each.outside:
            yield Case(About.OUTSIDE, {**usual, each.name: value}, (each.name,))


def pairwise(samples: Sequence[Samples], usual: Row, draw: Random, most: int) -> Iterator[Case]:
    """Rows that together hold every pair of values of every two features, as far as `most` rows go.

    Greedy (Cohen et al., "The AETG system", IEEE TSE 23(7), 1997): each row starts at an uncovered pair and takes, for
    each other feature, the value with most uncovered pairs.
    """
    values = {each.name: list(each.values) for each in samples}
    uncovered: dict[tuple[str, str], set[tuple[int, int]]] = {
        (one, other): {(i, j) for i in range(len(values[one])) for j in range(len(values[other]))}
        for one, other in combinations(values, 2)
    }
    for _ in range(most):
        pair = next((pair for pair, left in uncovered.items() if left), None)
        if pair is None:
            return
        chosen = dict(zip(pair, min(uncovered[pair]), strict=True))
        rest = [name for name in values if name not in chosen]
        draw.shuffle(rest)
        for name in rest:
            chosen[name] = max(range(len(values[name])), key=lambda at: _gain(name, at, chosen, uncovered))
        for key, left in uncovered.items():
            left.discard((chosen[key[0]], chosen[key[1]]))
        row = {name: values[name][at] for name, at in chosen.items()}
        ordered = {name: row[name] for name in usual}
        changed = tuple(name for name in ordered if ordered[name] is not usual[name])
        yield Case(About.PAIRWISE, ordered, changed)


def _gain(
    name: str, at: int, chosen: Mapping[str, int], uncovered: Mapping[tuple[str, str], set[tuple[int, int]]]
) -> int:
    found = 0
    for other, position in chosen.items():
        left = uncovered.get((name, other))
        found += (at, position) in left if left is not None else (position, at) in uncovered[other, name]
    return found
