"""The observers' process beside the workers: started, started again when it dies, told to leave last.

Nothing here is waited for while serving: neither readiness nor a request knows whether it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ..runtime.messages import ColdSettings

COLD_COMMAND: Final = (sys.executable, "-m", "sidecar.cold.process")
FIRST_BACKOFF_SECONDS: Final = 0.2
LONGEST_BACKOFF_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 1.5  # beyond the flush window: interpreter exit, last log line


class ColdHalf:
    """`start` returns at once. All methods belong to the event loop's thread."""

    def __init__(
        self, settings: ColdSettings, keep_fds: Sequence[int], *, command: Sequence[str] = COLD_COMMAND, log: Any
    ) -> None:
        self._settings = settings
        self._keep_fds = tuple(keep_fds)
        self._command = tuple(command)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()
        self.restarts = 0

    @property
    def alive(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.returncode is None

    def start(self) -> None:
        """Keep one process from now on."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self, *, now: bool = False) -> None:
        """Let it read to the end and commit, within its flush window; then it is ended."""
        self._leaving.set()
        if self._task is None:
            return
        self._signal(signal.SIGKILL if now else signal.SIGTERM)
        _, staying = await asyncio.wait((self._task,), timeout=self._settings.flush_seconds + _GRACE_SECONDS)
        if staying:
            self._log.warning("observers.killed", reason="they did not finish within the flush window")
            self._signal(signal.SIGKILL)
            await asyncio.wait((self._task,))

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF_SECONDS
        while not self._leaving.is_set():
            born = loop.time()
            code = await self._live()
            if self._leaving.is_set():
                return
            self.restarts += 1
            if loop.time() - born > STEADY_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            self._log.error("observers.died", exit_code=code, again_in_seconds=backoff)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff):
                    await self._leaving.wait()
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)

    async def _live(self) -> int:
        """One process from its start to its end; its exit code."""
        theirs, ours = os.pipe()
        try:
            settings = msgspec.structs.replace(self._settings, parent_fd=theirs)
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command,
                msgspec.json.encode(settings).decode(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=(theirs, *self._keep_fds),
                process_group=0,
            )
        except OSError as error:
            os.close(ours)
            self._log.error("observers.not_started", reason=str(error))
            return 127
        finally:
            os.close(theirs)
        try:
            if self._leaving.is_set():  # decided while the process was being made
                self._signal(signal.SIGTERM)
            return await process.wait()
        finally:
            os.close(ours)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
