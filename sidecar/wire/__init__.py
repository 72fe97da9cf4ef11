"""Bytes ⇄ rows: one file per protocol, sans-IO.

In: a path, or a whole body. Out: a `Route`, `Rows`, byte spans to edit, or a protocol's own error shape.
Never: a socket, a clock, a log line; a re-serialised body (edits are spans, P1); a guess between two readings.

A member is a frozen dataclass whose fields are its YAML keys under `model:`; `bind` makes it a `Codec` for one policy.
"""

from __future__ import annotations

from .base import Acceptor, Codec, ReplyAcceptor, Route, RouteKind, Wire

__all__ = ["Acceptor", "Codec", "ReplyAcceptor", "Route", "RouteKind", "Wire"]
