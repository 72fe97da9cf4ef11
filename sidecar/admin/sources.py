"""What the admin port is told by those who know: plain values, made when asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .queries import PredictionQuery

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """One callable per document. They may raise; the caller then gets a 500 without details, and the log has them."""

    status: Callable[[], Document]
    readyz: Callable[[str | None], tuple[int, Document]]  # of one policy, or of all
    metrics: Callable[[str], tuple[str, bytes]]  # Accept → content type and body
    policies: Callable[[], Document]
    contract: Callable[[], Document]
    shadow: Callable[[], Document]
    predictions: Callable[[PredictionQuery], Awaitable[Document]]
    prediction: Callable[[str], Awaitable[Document | None]]
    reload: Callable[[], str]  # "" = asked, otherwise why it cannot be
