"""How each rule of a contract ended for each row: held, broken, or undecided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..contract import Compiled
from ..rows import Rows
from .play import Asked


class JudgedRule(NamedTuple):
    """One rule on one row.

    `held` None: undecided, or not asked because its `when` does not hold; `outcome` says which (held, broken,
    undecided, not asked) and `because` names the features that left it undecided. `applied` is the action of a broken
    rule; `enforced` False: it only observes.
    """

    id: str
    row: int
    held: bool | None
    outcome: str
    when: str
    expect: str
    because: tuple[str, ...] = ()
    applied: str | None = None
    enforced: bool = True


def rule_ids(contract: Compiled) -> tuple[str, ...]:
    """The rules by id, in policy order."""
    return ()


def judged_rules(contract: Compiled, rows: Rows, *, asked: Asked) -> Iterator[JudgedRule]:
    """Every rule on every row."""
    return iter(())
