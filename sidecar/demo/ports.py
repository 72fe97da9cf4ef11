"""Ports for the demo's servers: the ones in the README where they are free, others where not."""

from __future__ import annotations

import socket
from collections.abc import Collection

HOST = "127.0.0.1"


def pick(preferred: int, taken: Collection[int] = ()) -> int:
    """`preferred` if it is free on loopback, else (or for 0) any free port that is not in `taken`."""
    if preferred and preferred not in taken and _is_free(preferred):
        return preferred
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a listener
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    with socket.socket() as caller:  # a listener on 0.0.0.0 that shares its port would still be heard
        caller.settimeout(0.2)
        return caller.connect_ex((HOST, port)) != 0
