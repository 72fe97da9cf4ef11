"""A worker whose service is a few lines of HTTP: the supervisor is tried without a gateway.

GET / answers {"pid", "policies", "not_ready", "identity"}; /until?FILE only once that file is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from sidecar.errors import PolicyError
from sidecar.runtime.messages import Policies, Standing, WorkerSettings
from sidecar.runtime.publish import policy_path
from sidecar.runtime.worker import main


class StandIn:
    """A `worker.Service`."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._policies: list[str] = []
        self._news = Standing()
        self._closing = False
        self._server: asyncio.Server | None = None
        self.in_flight = 0
        self.journal_refusing = False

    def apply(self, policies: Policies) -> None:
        contents = [policy_path(Path(self._settings.data), digest).read_text() for digest in policies.digests]
        if any("unworkable" in content for content in contents):
            raise PolicyError("this worker cannot work with that")
        self._policies = contents

    def standing(self, news: Standing) -> None:
        self._news = news

    async def listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._server = await asyncio.start_server(self._serve, sock=listener)

    def drain(self) -> None:
        self._closing = True

    def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        self.stop_accepting()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        self.in_flight += 1
        path = head.split()[1].decode()
        while path.startswith("/until?") and not Path(path[7:]).exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.005)
        identity = {name: model.identity for name, model in self._news.models.items()}
        facts = {
            "pid": os.getpid(),
            "policies": self._policies,
            "not_ready": self._news.not_ready,
            "wrong_environment": self._news.wrong_environment,
            "identity": identity,
        }
        body = json.dumps(facts).encode()
        close = b"connection: close\r\n" if self._closing else b""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + close)
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()
        self.in_flight -= 1


async def build(settings: WorkerSettings) -> StandIn:
    if settings.platform == '{"fail":true}':
        raise PolicyError("this worker was told to fail")
    if settings.platform == '{"crash":true}':
        sys.exit(7)
    return StandIn(settings)


if __name__ == "__main__":
    sys.exit(main(build))
