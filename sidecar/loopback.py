"""Whether a request that reached a local port was meant for it.

A name that was re-bound to 127.0.0.1 brings the page of another site to this port; it cannot choose its Host header.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_local(host: str) -> bool:
    """Whether a Host header names this machine by itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
