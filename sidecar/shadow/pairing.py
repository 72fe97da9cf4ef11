"""Two answers to one request, output by output and unit by unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..errors import WireFault
from ..exchange import ShadowDifference, ShadowScore
from ..rows import MISSING, Rows, Value
from .comparisons import Compared, Difference, compare_values, worst
from .plan import Output

LISTED_DIFFERENCES: Final = 20
_MOST_OUTPUTS: Final = 64
# What a server says about itself and not about the rows
_NOT_OUTPUTS: Final = frozenset({"id", "model_name", "model_version", "model_spec", "parameters"})


class Units(NamedTuple):
    """The sampled units of one exchange. `by_row` is "" for a row that is not sampled; None = all rows are one unit."""

    names: tuple[str, ...]
    by_row: tuple[str, ...] | None = None

    def of_row(self, row: int) -> str:
        if self.by_row is None:
            return self.names[0]
        return self.by_row[row] if row < len(self.by_row) else ""


class Pairing(NamedTuple):
    """What comparing two answers came to; without scores there was nothing in common to compare."""

    scores: tuple[ShadowScore, ...]
    differences: tuple[ShadowDifference, ...]
    differences_total: int
    rows: int


def pair(primary: Rows, candidate: Rows, outputs: Mapping[str, Output], units: Units) -> Pairing:
    """Compare by column and row. `outputs` names what is compared; columns that it does not name are not."""
    if primary.count != candidate.count:
        return _all(worst(Difference.SHAPE), primary, outputs, units)
    tally = _Tally()
    for name, how in outputs.items():
        left, right = primary.columns.get(name), candidate.columns.get(name)
        for row in range(primary.count):
            unit = units.of_row(row) if primary.count > 1 or units.by_row is None else units.names[0]
            if unit:
                found = compare_values(
                    MISSING if left is None else left[row],
                    MISSING if right is None else right[row],
                    how.kind,
                    how.tolerance,
                    how.scale,
                )
                if found is not None:
                    tally.add(unit, name, row, found)
    return tally.pairing(primary.count)


def unreadable(primary: Rows, fault: WireFault, outputs: Mapping[str, Output], units: Units) -> Pairing:
    """The candidate answered something that is not an answer: as far from the primary as can be, not left out."""
    kind = Difference.SHAPE if fault is WireFault.SHAPE else Difference.TYPE
    return _all(worst(kind), primary, outputs, units)


def _all(found: Compared, primary: Rows, outputs: Mapping[str, Output], units: Units) -> Pairing:
    tally = _Tally()
    for name in outputs:
        column = primary.columns.get(name)
        if column is not None and any(value is not MISSING for value in column):
            for unit in units.names:
                tally.add(unit, name, 0, found)
    return tally.pairing(primary.count)


def flatten(document: Any) -> Rows:
    """Any JSON answer as one row: its leaves by path, for policies that name no outputs.

    A leaf is a scalar or a list without objects. What a server says of itself (model_version, id, …) is left out.
    """
    columns: dict[str, Sequence[Value]] = {}
    if isinstance(document, dict):
        document = {name: value for name, value in document.items() if name not in _NOT_OUTPUTS}
    _flatten(document, "", columns)
    return Rows(1, columns, lambda name, row: name)


def _flatten(value: Any, path: str, columns: dict[str, Sequence[Value]]) -> None:
    if len(columns) >= _MOST_OUTPUTS:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            _flatten(inner, f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}", columns)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            _flatten(inner, f"{path}/{index}", columns)
    else:
        columns[path] = (value,)


class _Tally:
    def __init__(self) -> None:
        self._found: defaultdict[tuple[str, str], list[Compared]] = defaultdict(list)
        self._differences: list[ShadowDifference] = []
        self._total = 0

    def add(self, unit: str, output: str, row: int, found: Compared) -> None:
        self._found[unit, output].append(found)
        if not found.agrees:
            self._total += 1
            if len(self._differences) < LISTED_DIFFERENCES:
                self._differences.append(ShadowDifference(output, found.path, row, found.type.value))

    def pairing(self, rows: int) -> Pairing:
        scores = tuple(
            ShadowScore(
                unit,
                output,
                sum(one.score for one in found) / len(found),
                all(one.agrees for one in found),
                max(one.difference for one in found),
                len(found),
            )
            for (unit, output), found in self._found.items()
        )
        return Pairing(scores, tuple(self._differences), self._total, rows)
