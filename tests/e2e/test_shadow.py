"""Candidates at their worst, in front of the sidecar as people start it: the caller never knows that they exist."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import socket
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.exchange import Exchange, Shadow
from sidecar.journal import Reader
from tests.kit.client import Answer, connected, request
from tests.kit.client import eventually as until
from tests.kit.upstream import Asked, Script, Upstream, answer, hangs, replies, resets, serving

from .processes import Sidecar, children, eventually, gone, kill

pytestmark = pytest.mark.anyio

INFER = "/v2/models/credit/infer"
POLICY = """policy: credit
version: 1.0.0
owner: {{team: risk}}
model: {{protocol: oip, name: credit, columns: {{input-0: [age, income]}}}}
journal: {{max_payload: 8MiB}}
contract:
  mode: enforce
  features:
    age: {{type: int, min: 0, max: 120}}
    income: {{type: float, min: 0, max: 1000000, on_violation: clamp}}
  prediction:
    score: {{type: float, min: 0, max: 1}}
shadow: [{candidates}]
"""
# What no two answers share
OWN = {b"x-prediction-id", b"x-request-id", b"server-timing", b"x-policy", b"date"}
PRIMARY = json.dumps(
    {
        "model_name": "credit",
        "model_version": "14",
        "outputs": [{"name": "score", "shape": [1], "datatype": "FP64", "data": [0.25]}],
    }
).encode()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def body(number: int = 0, note: str = "") -> bytes:
    tensor = {"name": "input-0", "shape": [1, 2], "datatype": "FP64", "data": [30, number - 5]}  # some are clamped
    return json.dumps({"inputs": [tensor], **({"parameters": {"note": note}} if note else {})}).encode()


def candidate(name: str, port: int, more: str = "limits: {timeout: 60s}") -> str:
    compare = "compare: {score: {tolerance: 0.02}}"
    return f"{{candidate: {name}, upstream: 'http://127.0.0.1:{port}', {compare}, {more}}}"


def write_policy(folder: Path, *candidates: str) -> None:
    """With these candidates."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.yaml").write_text(POLICY.format(candidates=", ".join(candidates)))


@asynccontextmanager
async def guarded(folder: Path, primary: Upstream, *candidates: str) -> AsyncIterator[Sidecar]:
    """The sidecar with both halves, ready."""
    await asyncio.to_thread(write_policy, folder, *candidates)
    flags = ["--upstream", f"http://127.0.0.1:{primary.port}", "--policy", "policy.yaml"]
    flags += ["--observers", "on", "--admin", "127.0.0.1:0"]
    sidecar = Sidecar(folder, *flags)
    try:
        await asyncio.to_thread(sidecar.until_ready)
        yield sidecar
    finally:
        await asyncio.to_thread(sidecar.__exit__)


def cold_of(sidecar: Sidecar) -> int:
    """The observers' process, 0 where there is none."""
    for child in children(int(sidecar.running()["pid"])):
        if b"sidecar.cold.process" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    return 0


def shadows(sidecar: Sidecar) -> list[Shadow]:
    reads = Reader(sidecar.journal).read()
    return [read.record for read in reads if isinstance(read.record, Shadow)]


def exchanges(sidecar: Sidecar) -> list[Exchange]:
    return [read.record for read in Reader(sidecar.journal).read() if isinstance(read.record, Exchange)]


def told(sidecar: Sidecar) -> dict[str, dict[str, Any]]:
    """`/api/shadow` by candidate."""
    found = httpx.get(f"http://{sidecar.running()['admin']}/api/shadow", timeout=60, trust_env=False).json()
    return {one["candidate"]: one for one in found["candidates"]}


async def all_recorded(sidecar: Sidecar, number: int, candidates: int = 1) -> None:
    """Every exchange has its record for each candidate."""
    await until(lambda: len(shadows(sidecar)) >= number * candidates, f"{number * candidates} records of copies")


def seen(found: Answer) -> str:
    """All that a caller sees of an answer, but for what no two answers share."""
    headers = [(name, value) for name, value in found.headers if name.lower() not in OWN]
    return hashlib.sha256(repr((found.status, found.reason, headers, found.body)).encode()).hexdigest()


async def ask_many(sidecar: Sidecar, numbers: range) -> tuple[list[str], list[float]]:
    """(what was seen, seconds taken) of a request each."""
    port = await asyncio.to_thread(lambda: sidecar.port)
    answers, seconds = [], []
    async with connected(port) as client:
        for number in numbers:
            began = time.perf_counter()
            await client.send(request(INFER, body(number), b"content-type: application/json"))
            answers.append(seen(await client.answer()))
            seconds.append(time.perf_counter() - began)
    return answers, seconds


async def _endless(asked: Asked) -> None:
    await asked.body()
    await asked.send(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nSet-Cookie: a=b\r\n\r\n")
    while not asked.received.connection_closed.is_set():
        await asked.send(b"data: more\n\n")
        await asyncio.sleep(0.001)


async def _gigabyte(asked: Asked) -> None:
    await asked.body()
    await asked.send(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
    for _ in range(16384):
        await asked.send(b"x" * 65536)


async def _slow(asked: Asked) -> None:
    await asked.body()
    await asyncio.sleep(30)
    await asked.send(answer(PRIMARY))


WORST: dict[str, Script] = {
    "says-500": replies(answer(b"{}", 500, [(b"Set-Cookie", b"stolen=1"), (b"X-Model-Version", b"99")])),
    "gigabyte": _gigabyte,
    "endless": _endless,
    "hung": hangs,
    "slow": _slow,
    "resets": resets,
}


@asynccontextmanager
async def never_accepts() -> AsyncIterator[int]:
    """A port whose queue is full: connections to it hang."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = int(listener.getsockname()[1])
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    try:
        yield port
    finally:
        for one in (*fillers, listener):
            one.close()


async def test_c46_no_influence_on_a_single_byte(tmp_path: Path) -> None:
    """Six hostile candidates at once: status, headers and body are what they are without any."""
    many = range(60)
    async with serving(default=replies(answer(PRIMARY))) as primary:
        async with guarded(tmp_path / "off", primary) as sidecar:
            without, _ = await ask_many(sidecar, many)
        async with together([serving(default=script) for script in WORST.values()]) as servers:
            patience = {"says-500": "limits: {timeout: 60s}"}  # its answers are there, on a busy machine, too
            named = [
                candidate(name, server.port, patience.get(name, "limits: {timeout: 300ms}"))
                for name, server in zip(WORST, servers, strict=True)
            ]
            async with guarded(tmp_path / "on", primary, *named) as sidecar:
                with_them, _ = await ask_many(sidecar, many)
                await all_recorded(sidecar, len(many), len(WORST))
                outcomes = {name: Counter[str]() for name in WORST}
                for record in shadows(sidecar):
                    outcomes[record.candidate][record.outcome] += 1
    assert with_them == without
    assert all(sum(found.values()) == len(many) for found in outcomes.values())
    assert not any(found["compared"] for found in outcomes.values())
    assert outcomes["says-500"]["shadow_error"] > 0
    assert set(outcomes["hung"]) <= {"shadow_timeout", "dropped_queue"}


@pytest.mark.parametrize("what", ["hung", "slow", "resets", "gigabyte", "never accepts", "dead"])
async def test_c43_latency_of_callers_is_not_the_candidates(tmp_path: Path, what: str) -> None:
    """A loose bound that a busy machine keeps; `python -m bench shadow` measures the p99 beside its A/A interval."""
    async with together([never_accepts()]) as (full,), serving(default=WORST.get(what)) as other:
        port = other.port if what in WORST else full
        if what == "dead":
            await other.stop()
            port = other.port
        async with serving(default=replies(answer(PRIMARY))) as primary:
            async with guarded(tmp_path / "off", primary) as sidecar:
                _, without = await ask_many(sidecar, range(300))
            async with guarded(tmp_path / "on", primary, candidate("v15", port, "limits: {timeout: 30s}")) as sidecar:
                _, with_it = await ask_many(sidecar, range(300))
        assert statistics.median(with_it) <= 5 * statistics.median(without) + 0.01
        assert max(with_it) < 30.0  # a caller who waited for the candidate would have waited that long


async def test_c48_pairing_through_processes_killed_again_and_again(tmp_path: Path) -> None:
    """`kill -9` of the observers while copies fly: no copy is sent twice, every sampled call has exactly one record,
    and the sums are those of the records."""
    sent: Counter[bytes] = Counter()

    async def remembers(asked: Asked) -> None:
        await asked.body()
        sent.update(asked.received.values(b"x-shadow-of"))
        await asyncio.sleep(0.02)
        await asked.send(answer(PRIMARY))

    async with serving(default=replies(answer(PRIMARY))) as primary, serving(default=remembers) as model:
        named = candidate("v15", model.port, "sample: 50%, limits: {in_flight: 4, timeout: 60s}")
        async with guarded(tmp_path, primary, named) as sidecar:
            total = 0
            for number in range(5):
                pid = await asyncio.to_thread(eventually_cold, sidecar)
                await ask_many(sidecar, range(total, total + 60))
                total += 60
                await until(lambda: len(sent) > 20 * number, "copies on their way")  # noqa: B023
                kill(pid)
                await asyncio.to_thread(gone, [pid])
            await asyncio.to_thread(eventually_cold, sidecar)

            def settled() -> bool:
                found = told(sidecar).get("v15")
                return found is not None and sum(found["outcomes"].values()) == total and not found.get("open")

            await until(lambda: _quietly(settled), "all of them in the sums")
            records, sums = shadows(sidecar), told(sidecar)["v15"]
            named_by = {record.prediction_id: record for record in exchanges(sidecar)}
    assert all(count == 1 for count in sent.values()), [name for name, count in sent.items() if count > 1]
    assert len({record.prediction_id for record in records}) == len(records)
    assert all(named_by[record.prediction_id].request_id == record.request_id for record in records)
    by_outcome = Counter(record.outcome for record in records)
    assert sums["outcomes"]["not_sampled"] == total - len(records)
    for outcome, count in by_outcome.items():
        assert sums["outcomes"][outcome] == count
    assert by_outcome["compared"] >= 30


@pytest.mark.slow
async def test_c45_memory_of_the_observers_stays_flat(tmp_path: Path) -> None:
    """The candidate hangs while large bodies come: what waits is bounded, the rest is dropped and counted."""
    large = "x" * (4 * 1024 * 1024)
    async with serving(default=replies(answer(PRIMARY))) as primary, serving(default=hangs) as model:
        named = candidate("v15", model.port, "limits: {queue_bytes: 32MiB, timeout: 10s}")
        async with guarded(tmp_path, primary, named) as sidecar:
            port = await asyncio.to_thread(lambda: sidecar.port)
            pid = await asyncio.to_thread(eventually_cold, sidecar)
            peaks_mib = []
            for total in (60, 120):
                async with connected(port) as client:
                    for number in range(total - 60, total):
                        await client.send(request(INFER, body(number, large), b"content-type: application/json"))
                        assert (await client.answer()).status == 200

                def all_told() -> bool:
                    return int(sum(told(sidecar)["v15"]["outcomes"].values())) == total  # noqa: B023

                await asyncio.to_thread(eventually, lambda: _quietly(all_told))
                peaks_mib.append(_peak_mib(pid))
            assert await asyncio.to_thread(eventually_cold, sidecar) == pid, "it was never restarted"
            outcomes = told(sidecar)["v15"]["outcomes"]
    assert outcomes["dropped_bytes"] >= 20
    first, second = peaks_mib
    assert second - first < 64, f"{first} MiB, then {second} MiB, after 240 MiB more of bodies"
    assert second < 256, f"{second} MiB: the tape of all observers, the queue, and what they are made of"


async def test_a_reload_takes_candidates_away_and_brings_others(tmp_path: Path) -> None:
    scripts = [serving(default=replies(answer(PRIMARY))) for _ in range(3)]
    async with (
        together(scripts) as (primary, old, new),
        guarded(tmp_path, primary, candidate("v15", old.port)) as sidecar,
    ):
        await ask_many(sidecar, range(5))
        await until(lambda: len(old.requests) == 5, "copies to the first")
        write_policy(tmp_path, candidate("v16", new.port))
        sidecar.tell(signal.SIGHUP)
        await until(lambda: sidecar.events("policy.loaded"), "the new policy")
        await ask_many(sidecar, range(5))
        await until(lambda: len(new.requests) == 5, "copies to the second")
        assert len(old.requests) == 5
        await until(lambda: _quietly(lambda: {"v15", "v16"} <= set(told(sidecar))), "both in the sums")


def eventually_cold(sidecar: Sidecar) -> int:
    """As `cold_of`, once there is one."""
    return eventually(lambda: cold_of(sidecar))


def _peak_mib(pid: int) -> int:
    """The most memory a process has had."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024


def _quietly(look: Callable[[], bool]) -> bool:
    """False while the observers' process is away."""
    try:
        return look()
    except (httpx.TransportError, KeyError, ValueError):
        return False


@asynccontextmanager
async def together(managers: list[Any]) -> AsyncIterator[list[Any]]:
    """All of them, for the length of a block."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(manager) for manager in managers]
