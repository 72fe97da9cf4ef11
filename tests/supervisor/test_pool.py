"""The pool of workers, held directly: what the supervisor's tests cannot reach quickly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.runtime import log
from sidecar.runtime.messages import Policies, WorkerSettings
from sidecar.supervisor.pool import SILENT_ROUNDS, WorkerPool

STAND_IN = (sys.executable, str(Path(__file__).parent / "stand_in_worker.py"))


class Held:
    """A pool of one, its listening socket, and a way to talk to it."""

    def __init__(self, data: Path, command: tuple[str, ...] = STAND_IN) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        settings = WorkerSettings(worker=0, data=str(data), journal=str(data))
        log.configure()
        self.pool = WorkerPool([settings], self.listener, (), command=command, changed=lambda: None, log=log.logger())

    async def __aenter__(self) -> Held:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.stop()
        self.listener.close()

    async def get(self, path: str) -> bytes:
        reader, writer = await asyncio.open_connection(*self.listener.getsockname())
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def eventually(look: Any) -> None:
    async with asyncio.timeout(60):
        while not look():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def test_a_hung_worker_is_killed_after_many_silent_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))

    async def life() -> None:
        async with Held(tmp_path) as held:
            await held.pool.start(Policies(set_id="s", digests=()))
            pid = json.loads((await held.get("/")).split(b"\r\n\r\n")[1])["pid"]
            os.kill(pid, signal.SIGSTOP)
            for _ in range(SILENT_ROUNDS):
                held.pool.check_silence()
            assert (held.pool.ready, held.pool.restarts) == (1, 0)
            for _ in range(SILENT_ROUNDS):
                held.pool.check_silence()
            await eventually(lambda: held.pool.restarts == 1 and held.pool.ready == 1)
            assert b"200 OK" in await held.get("/")

    asyncio.run(life())


def test_a_command_that_cannot_be_run(tmp_path: Path) -> None:
    async def life() -> None:
        async with Held(tmp_path, ("/no/such/program",)) as held:
            with pytest.raises(RuntimeSetupError, match="a worker could not be started"):
                await held.pool.start(Policies(set_id="s", digests=()))

    asyncio.run(life())


def test_a_worker_is_not_started_by_hand(tmp_path: Path) -> None:
    async def life() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sidecar.runtime.build", stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        assert b"started by `sidecar serve`" in said
        return process.returncode or 0

    assert asyncio.run(life()) == 2
