"""A worker process: does what the supervisor says and ends with it. What it serves is a `Service`.

The first thing heard is `Start`, then `Policies`; only then is the service opened and `Ready` said.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

from ..errors import SidecarError
from .control import Channel
from .messages import (
    TO_WORKER,
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
    ToWorker,
    WorkerSettings,
)

REPORT_SECONDS: Final = 1.0
_LEAVE_POLL_SECONDS: Final = 0.01


class Service(Protocol):
    """What a worker runs. All calls come from the event loop's thread."""

    @property
    def in_flight(self) -> int:
        """Requests begun and not answered."""
        ...

    @property
    def journal_refusing(self) -> bool:
        """Whether requests are refused because the journal cannot take their records."""
        ...

    def apply(self, policies: Policies) -> None:
        """Put published policies in force, all or none; SidecarError (and no change) when that cannot be."""
        ...

    def standing(self, news: Standing) -> None:
        """Identities, environment and readiness as the supervisor sees them."""
        ...

    async def listen(self, listener: socket.socket) -> None:
        """Begin to accept."""
        ...

    def drain(self) -> None:
        """Answers carry `Connection: close` from now."""
        ...

    def stop_accepting(self) -> None:
        """Accept no more connections; those that are idle end."""
        ...

    async def close(self) -> None:
        """Cut what is left and let go of files."""
        ...


Builder: TypeAlias = Callable[[WorkerSettings], Awaitable[Service]]


class Worker:
    """The life of one worker: `run` returns its exit code."""

    def __init__(self, build: Builder) -> None:
        self._build = build
        self._channel: Channel[ToWorker] = Channel(TO_WORKER, self._heard, self._lost)
        self._start: Start | None = None
        self._first: Policies | None = None
        self._standing: Standing | None = None
        self._service: Service | None = None
        self._draining = False
        self._started = asyncio.Event()
        self._leaving = asyncio.Event()  # accept no more
        self._ended = asyncio.Event()  # leave now

    async def run(self, control: socket.socket) -> int:
        """Serve until told to leave. 0 = left in order, 1 = could not start."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leaving.set)
        await self._channel.open(control)
        await _either(self._started, self._ended)
        if self._ended.is_set() or self._start is None or self._first is None:
            return 0
        try:
            service = await self._open(self._start, self._first)
        except SidecarError as error:
            self._channel.send(Failed(str(error)))
            self._channel.close()
            return 1
        reporting = loop.create_task(self._report(service))
        await _either(self._leaving, self._ended)
        service.drain()
        service.stop_accepting()
        while service.in_flight and not self._ended.is_set():  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(_LEAVE_POLL_SECONDS)
        cut = service.in_flight
        reporting.cancel()
        await service.close()
        self._channel.send(Drained(cut))
        self._channel.close()
        return 0

    async def _open(self, start: Start, first: Policies) -> Service:
        service = await self._build(start.settings)
        try:
            service.apply(first)
            await service.listen(socket.socket(fileno=start.listen_fd))
        except BaseException:
            await service.close()
            raise
        self._service = service
        if self._standing is not None:
            service.standing(self._standing)
        if self._draining:  # said while this one was being opened
            service.drain()
        self._channel.send(Applied(first.set_id))
        if self._first is not None and self._first is not first:  # news while this one was being opened
            self._apply(service, self._first)
        gc.collect()
        gc.freeze()  # what is there now stays: later collections need not walk it
        self._channel.send(Ready())
        return service

    def _heard(self, message: ToWorker) -> None:
        service = self._service
        match message:
            case Start():
                self._start = message
            case Policies():
                if service is not None:
                    self._apply(service, message)
                else:
                    self._first = message
                    self._started.set()
            case Standing():
                self._standing = message
                if service is not None:
                    service.standing(message)
            case Drain():
                self._draining = True
                if service is not None:
                    service.drain()
            case StopAccepting():
                self._leaving.set()
            case Stop():
                self._ended.set()

    def _apply(self, service: Service, policies: Policies) -> None:
        try:
            service.apply(policies)
        except SidecarError as error:
            self._channel.send(Refused(policies.set_id, str(error)))
        else:
            self._channel.send(Applied(policies.set_id))

    def _lost(self) -> None:
        """The supervisor is gone: a worker never outlives it."""
        self._ended.set()

    async def _report(self, service: Service) -> None:
        while True:
            self._channel.send(Report(in_flight=service.in_flight, journal_refusing=service.journal_refusing))
            await asyncio.sleep(REPORT_SECONDS)


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def main(build: Builder, argv: list[str] | None = None) -> int:
    """`--control-fd N`: the whole command line of a worker. Everything else is heard on the channel."""
    import uvloop  # here: the tests' own workers need none

    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 2 or arguments[0] != "--control-fd" or not arguments[1].isdigit():
        sys.stderr.write("a worker is started by `sidecar serve`, not by hand\n")
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to act on
    os.umask(0o077)
    control = socket.socket(fileno=int(arguments[1]))
    control.setblocking(False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Worker(build).run(control))
