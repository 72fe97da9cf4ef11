"""A worker's life as it is told over its control channel."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from sidecar.runtime.control import Channel
from sidecar.runtime.messages import (
    TO_SUPERVISOR,
    Drain,
    Policies,
    Ready,
    Standing,
    Start,
    Stop,
    ToSupervisor,
    WorkerSettings,
)
from sidecar.runtime.worker import Worker


class Told:
    """A service that writes down what it is told."""

    in_flight = 0
    journal_refusing = False

    def __init__(self) -> None:
        self.heard: list[str] = []

    def apply(self, policies: Policies) -> None:
        self.heard.append(policies.set_id)

    def standing(self, news: Standing) -> None:
        self.heard.append("standing")

    async def listen(self, listener: socket.socket) -> None:
        listener.close()
        self.heard.append("listen")

    def drain(self) -> None:
        self.heard.append("drain")

    def stop_accepting(self) -> None:
        self.heard.append("stop accepting")

    async def close(self) -> None:
        self.heard.append("close")


def test_what_is_said_while_it_opens_is_heeded_before_it_is_ready(tmp_path: Path) -> None:
    """A worker that is started again within the pre-stop window answers `Connection: close`, as the others do."""
    service = Told()
    settings = WorkerSettings(worker=0, data=str(tmp_path), journal=str(tmp_path))

    async def life() -> list[str]:
        ours, theirs = socket.socketpair()
        ready, opened, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
        ours.setblocking(False)
        theirs.setblocking(False)

        async def build(settings: WorkerSettings) -> Told:
            opened.set()
            await go.wait()
            return service

        def heard(message: ToSupervisor) -> None:
            if isinstance(message, Ready):
                ready.set()

        channel = Channel(TO_SUPERVISOR, heard, lambda: None)
        await channel.open(ours)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            worker = Worker(build)
            life = asyncio.create_task(worker.run(theirs))
            channel.send(Start(settings=settings, listen_fd=os.dup(listener.fileno())))
            channel.send(Policies(set_id="first", digests=()))
            await opened.wait()
            channel.send(Standing())
            channel.send(Drain())
            while not worker._draining:  # noqa: ASYNC110
                await asyncio.sleep(0)
            go.set()
            await ready.wait()
            before = list(service.heard)
            channel.send(Stop())
            assert await life == 0
            channel.close()
        return before

    assert asyncio.run(life()) == ["first", "listen", "standing", "drain"]
