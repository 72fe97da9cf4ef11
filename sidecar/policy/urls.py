"""URLs we dial: http, https or a UNIX socket; which of their hosts a `hosts:` list allows."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from ..yamldoc import Matches

_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(?::[0-9]{1,5})?"

# An origin alone: the caller's path and query are sent on byte for byte, so there is nothing to put in front of them.
Url: TypeAlias = Annotated[
    str,
    Matches(
        rf"https?://{_HOST}{_PORT}/?|unix:(?://)?/[^\s?#]+",
        "an origin like http://127.0.0.1:8080 (or unix:/path/to.sock), without path, query, user or password",
    ),
]
SinkUrl: TypeAlias = Annotated[
    str,
    Matches(rf"https?://{_HOST}{_PORT}(?:/[^\s?#]*)?", "a URL like http://broker/default, without user or password"),
]
Bootstrap: TypeAlias = Annotated[
    str, Matches(rf"{_HOST}{_PORT}(?:, ?{_HOST}{_PORT})*", "one or more addresses like kafka:9092, separated by commas")
]
HostPattern: TypeAlias = Annotated[
    str, Matches(rf"(?:\*\.)?{_HOST}", "a host like 127.0.0.1, kafka or *.prod.svc.cluster.local, without port")
]


def is_socket(url: str) -> bool:
    """Whether it is a UNIX socket of this machine."""
    return url.startswith("unix:")


def host_of(url: str) -> str:
    """The host of a URL or of `host:port`, in lower case, without brackets; "" when it has none."""
    if is_socket(url):
        return ""
    try:
        return (urlsplit(url if "://" in url else f"//{url}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def fault_of(url: str) -> str:
    """What is wrong with an address that has the right form, or nothing."""
    if is_socket(url):
        return ""
    try:
        port = urlsplit(url if "://" in url else f"//{url}").port
    except ValueError:
        return "the port must be at most 65535"
    if port == 0:
        return "port 0 cannot be dialled"
    host = host_of(url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    # Where clouds keep their instances' credentials.
    return "link-local addresses (metadata services) are never dialled" if address.is_link_local else ""


def allowed(host: str, patterns: Sequence[str]) -> bool:
    """Whether a host is on the list; `*.x` stands for every name below x, not for x."""
    for pattern in patterns:
        plain = pattern.lower().strip("[]")
        if host == plain or (plain.startswith("*.") and host.endswith(plain[1:]) and len(host) > len(plain) - 1):
            return True
    return False


def environment_word(host: str) -> str:
    """staging, dev, test … when a label of the host says so."""
    words = {"staging", "stage", "stg", "dev", "develop", "development", "test", "testing", "qa", "uat", "sandbox"}
    for label in host.replace("-", ".").split("."):
        if label in words:
            return label
    return ""
