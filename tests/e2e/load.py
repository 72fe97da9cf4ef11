"""Load with unique request ids, from a thread of its own, that remembers every answer whose last byte has come."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import uvloop

from tests.kit.client import Answer, Client, HungUpError, connected, request

INFER = "/v2/models/bench/infer"
STREAM = "/v2/models/bench/generate_stream?events=3&every=0.002"
WIDTH = 20
_RECONNECT_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Answered:
    """One complete answer."""

    status: int
    prediction_id: str
    kind: str  # infer | bad | stream
    seconds: float
    policy: str
    verdict: str


def row(first: float, *, rest: float = 1.0, width: int = WIDTH) -> bytes:
    """An OIP request of one row."""
    data = [first] + [rest] * (width - 1)
    return json.dumps({"inputs": [{"name": "input-0", "shape": [1, width], "datatype": "FP64", "data": data}]}).encode()


class Load:
    """So many callers, each with one connection and one request at a time; reconnects when hung up on.

    `asks` gives the (kind, request bytes, check) of request number n with an id. Default: four of five are rows
    (one of ten out of range), the others streams.
    """

    def __init__(
        self,
        port: int,
        tag: str,
        *,
        connections: int = 8,
        ask: Callable[[int, str], tuple[str, bytes]] | None = None,
        judge: Callable[[int, str, Answer], str] | None = None,
    ) -> None:
        self.port = port
        self.tag = tag
        self.answered: dict[str, Answered] = {}
        self.attempted: set[str] = set()
        self.lost: set[str] = set()  # hung up on before the last byte
        self.wrong: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._ask = ask or mixed
        self._judge = judge or own_answer
        self._connections = connections
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"load-{tag}")

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """No new requests; those under way are waited for."""
        self._stop.set()
        self._thread.join()

    def until(self, number: int, *, seconds: float = 60.0) -> None:
        """Returns when so many more have been answered."""
        wanted = len(self.answered) + number
        deadline = time.monotonic() + seconds
        while len(self.answered) < wanted:
            assert time.monotonic() < deadline, f"{len(self.answered)} answers of {wanted} after {seconds} s"
            assert self._thread.is_alive(), "the load has ended by itself"
            self._stop.wait(0.002)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._caller(number) for number in range(self._connections)))

    async def _caller(self, caller: int) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                async with connected(self.port) as client:
                    while not self._stop.is_set():
                        number += 1
                        if not await self._one(client, number, f"{self.tag}-{caller}-{number}"):
                            break
            except (HungUpError, OSError):
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _one(self, client: Client, number: int, request_id: str) -> bool:
        kind, data = self._ask(number, request_id)
        self.attempted.add(request_id)
        self.lost.add(request_id)
        started = time.perf_counter()
        try:
            await client.send(data)
            answer = await client.answer()
        except TimeoutError:
            self.wrong.append(f"{request_id}: no answer in time")
            return False
        self.lost.discard(request_id)
        seconds = time.perf_counter() - started
        self.statuses[answer.status] += 1
        prediction_id, policy = answer.value("x-prediction-id"), answer.value("x-policy")
        verdict = answer.value("x-contract-verdict")
        self.answered[request_id] = Answered(answer.status, prediction_id, kind, seconds, policy, verdict)
        wrong = self._judge(number, kind, answer)
        if answer.value("x-request-id") != request_id:
            wrong = f"x-request-id is {answer.value('x-request-id')}"
        if wrong:
            self.wrong.append(f"{request_id}: {wrong}")
        return "close" not in answer.value("connection").lower()


def rows_alone(number: int, request_id: str) -> tuple[str, bytes]:
    """Rows and rows out of range: one record each. (A stream has two, or one where it came in one piece.)"""
    return mixed(number + (number % 5 == 0), request_id)


def mixed(number: int, request_id: str) -> tuple[str, bytes]:
    """Rows, rows out of range, streams."""
    name = b"x-request-id: " + request_id.encode()
    if number % 5 == 0:
        return "stream", request(STREAM, row(0.5), name)
    if number % 10 == 3:
        return "bad", request(INFER, row(-1.0), name)
    return "infer", request(INFER, row(number % 1000 / 1000), name)


def own_answer(number: int, kind: str, answer: Answer) -> str:
    """ "" when the answer is this request's own, or an honest failure."""
    if answer.status in (502, 503):
        return ""
    if kind == "bad":
        return "" if answer.status == 422 else f"status {answer.status}"
    if answer.status != 200:
        return f"status {answer.status}"
    if kind == "stream":
        events = [line.split() for line in answer.body.decode().splitlines() if line]
        mine = answer.value("x-request-id")
        whole = [(event[1], event[2]) for event in events] == [(mine, str(n)) for n in range(3)]
        return "" if whole else f"events {events}"
    score = answer.json()["outputs"][0]["data"]
    return "" if score == [number % 1000 / 1000] else f"the answer of another: {score}"
