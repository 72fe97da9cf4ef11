"""Addresses we listen on: `host:port`, `[v6]:port`, `:port`, `unix:/path`; bound here, served by workers."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import RuntimeSetupError

BACKLOG: Final = 2048
_UNIX_MODE: Final = 0o660
_UNIX_PATH_MAX: Final = 107  # sun_path holds 108 bytes with the closing NUL


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """One address. `path` is set for a UNIX socket, `host` (an IP literal) and `port` (0 = any free) otherwise."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return bool(self.path) or ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> ListenAddress:
    """A `ListenAddress`; ValueError with a sentence for whoever wrote `text`."""
    hint = "write 0.0.0.0:8600, [::]:8600, :8600 or unix:/path/to.sock"
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if path.startswith("//"):
            path = path[2:]
        if not path.startswith("/"):
            raise ValueError(f"a UNIX socket needs an absolute path; {hint}")
        if len(os.fsencode(path)) > _UNIX_PATH_MAX:
            raise ValueError(f"a UNIX socket's path has at most {_UNIX_PATH_MAX} bytes; choose a shorter one")
        return ListenAddress(path=path)
    host, colon, port_text = text.rpartition(":")
    if not colon:
        raise ValueError(f"no port; {hint}")
    if not (port_text.isascii() and port_text.isdigit() and int(port_text) <= 65535):
        raise ValueError(f"{port_text!r} is not a port from 0 to 65535; {hint}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"an IPv6 address needs brackets; {hint}")
    if not host:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - the caller asked for all addresses
    if host == "localhost":
        host = "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"{host!r} is not an IP address of this machine; {hint}") from None
    return ListenAddress(host=host, port=int(port_text))


def bind(address: ListenAddress, *, flag: str) -> socket.socket:
    """A bound, not yet listening, non-blocking socket; RuntimeSetupError names `flag` and what to do."""
    listener = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        if address.path:
            _clear_stale(address.path, flag)
            listener.bind(address.path)
            Path(address.path).chmod(_UNIX_MODE)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ":" in address.host:
                dual = int(ipaddress.ip_address(address.host) != ipaddress.IPv6Address("::"))
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, dual)
            listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise RuntimeSetupError(f"{flag} {address}: {_explain(error)}") from None
    except RuntimeSetupError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def listen(listener: socket.socket, address: ListenAddress, *, flag: str) -> None:
    """Start to accept; RuntimeSetupError when somebody else took the port since `bind`."""
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        raise RuntimeSetupError(f"{flag} {address}: {_explain(error)}") from None


def actual(listener: socket.socket, address: ListenAddress) -> ListenAddress:
    """The address with the port the system chose."""
    if address.path:
        return address
    return ListenAddress(host=address.host, port=listener.getsockname()[1])


def release(listener: socket.socket, address: ListenAddress) -> None:
    """Close, and take a UNIX socket's file away."""
    listener.close()
    if address.path:
        with contextlib.suppress(OSError):
            Path(address.path).unlink()


def _family(address: ListenAddress) -> socket.AddressFamily:
    if address.path:
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


def _clear_stale(path: str, flag: str) -> None:
    """Remove the socket file of a process that is gone; never anything else, never one that answers."""
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise RuntimeSetupError(
            f"{flag} unix:{path}: a file is there that is no socket; remove it or choose another path"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        if probe.connect_ex(path) != errno.ECONNREFUSED:
            raise RuntimeSetupError(
                f"{flag} unix:{path}: another process listens there; stop it or choose another path"
            )
    Path(path).unlink()


def _explain(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use by another process; stop it or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address; 0.0.0.0 means every address it has"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "not permitted; ports below 1024 need a privilege, a socket file needs a writable folder"
    return f"cannot be bound: {error.strerror or error}"
