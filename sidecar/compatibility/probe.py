"""Values tried in both contracts: what single keys hide when they change together is found by an example.

Each feature is asked about the values that either policy speaks of, and their neighbours. A value that was answered
and is refused now is a break, whatever the keys one by one say; the example is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from ..contract.cell import Cell
from ..contract.kinds import Kind, Scalar
from ..contract.literals import number, read_sentinel
from ..contract.sections import Feature, ReplaceWith
from ..rows import MISSING, Value
from ..yamldoc import Plain
from . import change
from .change import Caller, Change
from .effects import met
from .sides import Side, renames

_ORDINARY: Final[tuple[Value, ...]] = (
    MISSING,
    None,
    0,
    1,
    -1,
    0.5,
    1e9,
    -1e9,
    math.nan,
    math.inf,
    True,
    "",
    "a",
    [],
    {},
)


def probe(old: Side, new: Side, found: Sequence[Change]) -> Iterator[Change]:
    """A change for each feature that refuses what it did not, where none of the changes found says so."""
    suspected = {each.feature for each in found if each.verdicts.caller is not Caller.SAFE}
    renamed = renames(old.contract, new.contract)
    for name, feature in new.contract.features.items():
        before = renamed.get(name, name)
        if before not in old.contract.features or name in suspected:
            continue
        values = _values(old.contract.features[before], feature)
        example = _refused(old.cells.get(before), new.cells.get(name), values)
        if example:
            why = f"Together the changes of its keys refuse what was answered, for example {example}."
            yield Change(
                path=f"contract.features.{name}",
                old="",
                new="",
                verdicts=change.BREAKING,
                why=why,
                owner=next((each.owner for each in found if each.feature == name), ""),
                feature=name,
            )


def _refused(old: Cell | None, new: Cell | None, values: Sequence[Value]) -> str:
    for value in values:
        if met(new, value).effect.refuses and not met(old, value).effect.refuses:
            return "no value" if value is MISSING else "null" if value is None else repr(value)
    return ""


def _values(old: Feature, new: Feature) -> list[Value]:
    values: list[Value] = list(_ORDINARY)
    for keys in (old, new):
        replaced = keys.on_violation.replace if isinstance(keys.on_violation, ReplaceWith) else None
        single = [keys.min, keys.max, keys.exclusive_min, keys.exclusive_max, keys.default, replaced]
        listed = [*(keys.values or ()), *(keys.not_values or ()), *keys.missing_values]
        for plain in [each for each in (*single, *listed) if each is not None]:
            values += _near(plain)
    return values + [[value] for value in values if value is not MISSING]


def _near(plain: Plain) -> list[Value]:
    if plain.items is not None:
        return [[value for item in plain.items for value in _near(item)[:1]]]
    try:
        exact = number(plain)
    except ValueError:
        return [read_sentinel(plain, Kind(Scalar.JSON)), plain.text]
    steps = [exact, exact - 1, exact + 1, plain.text]
    if abs(exact) < 1e308:
        near = float(exact)
        steps += [near, math.nextafter(near, -math.inf), math.nextafter(near, math.inf)]
    return steps
