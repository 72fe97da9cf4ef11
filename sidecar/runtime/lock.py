"""The data-folder lock: one running instance per folder, free again the moment the last of its processes is gone.

The lock is an flock, so the kernel frees it after `kill -9`. Workers inherit it: a new instance cannot write beside
a worker of the old one that has not noticed yet.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ..errors import RuntimeSetupError

LOCK_NAME: Final = "lock"
_WAIT_FOR_DYING_SECONDS: Final = 20.0
_WAIT_FOR_RUNNING_SECONDS: Final = 0.3  # a reader asking `is_held` has it for an instant
_POLL_SECONDS: Final = 0.02


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lock, as written into it: for messages only, never for the decision."""

    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class DataLock:
    """A held lock; `fd` is passed on to the workers."""

    fd: int

    def release(self) -> None:
        """Give the folder back (workers that still run keep it)."""
        os.close(self.fd)


def prepare_folder(data: Path, *, flag: str = "--data") -> None:
    """Make the folder, private to its owner; RuntimeSetupError when that cannot be."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RuntimeSetupError(f"{flag} {data}: is a file, not a folder; choose a folder") from None
    except OSError as error:
        raise RuntimeSetupError(
            f"{flag} {data}: cannot be made ({error.strerror}); choose a folder this user may write to"
        ) from None
    if not os.access(data, os.W_OK | os.X_OK):
        raise RuntimeSetupError(f"{flag} {data}: not writable; choose a folder this user may write to")


def acquire(data: Path, *, clock: Callable[[], float] = time.monotonic) -> DataLock:
    """Take the lock of a folder; RuntimeSetupError names the process that has it.

    Where that process is dead and only its workers are still ending, waits for them a little.
    """
    path = data / LOCK_NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RuntimeSetupError(f"{path}: cannot be opened ({error.strerror}); check the folder's owner") from None
    started = clock()
    while not _try_lock(fd, path):
        holder = read_holder(data)
        patience = _WAIT_FOR_DYING_SECONDS if holder and not _running(holder) else _WAIT_FOR_RUNNING_SECONDS
        if clock() - started >= patience:
            os.close(fd)
            raise RuntimeSetupError(_refusal(data, holder))
        time.sleep(_POLL_SECONDS)
    os.ftruncate(fd, 0)
    os.pwrite(fd, msgspec.json.encode(Holder(pid=os.getpid(), host=socket.gethostname())) + b"\n", 0)
    return DataLock(fd)


def read_holder(data: Path) -> Holder | None:
    """Who took the lock last, running or not."""
    try:
        return msgspec.json.decode((data / LOCK_NAME).read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None


def is_held(data: Path) -> bool:
    """Whether a running instance has the folder."""
    try:
        fd = os.open(data / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def _try_lock(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise RuntimeSetupError(f"{path}: this file system cannot lock ({error.strerror}); use a local disk") from None
    return True


def _running(holder: Holder) -> bool:
    if holder.host != socket.gethostname():
        return True  # another machine or container on a shared volume: its pid means nothing here
    if holder.pid == os.getpid():
        return False  # a restarted container: the same pid as the one before
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _refusal(data: Path, holder: Holder | None) -> str:
    who = f"process {holder.pid} on {holder.host}" if holder is not None else "another process"
    return (
        f"--data {data}: in use by {who}; one folder serves one instance: "
        "stop that one, or give this one a folder of its own"
    )
