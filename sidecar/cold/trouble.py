"""What is said when an observer fails: a bug with its traceback, what its surroundings refuse in one line and not at
each try, and once that it is well again."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import SidecarError

AGAIN_SECONDS: Final = 300.0  # the same trouble is said again this often, with how often it came up
# What a disk, a mount, a permission or a network says of itself: a traceback into our code would tell nothing more.
KNOWN: Final = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENOENT,
        errno.ENOTDIR, errno.EISDIR, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENETUNREACH, errno.EHOSTUNREACH,
    }
)  # fmt: skip


class Trouble:
    """Of one observer. `clock` gives monotonic seconds."""

    def __init__(
        self,
        observer: str,
        say: Callable[[str, Mapping[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observer = observer
        self._say = say
        self._clock = clock
        self._what = ""  # the trouble said last
        self._said = 0.0
        self._failures = 0  # since it was well
        self._lost = 0  # records, since the last commit

    def failed(self, error: Exception, because: str) -> None:
        """It ended with this; `because` is the error in one line."""
        self._failures += 1
        self._lost = 0  # it reads again from the last commit
        fields: dict[str, Any] = {"observer": self._observer, "error": because, "failures": self._failures}
        if not is_known(error):
            self._say("observer.failed", {**fields, "exc_info": error})
            return
        what = f"{type(error).__name__} {error.errno}" if isinstance(error, OSError) else because
        now = self._clock()
        if what != self._what or now - self._said >= AGAIN_SECONDS:
            self._what, self._said = what, now
            self._say("observer.failed", fields)

    def lost(self, records: int) -> None:
        """Records had left the journal before it could read them."""
        self._lost += records

    def committed(self) -> None:
        """What it had taken is kept."""
        if self._failures:
            fields = {"observer": self._observer, "failures": self._failures, "lost": self._lost}
            self._say("observer.recovered", fields)
            self._failures, self._what = 0, ""
        self._lost = 0


def is_known(error: Exception) -> bool:
    """Whether its one line says all there is to know."""
    return isinstance(error, SidecarError) or (isinstance(error, OSError) and error.errno in KNOWN)
