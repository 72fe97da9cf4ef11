"""The wiring of a worker: the only place that knows every concrete class of the hot half.

python -m sidecar.runtime.build --control-fd N
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from .. import __version__
from .. import policy as room
from ..errors import PolicyError, RuntimeSetupError
from ..exchange import STARTED, Kind, Transition, encode
from ..gateway import Gateway, GatewaySettings, ModelState, UpstreamTimeouts
from ..guard import Guard, Guards
from ..journal import StatsPage, Writer, page_path
from ..journal.progress import read_holds
from ..policy import Platform, Policy
from ..telemetry.events import is_good_news
from ..telemetry.sampling import sampled_below
from ..upstream import Pool, PoolLimits, parse_address
from . import log
from .compile import UpstreamLimits, compile_guard, limits_of
from .dropping import Dropping
from .memory import body_budget, give_memory_back, memory_limit
from .messages import Policies, Standing, WorkerSettings
from .publish import policy_path
from .secret import read_token
from .worker import main

JOURNAL_TICK_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 0.5
JUDGING_THREADS: Final = 2  # large bodies at a time: each takes some times its size, and they share one interpreter


class GatewayService:
    """A gateway with its journal stream, as a `worker.Service`."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(JUDGING_THREADS))
        self._log = log.logger().bind(worker=settings.worker)
        self._platform = room.platform_from_canonical(settings.platform.encode())
        self._tls = _tls(settings)
        self._page = StatsPage(page_path(Path(settings.data), f"hot-{settings.worker}"))
        self._journal = Writer(
            Path(settings.journal),
            f"hot-{settings.worker}",
            self._platform.journal,
            self._page,
            identity={"replica": settings.replica, "environment": self._platform.environment or ""},
            call_soon=self._loop.call_soon_threadsafe,
            holds=lambda: read_holds(Path(settings.data)),
        )
        self._dropping = Dropping(self._journal, self._page, self._say)
        self._tell(STARTED, detail=__version__)  # first of all: what this stream left without an end never gets one
        self._pools: dict[str, Pool] = {}
        self._gateway: Gateway | None = None
        self._server: asyncio.Server | None = None
        self._tick = self._loop.call_later(JOURNAL_TICK_SECONDS, self._on_tick)

    @property
    def in_flight(self) -> int:
        return self._gateway.in_flight if self._gateway is not None else 0

    @property
    def journal_refusing(self) -> bool:
        return not self._journal.accepting

    def apply(self, policies: Policies) -> None:
        canonicals = [self._read(digest) for digest in policies.digests]
        documents = [room.from_canonical(canonical) for canonical in canonicals]
        own_upstreams = not policies.upstream.startswith("unix:")  # only a flag says unix:, and a flag is for all
        guards = [_compile(document, own_upstream=own_upstreams) for document in documents]
        limits = limits_of(documents, self._platform)
        snapshot = Guards(guards, unmatched=self._settings.unmatched)
        pools = self._pools_for(policies.upstream, guards)
        for pool in pools.values():  # while all observe, nobody is refused for a slow connection (P9)
            pool.limits = PoolLimits(connect_timeout_seconds=limits.connect if snapshot.enforcing else None)
        gateway_settings = settings_of(self._platform, self._settings, limits, policies.environment)
        if self._gateway is None:
            self._gateway = Gateway(gateway_settings, snapshot, pools, self._journal, self._page, log=self._say)
            self._gateway.start()
        for guard, canonical in zip(guards, canonicals, strict=True):
            self._gateway.publish(guard, canonical)
        self._gateway.swap(snapshot, pools, gateway_settings)
        self._pools = pools

    def standing(self, news: Standing) -> None:
        if self._gateway is None:
            return
        self._gateway.standing.set_models(
            {name: ModelState(model.identity, model.version, model.ready) for name, model in news.models.items()}
        )
        self._gateway.standing.set_environment(news.wrong_environment)
        self._gateway.standing.not_ready = news.not_ready

    async def listen(self, listener: socket.socket) -> None:
        assert self._gateway is not None
        listener.setblocking(False)
        self._server = await self._loop.create_server(self._gateway.protocol, sock=listener, ssl=self._tls)

    def drain(self) -> None:
        if self._gateway is not None:
            self._gateway.drain()

    def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """What is left is cut; answers already written get a moment to leave."""
        self._tick.cancel()
        if self._server is not None:
            self._server.close()
        if self._gateway is not None:
            self._gateway.drain()
            deadline = self._loop.time() + FLUSH_SECONDS
            while self._gateway.connections and not self._gateway.in_flight and self._loop.time() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            self._gateway.close()
            deadline = self._loop.time() + FLUSH_SECONDS
            while self._gateway.connections and self._loop.time() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0)  # each is told that it is lost, and what it had begun is recorded
        self._tell("stopped")
        self._journal.close()
        self._page.close()

    def _read(self, digest: str) -> bytes:
        path = policy_path(Path(self._settings.data), digest)
        try:
            return path.read_bytes()
        except OSError as error:
            raise PolicyError(f"{path}: a published policy cannot be read ({error.strerror})") from None

    def _pools_for(self, default: str, guards: list[Guard]) -> dict[str, Pool]:
        """A pool per upstream; those that stay keep their connections. "" is the default one."""
        pools: dict[str, Pool] = {}
        for url in dict.fromkeys([default, *(guard.upstream for guard in guards if guard.upstream)]):
            pools[url] = self._pools.get(url) or self._pool(url)
        pools[""] = pools[default]
        return pools

    def _pool(self, url: str) -> Pool:
        return Pool(parse_address(url), clock=time.perf_counter)

    def _on_tick(self) -> None:
        self._journal.tick()
        self._dropping.look()
        self._tick = self._loop.call_later(JOURNAL_TICK_SECONDS, self._on_tick)

    def _tell(self, what: str, *, detail: str = "") -> None:
        """A control event of this process, in its own stream."""
        subject = f"hot-{self._settings.worker}"
        record = Transition(at_unix_ns=time.time_ns(), what=what, subject=subject, detail=detail)
        self._journal.append(Kind.TRANSITION, encode(record))

    def _say(self, event: str, fields: Mapping[str, Any]) -> None:
        (self._log.info if is_good_news(event, fields) else self._log.warning)(event, **fields)


def settings_of(
    platform: Platform, settings: WorkerSettings, limits: UpstreamLimits, environment: str
) -> GatewaySettings:
    """The platform's sections as the gateway's settings."""
    token = read_token(settings.feedback_token_file, "--feedback-token-file")
    return GatewaySettings(
        max_body_bytes=limits.max_body,
        buffered_bytes_budget=body_budget(
            memory_limit(), workers=settings.workers, observers=settings.observers, largest=limits.max_body
        ),
        max_in_flight=limits.max_in_flight,
        durability=platform.journal.durability,
        when_full=platform.journal.when_full,
        via=via_name(settings),
        max_payload_bytes=platform.journal.max_payload,
        upstream=UpstreamTimeouts(limits.first_byte, limits.idle, limits.total),
        trust_trace=platform.trace.trust == "continue",
        trace_sampled_below=sampled_below(platform.trace.sample),
        caller_header=platform.callers.from_,
        feedback_token=token,
        environment=environment,
    )


def via_name(settings: WorkerSettings) -> str:
    """Our name in `Via`: the same in every worker, another one in every other sidecar, so that only a loop meets it."""
    seed = f"{settings.replica}\0{settings.data}".encode()
    return f"sidecar-{blake2b(seed, digest_size=4).hexdigest()}"


def _compile(policy: Policy, *, own_upstream: bool) -> Guard:
    try:
        return compile_guard(policy, own_upstream=own_upstream)
    except ValueError as error:
        raise PolicyError(f"policy {policy.name}: {error}") from None


def _tls(settings: WorkerSettings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise RuntimeSetupError(
            f"--tls-cert {settings.tls_cert} with --tls-key {settings.tls_key}: cannot be used ({error}); "
            "give PEM files that belong together, the key without a passphrase"
        ) from None
    return context


async def build(settings: WorkerSettings) -> GatewayService:
    """For `worker.main`."""
    give_memory_back()
    log.configure()
    return GatewayService(settings)


if __name__ == "__main__":
    sys.exit(main(build))
