"""DATA/setup.json: what the gateway runs with, for those who read its journal, in this container or in another one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from ..durable import write_whole

SETUP_NAME: Final = "setup.json"
STATUS_NAME: Final = "status.json"
RELOAD_NAME: Final = "reload.asked"


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """`journal` as the gateway sees it; `platform` is canonical JSON text of the resolved sidecar.yaml."""

    journal: str = ""
    replica: str = ""
    environment: str = ""
    platform: str = "{}"
    secret_file: str = ""
    workers: int = 1
    scheme: str = "http"  # of the data port


def write_setup(data: Path, setup: Setup) -> None:
    """OSError when the disk refuses."""
    content = msgspec.json.encode(setup) + b"\n"
    path = data / SETUP_NAME
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass
    write_whole(path, content)


def read_setup(data: Path) -> Setup | None:
    """None until a gateway has served from this folder."""
    try:
        return msgspec.json.decode((data / SETUP_NAME).read_bytes(), type=Setup)
    except (OSError, msgspec.DecodeError):
        return None


def write_status(data: Path, readiness: msgspec.Struct) -> None:
    """What /readyz says, once a second. Not synced: it is old after a second anyway. OSError."""
    temporary = data / f".{STATUS_NAME}"
    temporary.touch(mode=0o600)  # whatever the umask is
    temporary.write_bytes(msgspec.json.encode(readiness))
    temporary.replace(data / STATUS_NAME)


def ask_reload(data: Path) -> None:
    """Whoever has the folder asks the supervisor, in whatever container it is, to read its policies again."""
    (data / RELOAD_NAME).touch(mode=0o600)


def reload_asked(data: Path) -> bool:
    """Whether somebody did, once."""
    try:
        (data / RELOAD_NAME).unlink()
    except OSError:
        return False
    return True
