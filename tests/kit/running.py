"""A real gateway on a loopback port, with a real journal and stats page, in front of a scripted model server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.exchange import Close, Exchange, Kind
from sidecar.gateway import Gateway, GatewaySettings
from sidecar.guard import Guard, Guards
from sidecar.journal import Hold, JournalSettings, Read, Reader, StatsPage, Writer
from sidecar.telemetry.metrics import Metric
from sidecar.upstream import Address, Pool, PoolLimits

from .client import Answer, Client, ask, connected
from .upstream import Script, Upstream, serving


@dataclass
class Running:
    """What a test holds: both ends, and everything that was written down."""

    gateway: Gateway
    upstream: Upstream
    port: int
    journal: Path
    page: StatsPage
    pool: Pool
    said: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    async def ask(self, data: bytes, method: str = "POST") -> Answer:
        """One request on a connection of its own."""
        return await ask(self.port, data, method)

    def connected(self) -> AbstractAsyncContextManager[Client]:
        """A caller's connection."""
        return connected(self.port)

    def frames(self, kind: Kind | None = None) -> list[Read]:
        """What a reader finds in the journal now."""
        return [read for read in Reader(self.journal).read() if kind is None or read.kind == kind]

    def exchanges(self) -> list[Exchange]:
        """Every finished exchange in the journal, streamed ones too."""
        found: list[Exchange] = []
        for read in self.frames():
            if isinstance(read.record, Close):
                found.append(read.record.exchange)
            elif isinstance(read.record, Exchange):
                found.append(read.record)
        return found

    def exchange(self) -> Exchange:
        """The only one."""
        (found,) = self.exchanges()
        return found

    def payloads(self) -> tuple[bytes, ...]:
        """The bodies kept with the only exchange."""
        (read,) = [read for read in self.frames() if read.kind in (Kind.EXCHANGE, Kind.CLOSE)]
        return read.payloads

    def count_all(self, metric: Metric) -> int:
        """How often a histogram observed anything."""
        return int(sum(self.page.counters[metric.slot : metric.slot + metric.width - 1]))

    def count(self, metric: Metric, *labels: str) -> int:
        """A counter's value now."""
        return int(self.page.counters[metric.at(*labels)])


@asynccontextmanager
async def running(
    tmp_path: Path,
    scripts: Mapping[str, Script] | None = None,
    *,
    default: Script | None = None,
    guards: Sequence[Guard] = (),
    unmatched: str = "auto",
    settings: GatewaySettings | None = None,
    journal: JournalSettings | None = None,
    limits: PoolLimits | None = None,
    upstream_port: int | None = None,
    holds: Sequence[Hold] = (),
) -> AsyncIterator[Running]:
    """Gateway and upstream for the length of a block. `upstream_port` puts the gateway in front of another port."""
    loop = asyncio.get_running_loop()
    folder = tmp_path / "journal"
    page = StatsPage()
    writer = Writer(
        folder,
        "hot-0",
        journal or JournalSettings(),
        page,
        identity={},
        call_soon=loop.call_soon_threadsafe,
        holds=lambda: holds,
    )
    async with serving(scripts, default) as upstream:
        port = upstream.port if upstream_port is None else upstream_port
        address = Address(f"http://127.0.0.1:{port}", "127.0.0.1", port)
        pool = Pool(address, limits, clock=time.perf_counter)
        said: list[tuple[str, Mapping[str, str]]] = []
        gateway = Gateway(
            settings or GatewaySettings(),
            Guards(guards, unmatched=unmatched),
            {"": pool},
            writer,
            page,
            log=lambda event, fields: said.append((event, fields)),
        )
        gateway.start()
        server = await loop.create_server(gateway.protocol, "127.0.0.1", 0)
        try:
            yield Running(gateway, upstream, server.sockets[0].getsockname()[1], folder, page, pool, said)
        finally:
            server.close()
            gateway.close()
            writer.close()
            page.close()
