"""The observers at work: one task each, none of which another one waits for.

    open ─▶ strips of the tape ─▶ take ─▶ commit every `commit_seconds` ─▶ … ─▶ commit, close
      ▲──── backoff ◀── any exception, or a take that never ends: counted, said, again from the last commit

In: members of the family and what each is configured with. Out: work done; how far each has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..journal import Cursor
from ..journal.progress import Progress, plain
from ..observers import Context, Observer, Restless, moment_of
from ..telemetry import metrics
from .tape import Strip, Tape, advance
from .trouble import Trouble

POLL_SECONDS: Final = 0.05
PACE_SECONDS: Final = 0.005  # a strip, at most: who is ahead gives way, and is never held
OPEN_SECONDS: Final = 60.0
TAKE_SECONDS: Final = 60.0
COMMIT_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 5.0
FIRST_BACKOFF_SECONDS: Final = 0.1
LONGEST_BACKOFF_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0  # one that lived this long failed of something new
_SHARE_TO_READ: Final = 0.7  # of the flush window; the rest is for the last commit

Say: TypeAlias = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an observer may take for one call, and how soon it is started again. Seconds."""

    take: float = TAKE_SECONDS
    first_backoff: float = FIRST_BACKOFF_SECONDS
    longest_backoff: float = LONGEST_BACKOFF_SECONDS


class Runner:
    """One observer, kept running. `observer` is the instance at work, or None between two lives."""

    def __init__(
        self,
        member: Callable[[Context], Observer],
        kind: str,
        context: Context,
        tape: Tape,
        patience: Patience,
        ahead: Callable[[int], bool] = lambda records: False,
    ) -> None:
        self.kind = kind
        self.section = context.section
        self.observer: Observer | None = None
        self.committed = Cursor()
        self.read = Cursor()
        self.current_unix = time.time()
        self.errors = 0
        self.because = "starting"
        self._member = member
        self._context = context
        self._tape = tape
        self._patience = patience
        self._trouble = Trouble(kind, context.log)
        self._ahead = ahead
        self.moved = 0.0  # monotonic: when it last went on
        self._leave_by: float | None = None  # monotonic
        self._leaving = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._records = metrics.OBSERVER_RECORDS.nearest(kind)
        self._failed = metrics.OBSERVER_ERRORS.nearest(kind)
        self._lagged_out = metrics.OBSERVER_LAGGED_OUT.nearest(kind)
        self._unreadable = metrics.OBSERVER_UNREADABLE.nearest(kind)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep(), name=f"observer {self.kind}")

    async def stop(self, seconds: float) -> None:
        """Read what there is, commit, close; whatever is not done after `seconds` is left to the next life."""
        self._leave_by = time.monotonic() + seconds * _SHARE_TO_READ
        self._tape.look_again()  # the workers' last records are newer than the last look
        self._leaving.set()
        if self._task is None:
            return
        await asyncio.wait((self._task,), timeout=seconds)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=1.0)  # one that will not even be cancelled ends with us

    def progress(self) -> Progress:
        """For `journal.progress`."""
        return Progress(
            observer=self.kind,
            running=self.observer is not None,
            committed=plain(self.committed),
            read=plain(self.read),
            current_unix=self.current_unix,
            errors=self.errors,
            because=self.because,
        )

    @property
    def place(self) -> int:
        """Records before the place it reads at, all streams."""
        return sum(at.records for at in self.read.positions.values())

    async def _keep(self) -> None:
        """Live again and again until told to leave."""
        backoff = self._patience.first_backoff
        while True:
            born = time.monotonic()
            try:
                await self._live()
                return
            except Exception as error:
                self._count_failure(error)
            if time.monotonic() - born > STEADY_SECONDS:
                backoff = self._patience.first_backoff
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff):
                    await self._leaving.wait()
                    return
            backoff = min(backoff * 2, self._patience.longest_backoff)

    def _count_failure(self, error: Exception) -> None:
        what = str(error) or ("it did not come back in time" if isinstance(error, TimeoutError) else "")
        self.errors += 1
        self.because = f"{type(error).__name__}: {what}"[:300]
        self._context.stats.counters[self._failed] += 1
        self._trouble.failed(error, self.because)

    async def _live(self) -> None:
        """From one `open` to one `close`."""
        observer = self._member(self._context)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                self.committed = self.read = await observer.open()
            self.observer = observer
            self.because = ""
            await self._follow(observer)
        finally:
            self.observer = None
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await observer.close()

    async def _follow(self, observer: Observer) -> None:
        tape = self._tape
        next_commit = time.monotonic() + observer.commit_seconds
        while True:
            asked = time.time()
            strips = tape.next(self.read)
            # While behind, the oldest stream tells how far: fresh copies in `cold` say nothing of a worker's stream
            reached = asked
            for strip in strips:
                wanted = [read for read in strip.reads if read.kind in observer.kinds]
                if wanted:
                    async with asyncio.timeout(self._patience.take):
                        await observer.take(wanted)
                self.read = advance(self.read, strip)
                reached = min(reached, _last_moment(strip, reached))
                self._count(len(wanted), strip.missed.lagged_out, strip.missed.damaged + strip.missed.undecodable)
                self.moved = time.monotonic()
                await asyncio.sleep(PACE_SECONDS if self._ahead(self.place) else 0)  # others' turn, in any case
            self.current_unix = reached
            now = time.monotonic()
            if self._leave_by is not None and (not strips or now >= self._leave_by):
                break
            if now >= next_commit:
                await self._commit(observer)
                next_commit = time.monotonic() + observer.commit_seconds
            if not strips:
                await self._pause()
        await self._commit(observer)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._leaving.wait()

    async def _commit(self, observer: Observer) -> None:
        if self.read.positions == self.committed.positions and not (isinstance(observer, Restless) and observer.waits):
            return
        async with asyncio.timeout(COMMIT_SECONDS):
            await observer.commit(self.read)
        self.committed = self.read
        self._trouble.committed()

    def _count(self, records: int, lagged_out: int, unreadable: int) -> None:
        counters = self._context.stats.counters
        counters[self._records] += records
        counters[self._lagged_out] += lagged_out
        counters[self._unreadable] += unreadable
        self._trouble.lost(lagged_out + unreadable)


class Observing:
    """All runners of the cold process. `sections` says which kinds run, and with what."""

    def __init__(
        self,
        members: Mapping[str, Callable[[Context], Observer]],
        context: Callable[[Any], Context],
        tape: Tape,
        say: Say,
        patience: Patience | None = None,
    ) -> None:
        self._members = members
        self._context = context
        self._tape = tape
        self._say = say
        self._patience = patience or Patience()
        self._runners: dict[str, Runner] = {}

    @property
    def runners(self) -> Mapping[str, Runner]:
        """By kind."""
        return self._runners

    async def configure(self, sections: Mapping[str, Any]) -> None:
        """Start what is new, stop what is gone, start again what is configured otherwise."""
        for kind, runner in list(self._runners.items()):
            if kind not in sections or runner.section != sections[kind]:
                await runner.stop(CLOSE_SECONDS)
                del self._runners[kind]
                if kind not in sections:
                    self._say("observer.released", {"observer": kind, "reason": "it is no longer configured"})
        for kind, section in sections.items():
            if kind not in self._runners:
                runner = Runner(
                    self._members[kind], kind, self._context(section), self._tape, self._patience, self._ahead
                )
                self._runners[kind] = runner
                runner.start()

    def _ahead(self, place: int) -> bool:
        """Whether one at this place makes those who follow read all of it anew. Who does not move does not count."""
        recently = time.monotonic() - 1.0
        followers = [runner.place for runner in self._runners.values() if runner.moved > recently]
        return bool(followers) and place - min(followers) > self._tape.reach

    async def stop(self, seconds: float) -> None:
        """All at once, within `seconds`."""
        await asyncio.gather(*(runner.stop(seconds) for runner in self._runners.values()))

    def progress(self) -> tuple[Progress, ...]:
        """Of all."""
        return tuple(runner.progress() for runner in self._runners.values())


def _last_moment(strip: Strip, otherwise: float) -> float:
    """When the last record of a strip that has a time was made."""
    return next((at for read in reversed(strip.reads) if (at := moment_of(read.record))), otherwise)
