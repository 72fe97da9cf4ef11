"""Where a model server listens: `http://host:port`, `https://host:port`, or `unix:/path/to.sock`."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import RuntimeSetupError


@dataclass(frozen=True, slots=True)
class Address:
    """One upstream. `path` is set for a UNIX socket, `host` and `port` otherwise. `tls` verifies the server's name."""

    url: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False

    def ssl_context(self) -> ssl.SSLContext | None:
        """A verifying context for TLS upstreams (the system's roots, or SSL_CERT_FILE), else None."""
        return ssl.create_default_context() if self.tls else None


def parse_address(url: str) -> Address:
    """An `Address`; RuntimeSetupError says what is wrong and what is right."""
    hint = "write http://host:port, https://host:port or unix:/path/to.sock"
    for prefix in ("unix://", "unix:"):
        if url.startswith(prefix):
            path = url[len(prefix) :]
            if not path.startswith("/"):
                raise RuntimeSetupError(f"upstream {url!r}: a UNIX socket needs an absolute path; {hint}")
            return Address(url=url, path=path)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RuntimeSetupError("upstream: the host in brackets is no IPv6 address; write http://[::1]:8080") from None
    if "@" in parts.netloc:
        shown = url.replace(parts.netloc, "…@" + parts.netloc.rpartition("@")[2])
        raise RuntimeSetupError(f"upstream {shown!r}: credentials do not belong in the address")
    if parts.scheme not in ("http", "https"):
        raise RuntimeSetupError(f"upstream {url!r}: unknown scheme {parts.scheme!r}; {hint}")
    if not parts.hostname:
        raise RuntimeSetupError(f"upstream {url!r}: no host; {hint}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise RuntimeSetupError(f"upstream {url!r}: paths are the caller's, byte for byte; {hint}")
    try:
        port = parts.port
    except ValueError:
        raise RuntimeSetupError(f"upstream {url!r}: the port is not a number from 1 to 65535; {hint}") from None
    tls = parts.scheme == "https"
    return Address(url=url, host=parts.hostname, port=port or (443 if tls else 80), tls=tls)
