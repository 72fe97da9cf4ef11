"""What came back, as a value: nothing, a refusal, or predictions by row; and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..errors import WireError
from ..guard import Guard
from ..predictions.decode import answer_rows
from .cases import Row


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `status` 0: there was none, and `fault` says why."""

    status: int
    body: bytes = b""
    coding: str = ""
    fault: str = ""

    @property
    def answered(self) -> bool:
        """Whether the model gave predictions."""
        return 200 <= self.status < 300


def said(reply: Reply) -> str:
    """What a refusal says of itself, in one short line; "" where it says nothing."""
    text = " ".join(reply.body[: _MOST_SAID * 4].decode(errors="replace").split())
    if text in ("", "{}"):
        return ""
    return f": {text if len(text) <= _MOST_SAID else text[: _MOST_SAID - 1] + '…'}"


_MOST_SAID: Final = 160
# The body made for some rows → what the model server said to it.
Ask: TypeAlias = Callable[[bytes, Sequence[Row]], Reply]


@dataclass(frozen=True, slots=True)
class Read:
    """An answer read. `broken` lists codes; `unreadable` says why there are no predictions."""

    predictions: Sequence[Mapping[str, Any]] = ()
    broken: tuple[str, ...] = ()
    unreadable: str = ""


def read(guard: Guard, reply: Reply, sent_rows: int, now_seconds: float) -> Read:
    """Predictions by row and the codes that the output contract says."""
    judged = guard.judge_reply(reply.body, reply.coding, "", now_seconds, sent_rows=sent_rows)
    if judged.fault is not None:
        return Read(unreadable=str(judged.fault))
    if judged.guard_error:
        return Read(unreadable=f"the guard failed: {judged.guard_error}")
    try:
        predictions = answer_rows(guard, reply.body, b"")
    except WireError as fault:
        return Read(unreadable=str(fault))
    codes = list(judged.verdict.codes)
    if not codes and len(predictions) != sent_rows:
        codes.append("prediction.rows")
    if not codes and any(_non_finite(value) for row in predictions for value in row.values()):
        codes.append("prediction.finite")
    return Read(predictions, tuple(codes))


def _non_finite(value: Any) -> bool:
    """Also in the spelling of the record, where JSON has none."""
    if isinstance(value, dict):
        return "float" in value and len(value) == 1
    if isinstance(value, list):
        return any(map(_non_finite, value))
    return isinstance(value, float) and not math.isfinite(value)


def same(one: Any, other: Any, tolerance: float) -> bool:
    """Equal, numbers within a relative tolerance."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name], tolerance) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    return bool(one == other)
