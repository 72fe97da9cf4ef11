"""DATA/running.json: where the running instance answers."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

import msgspec

from ..durable import write_whole
from .listen import parse_listen
from .lock import is_held

RUNNING_NAME: Final = "running.json"


class Running(msgspec.Struct, frozen=True):
    """Addresses as bound ("" = not listening)."""

    pid: int
    started_unix: float
    listen: str
    health: str
    admin: str


def write_running(data: Path, running: Running) -> None:
    """OSError when the disk refuses."""
    write_whole(data / RUNNING_NAME, msgspec.json.encode(running) + b"\n")


def remove_running(data: Path) -> None:
    """At the end."""
    (data / RUNNING_NAME).unlink(missing_ok=True)


def read_running(data: Path) -> Running | None:
    """The instance that serves from this folder now; None after it has ended, even by `kill -9`."""
    if not is_held(data):
        return None
    try:
        return msgspec.json.decode((data / RUNNING_NAME).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None


def url_of(address: str) -> str:
    """How this machine reaches what listens on `address`: every-address becomes loopback."""
    parsed = parse_listen(address)
    host = parsed.host
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{parsed.port}" if ":" in host else f"http://{host}:{parsed.port}"
