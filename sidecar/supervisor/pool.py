"""The serving processes: fresh interpreters, started, told, listened to, and started again when they die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..errors import RuntimeSetupError
from ..runtime.control import Channel
from ..runtime.messages import (
    TO_SUPERVISOR,
    Applied,
    Drain,
    Drained,
    Failed,
    Policies,
    Ready,
    Refused,
    Report,
    Standing,
    Start,
    Stop,
    StopAccepting,
    ToSupervisor,
    ToWorker,
    WorkerSettings,
)

WORKER_COMMAND: Final = (sys.executable, "-m", "sidecar.runtime.build")
START_TIMEOUT_SECONDS: Final = 60.0
APPLY_TIMEOUT_SECONDS: Final = 15.0
FIRST_BACKOFF_SECONDS: Final = 0.1
LONGEST_BACKOFF_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 30.0  # a worker that lived this long died of something new
SILENT_ROUNDS: Final = 30  # reports missed, one a second, before a worker counts as hung
KILL_AFTER_SECONDS: Final = 2.0


class _Member:
    """One place of the pool, and the process that fills it now."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel[ToSupervisor] | None = None
        self.ready = False
        self.failed = ""
        self.applied = ""
        self.refused = ""
        self.report = Report()
        self.silent_rounds = 0
        self.cut = 0


class WorkerPool:
    """`changed` is called after anything a worker did. All methods belong to the event loop's thread."""

    def __init__(
        self,
        settings: Sequence[WorkerSettings],
        listener: socket.socket,
        keep_fds: Sequence[int],
        *,
        command: Sequence[str],
        changed: Callable[[], None],
        log: Any,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._keep_fds = tuple(keep_fds)
        self._command = tuple(command)
        self._changed = changed
        self._log = log
        self._members = [_Member(index) for index in range(len(settings))]
        self._tasks: list[asyncio.Task[None]] = []
        self._policies = Policies(set_id="", digests=())
        self._standing = Standing()
        self._moved = asyncio.Event()
        self._leaving = False
        self._draining = False
        self.restarts = 0
        self.killed = False  # somebody did not leave when told

    # -- what is known

    @property
    def ready(self) -> int:
        """Workers that accept connections."""
        return sum(member.ready for member in self._members)

    @property
    def in_flight(self) -> int:
        """As last reported."""
        return sum(member.report.in_flight for member in self._members)

    @property
    def journal_refusing(self) -> bool:
        """Whether any worker refuses traffic it cannot record."""
        return any(member.ready and member.report.journal_refusing for member in self._members)

    @property
    def cut(self) -> int:
        """Requests that were not finished when their worker left."""
        return sum(member.cut for member in self._members)

    # -- what is done

    async def start(self, policies: Policies) -> None:
        """Start all; returns when all are ready. RuntimeSetupError with a worker's own words when one cannot."""
        self._policies = policies
        self._tasks = [asyncio.create_task(self._keep(member)) for member in self._members]
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await self._until(lambda: self.ready == len(self._members) or any(m.failed for m in self._members))
        except TimeoutError:
            raise RuntimeSetupError(f"workers were not ready within {START_TIMEOUT_SECONDS:.0f} s") from None
        failed = next((member.failed for member in self._members if member.failed), "")
        if failed:
            raise RuntimeSetupError(failed)

    async def publish(self, policies: Policies) -> str:
        """Put another set in force everywhere, or nowhere: "" or why a worker refused it."""
        before, self._policies = self._policies, policies
        for member in self._members:
            member.refused = ""
        self._tell(policies)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(APPLY_TIMEOUT_SECONDS):
                await self._until(
                    lambda: all(not m.ready or m.applied == policies.set_id or m.refused for m in self._members)
                )
        refused = next((member.refused for member in self._members if member.refused), "")
        if not refused and any(member.ready and member.applied != policies.set_id for member in self._members):
            refused = f"a worker did not answer within {APPLY_TIMEOUT_SECONDS:.0f} s"
        if refused:
            self._policies = before
            self._tell(before)
        return refused

    def standing(self, standing: Standing) -> None:
        """Tell all what the supervisor knows, when it is news."""
        if standing != self._standing:
            self._standing = standing
            self._tell(standing)

    def drain(self) -> None:
        """Answers carry `Connection: close` from now; still accepting."""
        self._draining = True
        self._tell(Drain())

    def stop_accepting(self) -> None:
        """Nobody is started again; those that run finish what they have."""
        self._leaving = True
        self._moved.set()
        self._tell(StopAccepting())

    async def gone(self) -> None:
        """Returns when every process has ended (after `stop_accepting` or `stop`)."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """End them now, whatever they do."""
        self._leaving = True
        self._moved.set()
        self._tell(Stop())
        if not self._tasks:
            return
        _, staying = await asyncio.wait(self._tasks, timeout=KILL_AFTER_SECONDS)
        if staying:
            self.killed = True
            for member in self._members:
                self._kill(member)
            await asyncio.wait(self._tasks)

    def check_silence(self) -> None:
        """Call once a second: a worker that has not reported for long is hung, and is killed to be started again.

        Rounds are counted, not time: a pause of the whole machine is nobody's silence.
        """
        for member in self._members:
            if not member.ready:
                continue
            member.silent_rounds += 1
            if member.silent_rounds > SILENT_ROUNDS:
                self._log.error("worker.hung", worker=member.index, silent_seconds=member.silent_rounds)
                member.silent_rounds = 0
                self._kill(member)

    # -- one place

    async def _keep(self, member: _Member) -> None:
        """Fill this place again and again until the pool leaves."""
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF_SECONDS
        while not self._leaving:
            born = loop.time()
            code = await self._live(member)
            if self._stays_empty():
                return
            self.restarts += 1
            if loop.time() - born > STEADY_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            self._log.error("worker.died", worker=member.index, exit_code=code, again_in_seconds=backoff)
            self._changed()
            deadline = loop.time() + backoff
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._until(lambda: self._leaving)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)

    def _stays_empty(self) -> bool:
        return self._leaving

    async def _live(self, member: _Member) -> int:
        """One process from its start to its end; its exit code (negative: killed by that signal)."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        lost = asyncio.Event()
        member.channel = Channel(TO_SUPERVISOR, lambda message: self._heard(member, message), lost.set)
        member.failed = ""
        with theirs:
            fds = (theirs.fileno(), self._listener.fileno(), *self._keep_fds)
            try:
                member.process = process = await asyncio.create_subprocess_exec(
                    *self._command,
                    "--control-fd",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=sys.stderr.fileno(),
                    pass_fds=fds,
                    process_group=0,
                )
            except OSError as error:
                ours.close()
                member.failed = f"a worker could not be started: {error}"
                self._news()
                return 127
        member.applied = ""
        await member.channel.open(ours)
        member.channel.send(Start(settings=self._settings[member.index], listen_fd=self._listener.fileno()))
        member.channel.send(self._standing)
        member.channel.send(self._policies)
        if self._draining:
            member.channel.send(Drain())
        if self._leaving:  # decided while the process was being made
            member.channel.send(Stop())
        code = await process.wait()
        await lost.wait()
        if not member.ready and not member.failed:
            member.failed = (
                f"worker {member.index} ended with exit code {code} before it was ready; its message is above"
            )
        member.ready = False
        member.report = Report()
        member.channel.close()
        self._news()
        return code

    def _heard(self, member: _Member, message: ToSupervisor) -> None:
        match message:
            case Ready():
                member.ready = True
                member.silent_rounds = 0
            case Failed():
                member.failed = message.message
                self._log.error("worker.failed", worker=member.index, message=message.message)
            case Applied():
                member.applied = message.set_id
            case Refused():
                member.refused = message.message
            case Report():
                member.report = message
                member.silent_rounds = 0
            case Drained():
                member.cut = message.cut
        self._news()

    def _news(self) -> None:
        self._moved.set()
        self._changed()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            moved = self._moved = asyncio.Event() if self._moved.is_set() else self._moved
            await moved.wait()

    def _tell(self, message: ToWorker) -> None:
        for member in self._members:
            if member.channel is not None:
                member.channel.send(message)

    def _kill(self, member: _Member) -> None:
        if member.process is not None and member.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.process.pid, signal.SIGKILL)
