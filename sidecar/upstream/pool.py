"""Connections to one upstream: kept alive, last used first, never shared between two requests at a time.

Decisions are plain state changes; the only I/O is opening a connection. Nothing waits in a queue: a caller gets an
idle leg at once, or a new connection is opened for it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ..errors import UpstreamFault
from .address import Address
from .answer import AnswerReader
from .leg import Consumer, Leg


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """`connect_timeout_seconds` None = the system's; `max_idle` connections are kept for `idle_seconds`."""

    connect_timeout_seconds: float | None = 5.0
    max_idle: int = 256
    idle_seconds: float = 55.0


class Pool:
    """The legs of one `Address`."""

    def __init__(
        self,
        address: Address,
        limits: PoolLimits | None = None,
        *,
        context: ssl.SSLContext | None = None,
        clock: Callable[[], float],
    ) -> None:
        self.address = address
        self.limits = limits or PoolLimits()
        self.reader = AnswerReader()  # the gateway puts its own in place
        self._clock = clock
        self._context = context if context is not None else address.ssl_context()
        self._idle: list[Leg] = []
        self._legs: set[Leg] = set()
        self._opening: dict[Consumer, asyncio.Task[None]] = {}
        self._single_use_until = 0.0

    @property
    def open_connections(self) -> int:
        """Connections that exist now."""
        return len(self._legs)

    def acquire(self, consumer: Consumer) -> None:
        """`consumer.leg_ready` is called now (an idle leg) or later, or `reply_failed` with CONNECT(_TIMEOUT)."""
        while self._idle:
            leg = self._idle.pop()
            if leg.alive():
                consumer.leg_ready(leg)
                return
            if leg.exchanges == 1:
                self._single_use()
            leg.close_when_idle()
        self._opening[consumer] = self._spawn(self._open(consumer))

    def withdraw(self, consumer: Consumer) -> None:
        """The consumer of a pending `acquire` is gone."""
        task = self._opening.pop(consumer, None)
        if task is not None:
            task.cancel()

    def release(self, leg: Leg) -> None:
        """An answer ended cleanly: keep the connection for the next one."""
        if len(self._idle) >= self.limits.max_idle or self._clock() < self._single_use_until:
            leg.close_when_idle()
            return
        leg.idle_since = self._clock()
        self._idle.append(leg)

    def forget(self, leg: Leg) -> None:
        """The connection is gone."""
        self._legs.discard(leg)
        if leg in self._idle:
            self._idle.remove(leg)
            if leg.exchanges == 1 and self._clock() - leg.idle_since < 1.0:
                self._single_use()

    def _single_use(self) -> None:
        """A server that hangs up silently after each answer makes every reuse a race: do without for a while."""
        self._single_use_until = self._clock() + 30.0

    def expire(self, now: float) -> None:
        """Close connections idle for longer than the limit; called by the gateway's tick."""
        limit = now - self.limits.idle_seconds
        for leg in [leg for leg in self._idle if leg.idle_since < limit]:
            leg.close_when_idle()

    def retire(self) -> None:
        """No policy uses this upstream any more: idle connections end now, the others with their answer."""
        self._single_use_until = float("inf")
        for leg in list(self._idle):
            leg.close_when_idle()

    def close(self) -> None:
        """Drop every connection."""
        for task in list(self._opening.values()):
            task.cancel()
        for leg in list(self._legs):
            leg.close_when_idle()

    @staticmethod
    def _spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    async def _open(self, consumer: Consumer) -> None:
        loop = asyncio.get_running_loop()
        address = self.address
        try:
            async with asyncio.timeout(self.limits.connect_timeout_seconds):
                if address.path:
                    _, leg = await loop.create_unix_connection(lambda: Leg(self), address.path)
                else:
                    _, leg = await loop.create_connection(
                        lambda: Leg(self),
                        address.host,
                        address.port,
                        ssl=self._context,
                        server_hostname=address.host if self._context is not None else None,
                    )
        except TimeoutError:
            self._refuse(consumer, UpstreamFault.CONNECT_TIMEOUT, "no connection in time")
        except OSError as error:  # ssl.SSLError is one
            self._refuse(consumer, UpstreamFault.CONNECT, f"no connection to the model server: {type(error).__name__}")
        else:
            self._legs.add(leg)
            if self._opening.pop(consumer, None) is None:  # withdrawn while the connection was being made
                leg.close_when_idle()
                return
            consumer.leg_ready(leg)

    def _refuse(self, consumer: Consumer, fault: UpstreamFault, message: str) -> None:
        if self._opening.pop(consumer, None) is not None:
            consumer.reply_failed(fault, message)
