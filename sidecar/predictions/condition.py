"""Conditions over prediction rows: the policies' expression language, with the record as its names.

    income > 200000 and caller == "mobile" · verdict in ["rejected", "fallback"] · label is not null
    features.status == "a" · prediction.score >= 0.8 · latency_ms.total > 100 · not (age < 18 or age is null)

Names are fields of the record; any other name is a feature (`features.NAME` where both have it; names with other
characters go in backticks). What is missing, null or of another type makes a comparison undecided: neither it nor its
negation holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..expression import (
    ANY,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    Expression,
    Type,
    UnknownNameError,
    category,
    compile_expression,
)
from ..verdict import RANK
from ..yamldoc import nearest
from .row import RECORD_FIELDS
from .values import restored

_VERDICT: Final = category((*RANK, ""))  # "": nothing judged it
_FIELDS: Final[dict[str, Type]] = {
    **dict.fromkeys(
        ("prediction_id", "request_id", "ts", "caller", "protocol", "environment", "replica", "arm", "coin_id",
         "trace_id", "span_id", "unread", "label_ts"), TEXT
    ),
    **dict.fromkeys(("row", "propensity", "weight", "status"), NUMBER),
    "exposed": TRUTH,
    "verdict": _VERDICT,
}  # fmt: skip
_OBJECTS: Final[dict[str, dict[str, Type] | None]] = {
    "model": dict.fromkeys(("name", "version"), TEXT),
    "policy": dict.fromkeys(("name", "version", "digest"), TEXT),
    "latency_ms": dict.fromkeys(("total", "contract", "upstream", "first_byte"), NUMBER),
    "candidate": dict.fromkeys(("verdict", "active"), _VERDICT),
    "features": None, "raw_features": None, "prediction": None, "delivered": None, "shadow": None, "slices": None,
}  # fmt: skip
_NESTED: Final = frozenset({"label", "entity", "perturbation"})  # whatever the policy or the caller made of them
_VIOLATION: Final = ("code", "feature", "applied")


class RecordNames:
    """The names of a prediction record; `paths` gathers where the names asked for are found."""

    def __init__(self) -> None:
        self.paths: dict[str, tuple[str, ...]] = {}

    def find(self, path: tuple[str, ...]) -> tuple[str, Type]:
        head = path[0]
        found = path if head in RECORD_FIELDS else ("features", *path)
        declared = ANY if head not in RECORD_FIELDS else _type_of(path)
        key = repr(found)
        self.paths[key] = found
        return key, declared


def _type_of(path: tuple[str, ...]) -> Type:
    head, written = path[0], ".".join(path)
    if head in _OBJECTS:
        inner = _OBJECTS[head]
        if len(path) == 1:
            raise UnknownNameError(f"`{head}` has parts: say {head}.NAME")
        if inner is None:
            return ANY
        if len(path) > 2 or path[1] not in inner:
            near = nearest(path[1], inner)
            meant = f"; did you mean `{head}.{near}`?" if near else ""
            known = ", ".join(f"{head}.{name}" for name in sorted(inner))
            raise UnknownNameError(f"there is no `{written}`{meant}; there are {known}")
        return inner[path[1]]
    if head == "violations":
        if len(path) > 2 or (len(path) == 2 and path[1] not in _VIOLATION):
            parts = ", ".join(f"violations.{part}" for part in _VIOLATION)
            raise UnknownNameError(f"there is no `{written}`; there are violations (their codes), {parts}")
        return TEXTS
    if len(path) > 1 and head not in _NESTED:
        raise UnknownNameError(f"`{head}` has no parts")
    return _FIELDS.get(head, ANY)


def compile_condition(text: str) -> Condition:
    """A function from the record of a row (`to_record`) to whether the condition holds. ExpressionError otherwise."""
    names = RecordNames()
    expression = compile_expression(text, names)
    return Condition(expression, [names.paths[key] for key in expression.names])


class Condition:
    """A compiled condition. `features` are the names that it takes for features, for every other name is a field."""

    def __init__(self, expression: Expression, paths: list[tuple[str, ...]]) -> None:
        self._answer = expression.answer
        self._paths = paths
        self.features = tuple(path[1] for path in paths if path[0] == "features" and len(path) > 1)

    def __call__(self, record: Mapping[str, Any]) -> bool:
        return self._answer(*[_read(record, path) for path in self._paths]) is True


def _read(record: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    if path[0] == "violations":
        return _codes(record, path[1] if len(path) > 1 else "code")
    value: Any = record
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return restored(value)


def _codes(record: Mapping[str, Any], part: str) -> list[str] | None:
    """Violations stand for their codes, or for another of their parts."""
    return [item.get(part) for item in record.get("violations", ())] or None
