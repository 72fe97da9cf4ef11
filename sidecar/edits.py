"""Edits to a body as byte spans: every byte outside a span stays as it was sent (P1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Replace `body[start:end]` by `data`; `start == end` inserts."""

    start: int
    end: int
    data: bytes


def splice(body: bytes, spans: Sequence[Span]) -> bytes:
    """The body with all spans applied. Spans are in order and do not overlap; ValueError otherwise."""
    parts: list[bytes] = []
    position = 0
    for start, end, data in spans:
        if start < position or end < start or end > len(body):
            raise ValueError(f"span {start}:{end} overlaps or leaves the body of {len(body)} bytes")
        parts.append(body[position:start])
        parts.append(data)
        position = end
    parts.append(body[position:])
    return b"".join(parts)
