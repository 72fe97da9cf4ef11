"""The ports of one instance: taken before anything else is done, opened when there is somebody to answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from ..errors import RuntimeSetupError
from ..health.readiness import Readiness
from ..health.routes import admin_routes, health_routes
from ..health.server import HealthServer
from ..runtime import listen, lock
from ..runtime.secret import read_token
from ..runtime.settings import ServeSettings

DATA, HEALTH, ADMIN = "listen", "health", "admin"  # by the name of their flag


class Ports:
    """`bind` and `open_health` once each; `release` gives back what is still there."""

    def __init__(self, settings: ServeSettings, data: Path) -> None:
        self._settings = settings
        self._data = data
        self._listeners: dict[str, tuple[socket.socket, listen.ListenAddress]] = {}

    def bind(self) -> None:
        """Take every address that is set. RuntimeSetupError says who has it, where that is another instance."""
        for flag in (DATA, HEALTH, ADMIN):
            address: listen.ListenAddress | None = getattr(self._settings, flag)
            if address is None:
                continue
            try:
                listener = listen.bind(address, flag=f"--{flag}")
            except RuntimeSetupError as error:
                holder = lock.read_holder(self._data) if lock.is_held(self._data) else None
                who = f" (process {holder.pid} serves from {self._data})" if holder is not None else ""
                raise RuntimeSetupError(f"{error}{who}") from None
            self._listeners[flag] = (listener, listen.actual(listener, address))

    def open(self, flag: str) -> socket.socket:
        """From now callers may come."""
        listener, address = self._listeners[flag]
        listen.listen(listener, address, flag=f"--{flag}")
        return listener

    def close(self, flag: str) -> None:
        """Nobody can come any more."""
        listen.release(*self._listeners.pop(flag))

    def release(self) -> None:
        """All of them."""
        for flag in list(self._listeners):
            self.close(flag)

    def descriptor(self, flag: str) -> int:
        """For a process that answers there; -1 = there is no such port."""
        listener = self._listeners.get(flag)
        return listener[0].fileno() if listener is not None else -1

    def addresses(self) -> dict[str, str]:
        """By flag."""
        return {flag: str(address) for flag, (_, address) in self._listeners.items()}

    async def open_health(
        self, readiness: Callable[[], Readiness], reload: Callable[[], None], cleanup: contextlib.AsyncExitStack
    ) -> None:
        """Answer on the health port, and on the admin port where no observers' process does."""
        if HEALTH in self._listeners:
            await self._answer(HEALTH, HealthServer(health_routes(self._data, readiness)), cleanup)
        if ADMIN not in self._listeners:
            return
        if self._settings.observers == "on":
            self.open(ADMIN)
            return
        token = read_token(self._settings.admin_token_file, "--admin-token-file")
        await self._answer(ADMIN, HealthServer(*admin_routes(self._data, readiness, reload, token)), cleanup)

    async def _answer(self, flag: str, health: HealthServer, cleanup: contextlib.AsyncExitStack) -> None:
        server = await asyncio.get_running_loop().create_server(health.protocol, sock=self.open(flag))
        cleanup.callback(health.close)
        cleanup.callback(server.close)
