"""The supervisor: owns what must outlive a worker, handles no request of the data port, and decides when all is over.

bind ─▶ lock ─▶ health port ─▶ load policies ─▶ workers ─▶ serve ─▶ (SIGTERM) unready ─▶ pre-stop ─▶ drain ─▶ 0
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .. import __version__
from ..errors import JournalError, RuntimeSetupError
from ..health.identity import Identities
from ..health.readiness import ColdStanding, Facts, JournalStanding, Readiness, WorkersStanding, judge
from ..runtime import loading, lock, log
from ..runtime.messages import LoadResult, ModelStanding, Standing
from ..runtime.running import Running, remove_running, write_running
from ..runtime.secret import ensure_secret
from ..runtime.settings import ServeSettings
from ..runtime.setup import reload_asked, write_setup, write_status
from ..runtime.waiting import first_of, within
from .banner import banner
from .coldhalf import COLD_COMMAND, ColdHalf
from .inforce import InForce
from .ledger import Ledger
from .pool import WORKER_COMMAND, WorkerPool
from .ports import ADMIN, DATA, Ports
from .told import cold_settings, replica_of, setup_of, worker_settings
from .watch import Watch

WATCH_SECONDS: Final = 0.5
ROUND_SECONDS: Final = 1.0
_NO_JOURNAL: Final = JournalStanding(refusing=False, bytes=0, max_bytes=0, when_full="", full_in_seconds=None)


class Supervisor:
    """One run of `serve`. The commands are parameters: what a worker or a loader is, is not the supervisor's to know.

    `announce` gets text for people: findings and the banner.
    """

    def __init__(
        self,
        settings: ServeSettings,
        *,
        environ: Mapping[str, str],
        announce: Callable[[str], None],
        worker_command: Sequence[str] = WORKER_COMMAND,
        loader_command: Sequence[str] = loading.LOADER_COMMAND,
        cold_command: Sequence[str] = COLD_COMMAND,
    ) -> None:
        self._settings = settings
        self._announce = announce
        self._worker_command = worker_command
        self._cold_command = cold_command
        self._cold: ColdHalf | None = None
        self._data = Path(settings.data).absolute()
        self._journal = Path(settings.journal).absolute() if settings.journal else self._data / "journal"
        self._log = log.logger()
        self._started = time.monotonic()
        self._ports = Ports(settings, self._data)
        self._replica = replica_of(environ)
        self._in_force = InForce(settings, self._data, environ, loader_command, self._log)
        self._identities = Identities()
        self._watched = [*settings.policy, *([settings.config] if settings.config else [])]
        self._watch = Watch(self._watched)
        self._pool: WorkerPool | None = None
        self._ledger: Ledger | None = None
        self._draining = False
        self._pre_stop_seconds = settings.pre_stop
        self._reload_asked = asyncio.Event()
        self._term = asyncio.Event()
        self._again = asyncio.Event()

    # -- the whole life

    async def run(self) -> int:
        """0 = stopped in order, 1 = requests were cut or something of ours failed; RuntimeSetupError = not started."""
        os.umask(0o077)  # whatever any process of ours makes is its owner's alone
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_term)
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        async with contextlib.AsyncExitStack() as cleanup:
            cleanup.callback(self._ports.release)
            self._ports.bind()
            lock.prepare_folder(self._data)
            held = lock.acquire(self._data)
            cleanup.callback(held.release)
            remove_running(self._data)  # of one that was killed
            await self._ports.open_health(self.readiness, self._reload_asked.set, cleanup)
            secret = ensure_secret(self._data, self._settings.secret_file)
            return await self._serve(held, secret, cleanup)
        raise AssertionError("unreachable")

    async def _serve(self, held: lock.DataLock, secret: Path, cleanup: contextlib.AsyncExitStack) -> int:
        loaded = await self._load_first()
        self._in_force.begin(loaded)
        self._watch.watch([*self._watched, *self._in_force.used])
        self._ledger = Ledger(self._data, self._journal, loaded.journal, self._settings.workers)
        cleanup.callback(self._ledger.close)
        self._ledger.reloaded("loaded")
        self._identities.watch(loaded.policies or (), loaded.upstream)
        cleanup.push_async_callback(self._identities.close)
        listener = self._ports.open(DATA)
        where = (self._data, self._journal, secret, self._replica)
        workers = [worker_settings(self._settings, index, loaded, *where) for index in range(self._settings.workers)]
        pool = self._pool = WorkerPool(
            workers, listener, (held.fd,), command=self._worker_command, changed=self._tell_workers, log=self._log
        )
        cleanup.push_async_callback(pool.stop)
        if not await self._unless_term(pool.start(self._in_force.message())):
            return 0
        self._in_force.confirm()
        self._publish_setup(loaded)
        self._start_cold(cleanup)
        self._write_running(cleanup)
        self._announce(banner(self._settings, self._ports.addresses(), self._journal, loaded))
        tasks = [
            self._spawn(self._watch_forever(pool)),
            self._spawn(self._identities.ask_forever(self._tell_workers)),
            self._spawn(self._round_forever(pool, self._ledger)),
        ]
        try:
            await self._term.wait()
            code = await self._drain(pool)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        return 1 if any(isinstance(end, Exception) for end in ended) else code

    async def _drain(self, pool: WorkerPool) -> int:
        """Unready but accepting for the pre-stop window, then the rest may finish; a second signal ends it now."""
        self._draining = True
        self._tell_workers()
        pool.drain()
        self._log.info("drain.started", pre_stop_seconds=self._pre_stop_seconds, in_flight=pool.in_flight)
        if not await within(self._again.wait(), self._pre_stop_seconds):
            pool.stop_accepting()
            self._ports.close(DATA)
            await first_of(pool.gone(), self._again.wait(), timeout_seconds=self._settings.drain_timeout)
        unfinished = pool.in_flight
        await pool.stop()
        await self._stop_cold()
        cut = pool.cut + (unfinished if pool.killed else 0)
        self._log.info("drain.finished", cut=cut)
        return 1 if cut else 0

    # -- starting

    async def _load_first(self) -> LoadResult:
        loaded = await self._in_force.load()
        for finding in loaded.findings:
            self._announce(str(finding))
        if loaded.policies is None:
            count = len(loaded.errors)
            raise RuntimeSetupError(f"not started: {count} error{'s' * (count != 1)}, listed above")
        return loaded

    def _write_running(self, cleanup: contextlib.AsyncExitStack) -> None:
        at = self._ports.addresses()
        running = Running(os.getpid(), time.time(), at["listen"], at.get("health", ""), at.get("admin", ""))
        with contextlib.suppress(OSError):
            write_running(self._data, running)
        cleanup.callback(remove_running, self._data)

    # -- what goes on while serving

    async def _watch_forever(self, pool: WorkerPool) -> None:
        while True:
            asked = await within(self._reload_asked.wait(), WATCH_SECONDS)
            self._reload_asked.clear()
            asked = reload_asked(self._data) or asked
            if asked:
                self._watch.read_now()
            if asked or self._watch.changed():
                await self._reload(pool)

    async def _reload(self, pool: WorkerPool) -> None:
        result = await self._in_force.reload(pool)
        self._watch.watch([*self._watched, *self._in_force.used])
        if self._ledger is not None:
            self._ledger.reloaded(result)
        if result != "refused":
            self._publish_setup(self._in_force.loaded)
        if result == "loaded":
            self._identities.watch(self._in_force.loaded.policies or (), self._in_force.loaded.upstream)
        self._tell_workers()

    async def _round_forever(self, pool: WorkerPool, ledger: Ledger) -> None:
        while True:
            pool.check_silence()
            try:
                now = self.readiness()
                with contextlib.suppress(OSError):  # a full disk: the observers see that it is old
                    write_status(self._data, now)
                ledger.tick(now)
            except (JournalError, OSError) as error:
                self._log.error("journal.retention_failed", reason=str(error))
            self._tell_workers()
            await asyncio.sleep(ROUND_SECONDS)

    def readiness(self) -> Readiness:
        """Now."""
        pool, ledger, in_force = self._pool, self._ledger, self._in_force
        workers = WorkersStanding(
            configured=self._settings.workers,
            ready=pool.ready if pool is not None else 0,
            restarts=pool.restarts if pool is not None else 0,
            in_flight=pool.in_flight if pool is not None else 0,
        )
        refusing = pool is not None and pool.journal_refusing
        return judge(
            Facts(
                workers=workers,
                journal=ledger.standing(refusing=refusing) if ledger is not None else _NO_JOURNAL,
                policies=in_force.loaded.policies or (),
                probes=self._identities.probes,
                environment=in_force.environment,
                upstream=in_force.loaded.upstream,
                draining=self._draining,
                reload_refused=in_force.reload_refused,
                restart_needed=in_force.restart_needed,
                version=__version__,
                uptime_seconds=time.monotonic() - self._started,
                cold=self._cold_standing(),
            )
        )

    def _tell_workers(self) -> None:
        if self._pool is None:
            return
        models = {}
        for policy in self._in_force.loaded.policies or ():
            answer = self._identities.answer(policy)
            models[policy.name] = ModelStanding(identity=answer.identity, version=answer.version, ready=answer.ready)
        not_ready = "; ".join(self.readiness().reasons)
        self._pool.standing(
            Standing(models=models, wrong_environment=self._in_force.environment.wrong, not_ready=not_ready)
        )

    # -- the cold half

    def _publish_setup(self, loaded: LoadResult) -> None:
        setup = setup_of(self._settings, loaded, journal=self._journal, replica=self._replica)
        try:
            write_setup(self._data, setup)
        except OSError as error:
            self._log.error("observers.setup_not_written", reason=str(error))

    def _start_cold(self, cleanup: contextlib.AsyncExitStack) -> None:
        if self._settings.observers != "on":
            return
        admin_fd = self._ports.descriptor(ADMIN)
        settings = cold_settings(self._settings, data=self._data, journal=self._journal, admin_fd=admin_fd)
        keep = (admin_fd,) if admin_fd >= 0 else ()
        self._cold = ColdHalf(settings, keep, command=self._cold_command, log=self._log)
        self._cold.start()
        cleanup.push_async_callback(self._cold.stop, now=True)

    async def _stop_cold(self) -> None:
        """After the last answer: they read what is left, and say how far they came."""
        if self._cold is None:
            return
        await first_of(self._cold.stop(), self._again.wait())
        if self._ledger is not None:
            self._ledger.look_at_observers()
            standing = self._cold_standing()
            lag = {each.name: [each.lag_seconds, each.lag_bytes] for each in standing.observers}
            self._log.info("observers.left", lag_seconds_bytes=lag, restarts=standing.restarts)

    def _cold_standing(self) -> ColdStanding:
        if self._ledger is None:
            return ColdStanding()
        cold = self._cold
        return self._ledger.cold(
            configured=cold is not None,
            alive=cold is not None and cold.alive,
            restarts=cold.restarts if cold is not None else 0,
        )

    # -- small things

    def _on_interrupt(self) -> None:
        """Ctrl-C: a person waits, and no cluster has to notice first."""
        if sys.stdin is not None and sys.stdin.isatty():
            self._pre_stop_seconds = 0.0
        self._on_term()

    def _on_term(self) -> None:
        if self._term.is_set():
            self._again.set()
        self._term.set()

    async def _unless_term(self, work: Coroutine[Any, Any, None]) -> bool:
        """True when the work is done (its exception is raised); False when a signal came first."""
        task = asyncio.create_task(work)
        waiting = asyncio.create_task(self._term.wait())
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        """A task that ends by itself is a fault of ours: said, and the end (something outside starts us again)."""
        if not task.cancelled() and task.exception() is not None:
            self._log.error("supervisor.failed", exc_info=task.exception())
            self._on_term()
