"""The one key that workers and replicas share: a mounted file, or made once in the data folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from ..errors import RuntimeSetupError

KEY_BYTES: Final = 32
_LARGEST_BYTES: Final = 4096
SECRET_NAME: Final = "secret"  # noqa: S105 - a file's name


def ensure_secret(data: Path, secret_file: str) -> Path:
    """The path of the key: `secret_file` if given, else DATA/secret, created 0600 once. RuntimeSetupError: unusable."""
    if secret_file:
        path = Path(secret_file)
        _check(path, "--secret-file")
        return path
    path = data / SECRET_NAME
    if not path.exists():
        _create(path)
    _check(path, "the key")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RuntimeSetupError(f"{path}: readable by others; run: chmod 600 {path}")
    return path


def read_secret(path: Path) -> bytes:
    """The key's bytes, without a trailing newline."""
    return path.read_bytes().rstrip(b"\r\n")


def read_token(path: str, flag: str) -> str:
    """The token in a file; "" where no file is named. RuntimeSetupError for a file that holds none: it would lock
    nobody out."""
    if not path:
        return ""
    try:
        return token_in(path)
    except OSError as error:
        raise RuntimeSetupError(f"{flag} {path}: {error.strerror}") from None
    except ValueError as error:
        raise RuntimeSetupError(f"{flag} {path}: {error}") from None


def token_in(path: str) -> str:
    """The token in a file, which a caller can send in a header as it is. ValueError otherwise."""
    token = Path(path).read_bytes()[:_LARGEST_BYTES].strip()
    if not token:
        raise ValueError(f"holds no token; write one: openssl rand -hex 32 > {path}")
    if not all(0x21 <= byte <= 0x7E for byte in token):
        raise ValueError("is no token: one word of printable ASCII, nothing else, is what a header can carry")
    return token.decode("ascii")


def _create(path: Path) -> None:
    """Write beside, then link: a reader sees a whole key or none, and an existing one is never replaced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
        os.fsync(fd)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        os.close(fd)
        temporary.unlink()


def _check(path: Path, what: str) -> None:
    try:
        size = path.stat().st_size
        key = read_secret(path) if size <= _LARGEST_BYTES else b""
    except OSError as error:
        raise RuntimeSetupError(
            f"{what} {path}: cannot be read ({error.strerror}); check the path and its owner"
        ) from None
    if size > _LARGEST_BYTES:
        raise RuntimeSetupError(f"{what} {path}: {size} bytes is no key; make one with: openssl rand -hex 32 > {path}")
    if len(key) < KEY_BYTES:
        raise RuntimeSetupError(
            f"{what} {path}: {len(key)} bytes; a key has at least {KEY_BYTES}; "
            f"make one with: openssl rand -hex 32 > {path}"
        )
