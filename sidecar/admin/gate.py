"""Who may ask. With a token: whoever has it. Without one: this machine, and no web page but our own.

A page of another site can send requests to a loopback port, and a name that was re-bound to 127.0.0.1 can even read the
answers; it cannot choose its Host and Origin headers.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from ..loopback import is_local

OPEN: Final = frozenset({"/", "/healthz"})  # the page holds no data; the probe of a container has no token


def refusal(path: str, headers: Mapping[str, str], token: str) -> tuple[int, str] | None:
    """(status, sentence) for a request that must not be answered; None = go on. Header names are lower case."""
    if token:
        if path in OPEN:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return None
        return 401, "a token is needed: Authorization: Bearer ..."
    host = headers.get("host", "")
    if not is_local(host):
        return 421, "without a token this port answers for localhost only; start it with --admin-token-file"
    origin = headers.get("origin")
    if origin is not None and authority_of(origin) != host.lower():
        return 403, "a page of another site may not ask here"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return 403, "a page of another site may not ask here"
    return None


def authority_of(origin: str) -> str:
    """The host and port of an Origin header; "" for what has none (`null`)."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
