"""What OpenTelemetry's HTTP semantic conventions (1.44, stable part) say about one record: pure functions.

The same answers go into spans and into metrics, so that a metric's `error_type` is the span's `error.type`.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from ..errors import UpstreamFault
from ..exchange import Exchange, Shadow
from .metrics import PROBLEM_KINDS

OTHER_METHOD: Final = "_OTHER"
OTHER_ERROR: Final = "_OTHER"
REDACTED: Final = "REDACTED"
# RFC 9110, PATCH (RFC 5789) and QUERY: the conventions' known methods.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
# Query values that sign a request, which the conventions redact by default; and those that are a credential by
# themselves. Compared without case: a caller may vary it.
SIGNING_KEYS: Final = frozenset(
    key.lower()
    for key in (
        "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId", "Signature", "sig",
        "X-Goog-Signature", "api_key", "apikey", "api-key", "access_token", "token", "password", "secret",
    )
)  # fmt: skip
_FAULTS: Final = frozenset(fault.value for fault in UpstreamFault)
_ERRORS: Final = _FAULTS | set(PROBLEM_KINDS)
_STATUSES: Final = frozenset(HTTPStatus)


def known_method(method: str) -> str:
    """The method where it is known, `_OTHER` else."""
    return method if method in METHODS else OTHER_METHOD


def status_text(status: int) -> str:
    """A registered status as text; "" for none; one of nobody's by its class (`5xx`), so that the set stays closed."""
    if status in _STATUSES:
        return str(int(status))
    return f"{status // 100}xx" if 100 <= status < 1000 else ""


def server_error(record: Exchange) -> str:
    """`error.type` of the SERVER span, "" where it is no error: 4xx is the caller's, and so is going away."""
    if record.status < 500:
        return ""
    return record.error if record.error in _ERRORS else status_text(record.status)


def client_error(record: Exchange) -> str:
    """`error.type` of the CLIENT span: what went wrong on the leg, or the status from 400 on."""
    if record.error in _FAULTS:
        return record.error
    return status_text(record.upstream_status) if record.upstream_status >= 400 else ""


def shadow_error(record: Shadow) -> str:
    """`error.type` of a copy's span."""
    if record.error:
        return record.error if record.error in _FAULTS else OTHER_ERROR
    return status_text(record.status) if record.status >= 400 else ""


def was_sent(record: Exchange) -> bool:
    """Whether there was a call upstream: also one that never found a connection."""
    if record.sent_ns or record.upstream_ns or record.upstream_status:
        return True
    return record.error in (UpstreamFault.CONNECT, UpstreamFault.CONNECT_TIMEOUT)


@lru_cache(maxsize=256)
def server_of(upstream: str) -> tuple[str, int]:
    """`server.address` and `server.port` of a model server's address; the port is 0 for a UNIX socket."""
    if upstream.startswith("unix:"):
        return "/" + upstream.removeprefix("unix:").lstrip("/"), 0
    parts = urlsplit(upstream)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def path_and_query(target: str) -> tuple[str, str]:
    """Path and redacted query of a request target, in whatever form it was sent; without host, user or password."""
    if not target.startswith("/"):
        _, _, rest = target.partition("://")
        slash = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        target = rest[slash:]
    path, _, query = target.partition("?")
    return path or "/", redacted(query)


def redacted(query: str) -> str:
    """The query with the values of signing keys taken out; keys and order stay."""
    if not query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(
        f"{name}={REDACTED}" if sign and unquote_plus(name).lower() in SIGNING_KEYS else f"{name}{sign}{value}"
        for name, sign, value in pairs
    )


def full_url(upstream: str, target: str) -> str:
    """`url.full` of the CLIENT span."""
    path, query = path_and_query(target)
    origin = "http://localhost" if upstream.startswith("unix:") else upstream.rstrip("/")
    return f"{origin}{path}?{query}" if query else f"{origin}{path}"
