"""The fixed-rate generator against real sockets: what it counts, and that a stall is not forgotten."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bench import payload
from bench.openloop import Connection, Generator, request_bytes

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(payload.ANSWER)
GOOD = HEAD + payload.ANSWER


class Server:
    """Answers each request on one connection at a time with what `answer(n)` returns; "" closes."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._count = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        expected = len(request_bytes(self.port))
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                while len(connection.recv(expected, socket.MSG_WAITALL)) == expected:
                    data = self._answer(self._count)
                    self._count += 1
                    if not data:
                        break
                    connection.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5.0)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[int], bytes]], Server]]:
    servers: list[Server] = []

    def start(answer: Callable[[int], bytes]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


Start = Callable[[Callable[[int], bytes]], Server]


def test_the_schedule_is_kept(serve: Start) -> None:
    server = serve(lambda number: GOOD)
    with Generator(server.port, rate=200.0, seconds=0.5, connections=1) as generator:
        run = generator.run()
    assert run.requests == 100
    assert run.errors == {}
    assert run.kept_rate <= 200.0 * 1.01
    assert 0 < run.p50_ms <= run.p90_ms <= run.p99_ms


def test_a_stall_is_charged_to_all_who_were_due_during_it(serve: Start) -> None:
    def stall_once(number: int) -> bytes:
        if number == 20:
            threading.Event().wait(0.25)
        return GOOD

    server = serve(stall_once)
    with Generator(server.port, rate=200.0, seconds=0.5, connections=1) as generator:
        run = generator.run()
    assert run.requests == 100
    # 50 of 100 requests fell due during the 250 ms; a closed loop would have seen one slow answer.
    assert run.p90_ms > 100


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (GOOD.replace(b"200 OK", b"422 No"), "status_422"),
        (GOOD.replace(b"0.5", b"0.6"), "wrong_body"),
        (GOOD.replace(b"Content-Length", b"Content-Size"), "no_content_length"),
        (GOOD + b"x", "excess_bytes"),
        (b"", "closed"),
    ],
)
def test_every_wrong_answer_is_counted_by_kind(serve: Start, answer: bytes, kind: str) -> None:
    server = serve(lambda number: answer if number % 2 else GOOD)
    with Generator(server.port, rate=200.0, seconds=0.1, connections=1) as generator:
        run = generator.run()
    assert run.errors == {kind: 10}
    assert run.requests == 10


def test_an_answer_in_pieces_is_one_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(listener.getsockname()[1])
        peer, _ = listener.accept()
        with peer, connection.socket:
            assert connection.receive() is None
            for at in range(len(GOOD) - 1):
                peer.sendall(GOOD[at : at + 1])
                assert connection.receive() is None
            peer.sendall(GOOD[-1:])
            assert _until(connection.receive) == ""


def _until(receive: Callable[[], str | None]) -> str:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        found = receive()
        if found is not None:
            return found
    raise AssertionError("nothing came")
