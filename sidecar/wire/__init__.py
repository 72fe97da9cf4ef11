"""Bytes ⇄ rows: one file per protocol, sans-IO.

In: a path, or a whole body. Out: a `Route`, `Rows`, byte spans to edit, or a protocol's own error shape.
Never: a socket, a clock, a log line; a re-serialised body (edits are spans, P1); a guess between two readings.

A member is a frozen dataclass whose fields are its YAML keys under `model:`; `bind` makes it a `Codec` for one policy.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..families import members
from .base import Acceptor, Codec, HeaderLookup, ReplyAcceptor, Route, RouteKind, Sieve, Wire

__all__ = [
    "Acceptor",
    "Codec",
    "HeaderLookup",
    "ReplyAcceptor",
    "Route",
    "RouteKind",
    "Sieve",
    "Wire",
    "model_in_body",
    "protocols",
    "recognise",
]

_RANK = {RouteKind.INFERENCE: 0, RouteKind.MANAGEMENT: 1}


def protocols() -> dict[str, Any]:
    """kind → member class, in alphabetical order."""
    return dict(members(__name__))


@lru_cache(maxsize=2048)
def recognise(method: str, path: str) -> Route | None:
    """What a request line (raw path, no query) asks for, by any protocol; None = nobody's.

    Where several protocols know a path: inference before management before the rest, then by kind alphabetically.
    Every spelling of a model (version, trailing slash, percent-encoded letters, another protocol) gives one name.
    """
    routes = [route for member in members(__name__).values() if (route := member.route(method, path)) is not None]
    return min(routes, key=lambda route: _RANK.get(route.kind, 2), default=None)


def model_in_body(protocol: str, body: bytes) -> str:
    """The model that a body names under a route that says `named_in_body`; "" = none. WireError: it cannot be told."""
    return str(members(__name__)[protocol].model_in(body))
