"""From the first process to the last byte: start in any order, drain in order, live through a worker's death (P7)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.kit.client import Answer, HungUpError, ask, connected, request

from .books import Books
from .load import INFER, Load, row
from .processes import BENCH_POLICY, Model, Sidecar, children, eventually, gone, kill, refuses

SLOW = INFER + "?wait=600"
STREAM = "/v2/models/bench/generate_stream?events=20&every=0.01"

T = TypeVar("T")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with Model(tmp_path_factory.mktemp("model")) as running:
        yield running


def serve(folder: Path, model: Model, *flags: str) -> Sidecar:
    return Sidecar(folder, "--upstream", model.url, "--policy", str(BENCH_POLICY), *flags)


def infer(request_id: str, target: str = INFER) -> bytes:
    return request(target, row(0.5), b"x-request-id: " + request_id.encode())


async def off_loop(look: Callable[[], T]) -> T:
    return await asyncio.to_thread(look)


def in_flight(sidecar: Sidecar) -> float:
    return sidecar.metric("sidecar_in_flight_requests")


class TestDrain:
    def test_all_in_flight_complete_while_new_ones_are_still_accepted(self, tmp_path: Path, model: Model) -> None:
        go = tmp_path / "go"
        held = f"until={go}"
        with serve(tmp_path, model, "--pre-stop", "10s", "--drain-timeout", "60s") as sidecar:
            sidecar.until_ready()
            port, health = sidecar.port, sidecar.health

            async def stream() -> bytes:
                async with connected(port) as client:
                    await client.send(request(f"{STREAM}&{held}", row(0.5), b"x-request-id: stream"))
                    answer = await client.answer()
                    assert await client.closed()
                    return answer.body

            async def slow(number: int) -> Answer:
                async with connected(port) as client:
                    await client.send(infer(f"slow-{number}", f"{INFER}?{held}"))
                    answer = await client.answer()
                    assert await client.closed()
                    return answer

            async def scenario() -> None:
                async with connected(port) as idle, connected(port) as pipelined:
                    begun = [asyncio.create_task(slow(number)) for number in range(20)]
                    streaming = asyncio.create_task(stream())
                    await pipelined.send(infer("first", f"{INFER}?{held}") + infer("second"))
                    await off_loop(lambda: eventually(lambda: in_flight(sidecar) == 22))
                    sidecar.tell(signal.SIGTERM)
                    reasons = await off_loop(lambda: eventually(lambda: sidecar.readyz()[1]["reasons"]))
                    assert reasons == ["draining: this process is about to stop"]
                    late = await ask(port, infer("late"))
                    assert (late.status, late.value("connection")) == (200, "close")
                    own = await ask(port, request("/_sidecar/readyz"), "GET")
                    assert own.status == 503
                    assert (await off_loop(lambda: httpx.get(f"{health}/healthz", timeout=60))).status_code == 200
                    assert await idle.closed(), "an idle connection has nothing to wait for"
                    await off_loop(lambda: eventually(lambda: refuses(port)))  # the window has ended
                    go.touch()
                    answers = await asyncio.gather(*begun)
                    assert [answer.status for answer in answers] == [200] * 20
                    assert {answer.value("connection") for answer in answers} == {"close"}
                    assert (await streaming).decode().split() == [
                        w for n in range(20) for w in ("data:", "stream", str(n))
                    ]
                    assert (await pipelined.answer()).status == 200

            asyncio.run(scenario())
            assert sidecar.ended() == 0
            assert sidecar.events("drain.finished")[0]["cut"] == 0
            assert "Traceback" not in sidecar.said()
        books = Books(sidecar.journal).read()
        names = {f"slow-{number}" for number in range(20)} | {"stream", "first", "late"}
        assert names <= set(books.exchanges)
        assert not books.interrupted
        assert all(found[0].status == 200 and not found[0].error for found in books.exchanges.values())

    def test_second_signal_ends_it_fast_and_invents_no_answer(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, model, "--pre-stop", "600s") as sidecar:
            sidecar.until_ready()
            port = sidecar.port

            async def scenario() -> None:
                async with connected(port) as client, connected(port) as streaming:
                    await client.send(infer("cut", SLOW))
                    await streaming.send(request(f"{STREAM}&until=/never", row(0.5), b"x-request-id: cut-stream"))
                    assert (await streaming.head()).status == 200
                    await off_loop(lambda: eventually(lambda: in_flight(sidecar) == 2))
                    sidecar.tell(signal.SIGTERM)
                    await off_loop(lambda: eventually(lambda: sidecar.events("drain.started")))
                    sidecar.tell(signal.SIGTERM)
                    with pytest.raises(HungUpError) as cut:
                        await client.answer()
                    assert cut.value.partial == b"", "no 500 in the model's place"
                    assert not (await streaming.rest()).endswith(b"0\r\n\r\n"), "no end that was none"

            asyncio.run(scenario())
            assert sidecar.ended() == 1
            assert sidecar.events("drain.finished")[0]["cut"] == 2
            assert "Traceback" not in sidecar.said()
        books = Books(sidecar.journal).read()
        assert {name: found[0].error for name, found in books.exchanges.items()} == {
            "cut": "client_abort",
            "cut-stream": "client_abort",
        }

    def test_deadline_cuts_what_hangs(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, model, "--drain-timeout", "300ms", "--workers", "2") as sidecar:
            sidecar.until_ready()
            port = sidecar.port

            async def scenario() -> None:
                async with connected(port) as client:
                    await client.send(infer("hangs", SLOW))
                    await off_loop(lambda: eventually(lambda: in_flight(sidecar) == 1))
                    sidecar.tell(signal.SIGTERM)
                    with pytest.raises(HungUpError):
                        await client.answer()

            asyncio.run(scenario())
            assert sidecar.ended() == 1

    def test_under_load_nothing_is_lost(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, model, "--pre-stop", "300ms", "--workers", "2") as sidecar:
            sidecar.until_ready()
            with Load(sidecar.port, "drain") as load:
                load.until(100)
                sidecar.tell(signal.SIGTERM)
                assert sidecar.ended() == 0
            assert not load.wrong
            assert len(load.lost) <= 2 * 8, "only those whose connection was never accepted"
        books = Books(sidecar.journal).read()
        assert not books.audit(load.answered, load.attempted)
        assert not set(books.exchanges) & load.lost, "what was taken was answered"


class TestModelGone:
    def test_model_that_goes_first_is_a_clean_503(self, tmp_path: Path) -> None:
        with Model(tmp_path / "model") as model, serve(tmp_path / "sidecar", model) as sidecar:
            sidecar.until_ready()
            assert asyncio.run(ask(sidecar.port, infer("before"))).status == 200
            model.kill()
            refused = asyncio.run(ask(sidecar.port, infer("after")))
            assert refused.status == 503
            assert int(refused.value("retry-after")) > 0
            assert str(model.port).encode() not in refused.body, "its address is nobody's business"
            eventually(lambda: sidecar.readyz()[0] == 503)
            assert httpx.get(f"{sidecar.health}/healthz", timeout=60).status_code == 200
            assert sidecar.stop() == 0
            assert "Traceback" not in sidecar.said()
        books = Books(sidecar.journal).read()
        assert [(name, found[0].status, found[0].error) for name, found in books.exchanges.items()] == [
            ("before", 200, ""),
            ("after", 503, "connect_error"),
        ]

    def test_sidecar_starts_first(self, tmp_path: Path) -> None:
        with Model(tmp_path / "model") as model:
            model.kill()
            with serve(tmp_path / "sidecar", model) as sidecar:
                health = sidecar.health
                assert httpx.get(f"{health}/healthz", timeout=60).status_code == 200
                eventually(lambda: "connection refused" in sidecar.readyz()[1]["reasons"][0])
                assert sidecar.readyz()[0] == 503
                early = asyncio.run(ask(sidecar.port, infer("early")))
                assert early.status == 503
                assert int(early.value("retry-after")) > 0
                own = eventually(
                    lambda: (
                        a if (a := httpx.get(f"{sidecar.url}/_sidecar/readyz", timeout=60)).status_code == 503 else None
                    )
                )
                assert not own.json()["ready"]
                model.again()
                began = time.monotonic()
                eventually(lambda: sidecar.readyz()[0] == 200)
                print(f"green {time.monotonic() - began:.2f} s after the model")  # noqa: T201
                assert asyncio.run(ask(sidecar.port, infer("served"))).status == 200
                eventually(lambda: httpx.get(f"{sidecar.url}/_sidecar/readyz", timeout=60).status_code == 200)


class TestWorkers:
    def test_the_other_worker_goes_on_and_the_dead_one_returns(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, model, "--workers", "2") as sidecar:
            sidecar.until_ready()
            sidecar.until_workers(2)
            both = sidecar.workers()
            with Load(sidecar.port, "two") as load:
                load.until(200)
                kill(both[0])
                load.until(200)
                eventually(lambda: sidecar.metric("sidecar_worker_restarts_total") == 1)
                eventually(lambda: len(sidecar.workers()) == 2)
                sidecar.until_workers(2)
                load.until(50)
            assert not load.wrong
            assert sidecar.events("worker.died")[0]["exit_code"] == -9
            assert both[1] in sidecar.workers()
            streams = {read.name for read in sidecar.journal.iterdir() if read.name.startswith("hot-")}
            assert streams == {"hot-0", "hot-1"}
            assert sidecar.total("sidecar_requests_total") >= len(load.answered), "counters outlive the worker"
            assert sidecar.stop() == 0
        assert not Books(sidecar.journal).read().audit(load.answered, load.attempted)

    def test_stopped_worker_does_not_stop_the_health_port(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, model) as sidecar:
            sidecar.until_ready()
            (worker,) = sidecar.workers()
            os.kill(worker, signal.SIGSTOP)
            try:
                assert httpx.get(f"{sidecar.health}/healthz", timeout=60).status_code == 200
                assert sidecar.metric("sidecar_workers_ready") == 1
            finally:
                os.kill(worker, signal.SIGCONT)
            assert asyncio.run(ask(sidecar.port, infer("awake"))).status == 200

    def test_killed_supervisor_takes_all_along_and_frees_the_port(self, tmp_path: Path, model: Model) -> None:
        with serve(tmp_path, model, "--workers", "2") as sidecar:
            sidecar.until_ready()
            port, pids = sidecar.port, children(sidecar.process.pid)
            assert len(pids) >= 2
            sidecar.process.kill()
            sidecar.process.wait()
            gone(pids)
            eventually(lambda: free(port))


def free(port: int) -> bool:
    """Whether it can be served on. OSError while it cannot."""
    socket.create_server(("127.0.0.1", port)).close()
    return True
