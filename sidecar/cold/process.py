"""The cold process: reads the journal of one data folder for all observers, and answers on the admin port.

    python -m sidecar.cold.process JSON      beside the workers, started by the supervisor
    sidecar observe --data DIR               in a process or container of its own

It holds nothing the gateway waits for: it may be stopped, killed or starved, and a cursor lags.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from .. import policy as room
from ..errors import JournalError, PolicyError, RuntimeSetupError, SidecarError
from ..families import members
from ..journal import Read, StatsPage, Writer, page_path
from ..journal.progress import Lag, Standing, lags, read_holds, read_standing, write_standing
from ..observers import Context
from ..policy import Platform
from ..policy.platform import Archive
from ..runtime import log
from ..runtime.book import PolicyBook
from ..runtime.dropping import Dropping
from ..runtime.memory import give_memory_back
from ..runtime.messages import ColdSettings
from ..runtime.publish import Current, read_current
from ..runtime.secret import SECRET_NAME, read_secret
from ..runtime.setup import Setup, read_setup
from ..telemetry import metrics
from ..telemetry.events import is_good_news
from .configured import DEFAULT_FOLDER, configured
from .lookup import Latest
from .runner import Observing, Patience
from .tape import Tape
from .volume import room_beside

FAMILY: Final = "sidecar.observers"
STREAM: Final = "cold"
ROUND_SECONDS: Final = 1.0
HUNG_ROUNDS: Final = 60
NICENESS: Final = 10  # the gateway on the same cores goes first


class Cold:
    """One run. `run` returns the exit code; RuntimeSetupError when another process observes this folder."""

    def __init__(
        self, settings: ColdSettings, family: Mapping[str, Callable[[Context], Any]], environ: Mapping[str, str]
    ) -> None:
        self.settings = settings
        self.data = Path(settings.data).absolute()
        self.environ = environ
        self.log = log.logger().bind(process=STREAM)
        self.book = PolicyBook(self.data, log=self._say)
        self.setup: Setup | None = None
        self.current: Current | None = None
        self.platform = Platform()
        self.observing: Observing | None = None
        self.page: StatsPage | None = None
        self.tape: Tape | None = None
        self.archive: Archive | None = None  # as it runs; its limit may be what the volume has
        self.idle: Mapping[str, str] = {}  # observer → why it does not run
        self.leaving = asyncio.Event()
        self.rounds = 0
        self.latest = Latest()
        self.secret = b""
        self._family = family
        self._writer: Writer | None = None
        self._dropping: Dropping | None = None
        self._waited = False
        self._unwritten = False

    @property
    def journal(self) -> Path:
        """Where the records are, as seen from here."""
        own = self.settings.journal or (self.setup.journal if self.setup is not None else "")
        there = Path(own) if own else self.data / "journal"
        return there if self.settings.journal or there.is_dir() else self.data / "journal"

    async def run(self, serve_admin: Callable[[Cold], Any] | None = None) -> int:
        """Observe until told to leave."""
        self._hear()
        async with contextlib.AsyncExitStack() as cleanup:
            self.page = self._page()
            cleanup.callback(self.page.close)
            if serve_admin is not None:
                await cleanup.enter_async_context(serve_admin(self))
            watchdog = threading.Thread(target=_watch, args=(self,), daemon=True)
            watchdog.start()
            while not self.leaving.is_set():
                await self._round(self.page)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ROUND_SECONDS):
                        await self.leaving.wait()
            await self._finish(self.page)
        return 0

    def _page(self) -> StatsPage:
        try:
            return StatsPage(page_path(self.data, STREAM))
        except JournalError:
            standing = read_standing(self.data)
            process = f"process {standing.pid}" if standing is not None else "another process"
            raise RuntimeSetupError(
                f"--data {self.data}: {process} observes it already; `serve` does so itself unless it is told "
                "--observers off: stop that one, or name another folder"
            ) from None

    # -- every second

    async def _round(self, page: StatsPage) -> None:
        self.rounds += 1
        try:
            await self._configure(page)
        except (SidecarError, OSError) as error:
            if isinstance(error, JournalError) and self.observing is None:
                raise RuntimeSetupError(f"{error}; does another process observe {self.data}?") from None
            self.log.error("observers.not_configured", reason=str(error))
        if self._writer is not None:
            self._writer.tick()
        if self._dropping is not None:
            self._dropping.look()
        self.report(page)

    async def _configure(self, page: StatsPage) -> None:
        setup, current = read_setup(self.data), read_current(self.data)
        if setup is None:
            if not self._waited:
                self._waited = True
                self.log.info("observers.waiting", reason=f"no gateway has served from {self.data} yet")
            return
        if setup == self.setup and current == self.current:
            return
        platform = self._platform(setup)
        self.setup, self.current, self.platform = setup, current, platform
        if self.observing is None:
            self.observing = self._build(setup, platform, page)
        policies = [
            policy
            for listed in (current.policies if current is not None else ())
            if (policy := self.book.policy(listed.digest)) is not None
        ]
        left = room_beside(self.journal, self.data / DEFAULT_FOLDER, platform.journal)
        access = self.settings.access_log
        sections, self.idle = configured(self._family, platform, policies, self.environ, access, left)
        await self.observing.configure(sections)
        self.archive = sections.get("archive")
        most = self.archive.max_bytes if self.archive is not None else None
        self.log.info("observers.configured", running=sorted(sections), idle=dict(self.idle), archive_max_bytes=most)

    def _platform(self, setup: Setup) -> Platform:
        if setup.platform == "{}":
            return Platform()
        try:
            return room.platform_from_canonical(setup.platform.encode())
        except PolicyError as error:
            self.log.error("observers.setup_unusable", reason=str(error))
            return self.platform

    def _build(self, setup: Setup, platform: Platform, page: StatsPage) -> Observing:
        journal = self.journal
        self._writer = writer = Writer(
            journal,
            STREAM,
            platform.journal,
            page,
            identity={"replica": setup.replica, "environment": setup.environment},
            call_soon=asyncio.get_running_loop().call_soon_threadsafe,
            holds=lambda: read_holds(self.data),
        )
        self._dropping = Dropping(writer, page, self._say)
        self.secret = self._key(setup)
        context = Context(
            data=self.data,
            journal=journal,
            replica=setup.replica,
            environment=setup.environment,
            book=self.book,
            stats=page,
            cold=writer,
            log=self._say,
            secret=self.secret,
            scheme=setup.scheme,
        )
        self._release(read_standing(self.data))
        self.tape = Tape(journal, learn=self._learn)
        return Observing(
            self._family,
            lambda section: replace(context, section=section),
            self.tape,
            self._say,
            Patience(*self.settings.patience),
        )

    def _learn(self, read: Read) -> None:
        self.book.learn(read)
        self.latest.learn(read)

    def _key(self, setup: Setup) -> bytes:
        """The gateway's key: without it nothing that is hashed can be told, and nothing is sampled alike."""
        paths = [self.settings.secret_file, setup.secret_file, str(self.data / SECRET_NAME)]
        for path in filter(None, paths):
            with contextlib.suppress(OSError):
                return read_secret(Path(path))
        self.log.warning("observers.no_key", reason="no secret file can be read here", tried=[p for p in paths if p])
        return b""

    def _release(self, before: Standing | None) -> None:
        """Cursors of observers that are no longer there hold nothing back any more."""
        for progress in before.observers if before is not None else ():
            if progress.observer not in self._family:
                self._say("observer.released", {"observer": progress.observer, "reason": "this version has none"})

    def report(self, page: StatsPage) -> dict[str, Lag]:
        """Put on disk and on the page how far each observer has come."""
        if self.observing is None:
            return {}
        progress = self.observing.progress()
        now = time.time()
        try:
            write_standing(self.data, Standing(written_unix=now, pid=os.getpid(), observers=progress))
            found = lags(self.journal, progress, now)
        except OSError as error:
            if not self._unwritten:
                self.log.error("observers.progress_not_written", reason=str(error))
            self._unwritten = True
            return {}
        self._unwritten = False
        for metric in (metrics.OBSERVER_RUNNING, metrics.OBSERVER_LAG_SECONDS, metrics.OBSERVER_LAG_BYTES):
            for slot in metric.slots.values():
                page.gauges[slot] = 0.0
        for each in progress:
            lag = found[each.observer]
            page.gauges[metrics.OBSERVER_RUNNING.nearest(each.observer)] = float(each.running)
            page.gauges[metrics.OBSERVER_LAG_SECONDS.nearest(each.observer)] = lag.seconds
            page.gauges[metrics.OBSERVER_LAG_BYTES.nearest(each.observer)] = float(lag.size)
        return found

    # -- the end

    async def _finish(self, page: StatsPage) -> None:
        if self.observing is not None:
            await self.observing.stop(self.settings.flush_seconds)
            lag = {kind: lag._asdict() for kind, lag in self.report(page).items()}
            self.log.info("observers.stopped", lag=lag)
        if self._writer is not None:
            self._writer.close()

    def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.leaving.set)
        if self.settings.parent_fd >= 0:
            loop.add_reader(self.settings.parent_fd, self._orphaned)

    def _orphaned(self) -> None:
        """The supervisor is gone: what was read is committed, then we go, too."""
        asyncio.get_running_loop().remove_reader(self.settings.parent_fd)
        self.leaving.set()

    def _say(self, event: str, fields: Mapping[str, Any]) -> None:
        known = dict(fields)
        if "failed" in event or "exc_info" in known:
            self.log.error(event, **known)
        elif is_good_news(event, known):
            self.log.info(event, **known)
        else:
            self.log.warning(event, **known)


def _watch(cold: Cold) -> None:
    """An observer that blocks the loop blocks all of them: end the process, so that it is started again.

    Rounds are counted, not time: a process that was stopped and goes on is not hung.
    """
    seen, silent = -1, 0
    while not cold.leaving.is_set():
        time.sleep(ROUND_SECONDS)
        silent = 0 if cold.rounds != seen else silent + 1
        seen = cold.rounds
        if silent >= HUNG_ROUNDS:
            cold.log.error("observers.hung", silent_seconds=silent)
            os._exit(70)


def start(settings: ColdSettings, family: Mapping[str, Callable[[Context], Any]] | None = None) -> int:
    """Observe with the settings given until told to stop; the exit code."""
    import uvloop

    from .admin import admin_of  # uvicorn and starlette only where there is an admin port

    os.umask(0o077)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    give_memory_back()
    log.configure()

    async def run() -> int:
        cold = Cold(settings, members(FAMILY) if family is None else family, os.environ)
        return await cold.run(admin_of if settings.admin_fd >= 0 else None)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def main(argv: list[str] | None = None, family: Mapping[str, Callable[[Context], Any]] | None = None) -> int:
    """One argument: the settings as JSON."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        settings = msgspec.json.decode(arguments[0] if len(arguments) == 1 else "", type=ColdSettings)
    except msgspec.DecodeError:
        sys.stderr.write("the observers' process is started by `sidecar serve`; by hand it is `sidecar observe`\n")
        return 2
    try:
        return start(settings, family)
    except SidecarError as error:
        sys.stderr.write(f"sidecar observe: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
