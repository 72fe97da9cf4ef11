"""A gateway, its journal, and a shadow observer over it in this process, in front of scripted servers."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.exchange import Exchange, Kind, Shadow, encode
from sidecar.guard import Guard
from sidecar.journal import Cursor, JournalSettings, Read, Reader, StatsPage, Writer
from sidecar.observers import Context
from sidecar.observers.shadow import ShadowObserver
from sidecar.policy import Policy, load, to_canonical
from sidecar.runtime.compile import compile_guard
from sidecar.shadow import State
from tests.kit.client import DEADLINE_SECONDS
from tests.kit.guards import CREDIT, INFER, rows, scores
from tests.kit.guards import policy as policy_text
from tests.kit.upstream import answer, replies

SECRET = b"a shared secret of thirty-two bytes"
ANSWER = scores(0.25, model_version="14")
JSON = b"Content-Type: application/json"
BODY = rows([30, 1000.5])
GOOD = replies(answer(scores(0.25, model_version="15")))


def shadowed(tmp_path: Path, *candidates: str, contract: str = CREDIT) -> Policy:
    """The credit policy with candidates, each one line of flow YAML without its braces."""
    file = tmp_path / "policy.yaml"
    lines = "".join(f"  - {{{line}}}\n" for line in candidates)
    file.write_text(policy_text(contract) + ("shadow:\n" + lines if lines else ""))
    loaded = load([file])
    assert not loaded.errors, loaded.findings
    return loaded.policies[0]


def candidate(port: int, more: str = "compare: {score: {tolerance: 0.02}}", *, name: str = "v15") -> str:
    """A candidate on a loopback port."""
    return f"candidate: {name}, upstream: 'http://127.0.0.1:{port}'" + (f", {more}" if more else "")


class Books:
    """An `observers.base.Book` of policies at hand."""

    def __init__(self, *policies: Policy) -> None:
        self._guards: dict[str, Guard] = {}
        self._documents: dict[str, Mapping[str, Any]] = {}
        for policy in policies:
            self.learn(policy)

    def learn(self, policy: Policy) -> Guard:
        guard = compile_guard(policy)
        self._guards[guard.identity.digest] = guard
        self._documents[guard.identity.digest] = json.loads(to_canonical(policy))
        return guard

    def replace(self, digest: str, guard: Guard) -> None:
        self._guards[digest] = guard

    def guard(self, digest: str) -> Guard | None:
        return self._guards.get(digest)

    def document(self, digest: str) -> Mapping[str, Any] | None:
        return self._documents.get(digest)


def world(tmp_path: Path, port: int, more: str = "compare: {score: {tolerance: 0.02}}") -> tuple[Books, Guard]:
    """A book with one policy and one candidate, and the guard the gateway judges by."""
    tmp_path.mkdir(exist_ok=True)
    books = Books()
    return books, books.learn(shadowed(tmp_path, candidate(port, more)))


@dataclass
class Observing:
    """An observer at work, pumped by the test: `settle` reads until nothing is left and nothing is in flight."""

    observer: ShadowObserver
    context: Context
    cursor: Cursor
    said: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.observer.state

    @property
    def only(self) -> dict[str, Any]:
        """The snapshot of the only candidate."""
        (found,) = self.observer.snapshot()["candidates"]
        assert isinstance(found, dict)
        return found

    def outcomes(self) -> dict[str, int]:
        """Of the only candidate, without those that never came."""
        return {name: count for name, count in self.only["outcomes"].items() if count}

    async def read(self) -> int:
        """One round; how many frames there were."""
        reader = Reader(self.context.journal, self.cursor)
        batch = [read for read in reader.read(256) if read.kind in self.observer.kinds]
        self.cursor = reader.cursor
        if batch:
            await self.observer.take(batch)
        return len(batch)

    async def settle(self) -> None:
        """Every copy has its record and every record is in the sums."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while await self.read() or self.observer.snapshot()["open"]:
            assert time.monotonic() < deadline, self.observer.snapshot()
            await asyncio.sleep(0.002)

    async def commit(self) -> None:
        await self.observer.commit(self.cursor)

    def frames(self) -> list[Read]:
        """Every SHADOW frame in the journal."""
        return [read for read in Reader(self.context.journal).read() if read.kind == Kind.SHADOW]

    def records(self) -> list[Shadow]:
        return [read.record for read in self.frames() if isinstance(read.record, Shadow)]

    def record(self) -> Shadow:
        """The only one."""
        (found,) = self.records()
        return found


@asynccontextmanager
async def observing(
    tmp_path: Path,
    books: Books,
    *,
    secret: bytes = SECRET,
    replicas: int = 1,
    wall: Callable[[], int] = time.time_ns,
    crash: bool = False,
    journal: JournalSettings | None = None,
) -> AsyncIterator[Observing]:
    """An observer over `tmp_path/journal`. `crash` leaves it without a word: no close, no commit."""
    page = StatsPage()
    loop = asyncio.get_running_loop()
    writer = Writer(
        tmp_path / "journal", "cold", journal or JournalSettings(), page, identity={},
        call_soon=loop.call_soon_threadsafe,
    )  # fmt: skip
    said: list[tuple[str, Mapping[str, Any]]] = []
    context = Context(
        data=tmp_path,
        journal=tmp_path / "journal",
        replica="",
        environment="",
        book=books,
        stats=page,
        cold=writer,
        log=lambda event, fields: said.append((event, fields)),
        secret=secret,
    )
    observer = ShadowObserver(context, replicas=replicas, wall=wall)
    try:
        yield Observing(observer, context, await observer.open(), said)
    finally:
        if crash:
            for mirror in observer._mirrors.values():
                mirror.close()
        else:
            await observer.close()
        writer.close()
        page.close()


class Tape:
    """Exchange frames as a gateway writes them, written by hand: for drives that need thousands, or odd ones."""

    def __init__(self, tmp_path: Path, digest: str) -> None:
        self.page = StatsPage()
        self.writer = Writer(tmp_path / "journal", "hot-0", JournalSettings(), self.page, identity={})
        self.digest = digest
        self.count = 0
        self._random = random.Random(7)

    def __enter__(self) -> Tape:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        self.page.close()

    def exchange(self, request: bytes = b"", reply: bytes = ANSWER, **fields: Any) -> Exchange:
        """One answered call with its bodies."""
        self.count += 1
        request = request or rows([30, 1000.5])
        facts: dict[str, Any] = {
            "prediction_id": f"{self._random.getrandbits(128):032x}",
            "request_id": f"request-{self.count}",
            "started_unix_ns": 1_800_000_000_000_000_000 + self.count,
            "trace_id": "a" * 32,
            "span_id": "b" * 16,
            "parent_span_id": "",
            "client_span_id": "c" * 16,
            "trace_flags": 3,
            "method": "POST",
            "target": INFER,
            "route": "/v2/models/{model}/infer",
            "route_kind": "inference",
            "protocol": "oip",
            "model_name": "credit",
            "policy_digest": self.digest,
            "model_version": "14",
            "version_source": "body",
            "identity": "unstated",
            "mode": "enforce",
            "verdict": "ok",
            "would": "ok",
            "reason": "",
            "rows": 1,
            "status": 200,
            "upstream_status": 200,
            "request_headers": (("content-type", "application/json"),),
            "request_bytes": len(request),
            "response_bytes": len(reply),
            **fields,
        }
        record = Exchange(**facts)
        payloads = (request, reply) if request or reply else ()
        assert self.writer.append(Kind.EXCHANGE, encode(record), payloads)
        return record
