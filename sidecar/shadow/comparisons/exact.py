"""Labels, flags, texts, and anything else that is either the same or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...rows import Value
from .base import EQUAL, Compared, Difference, is_number, worst


@dataclass(frozen=True, slots=True)
class Exact:
    """A label, or any JSON value: the same or not; 1 and 1.0 are the same, 1 and true and "1" are not."""

    kind: ClassVar[str] = "exact"

    def compare(self, primary: Value, candidate: Value) -> Compared:
        return _compare(primary, candidate, "")


def _compare(primary: Any, candidate: Any, path: str) -> Compared:
    if is_number(primary) and is_number(candidate):
        same = primary == candidate or (primary != primary and candidate != candidate)  # NaN twice is the same answer
        return EQUAL if same else worst(Difference.VALUE, path)
    if isinstance(primary, list | tuple) and isinstance(candidate, list | tuple):
        if len(primary) != len(candidate):
            return worst(Difference.SHAPE, path)
        for index, (left, right) in enumerate(zip(primary, candidate, strict=True)):
            found = _compare(left, right, f"{path}/{index}")
            if not found.agrees:
                return found
        return EQUAL
    if isinstance(primary, dict) and isinstance(candidate, dict):
        for name in (*primary, *(name for name in candidate if name not in primary)):
            inner = f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}"
            if name not in candidate:
                return worst(Difference.MISSING, inner)
            if name not in primary:
                return worst(Difference.EXTRA, inner)
            found = _compare(primary[name], candidate[name], inner)
            if not found.agrees:
                return found
        return EQUAL
    if type(primary) is not type(candidate):
        return worst(Difference.TYPE, path)
    return EQUAL if primary == candidate else worst(Difference.VALUE, path)


MEMBER = Exact
