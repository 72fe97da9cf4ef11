"""The control channel: whole messages in order, and the end of one side is the end of the other."""

from __future__ import annotations

import asyncio
import socket

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.runtime.control import MAX_LINE_BYTES, Channel
from sidecar.runtime.messages import (
    TO_SUPERVISOR,
    TO_WORKER,
    Applied,
    Drain,
    Drained,
    Failed,
    ModelStanding,
    Policies,
    Ready,
    Refused,
    Report,
    Standing,
    Start,
    Stop,
    StopAccepting,
    ToSupervisor,
    ToWorker,
    WorkerSettings,
    encode,
)

DOWN: list[ToWorker] = [
    Start(settings=WorkerSettings(worker=1, data="d", journal="j"), listen_fd=3),
    Policies(set_id="s", digests=("a", "b")),
    Standing(models={"p": ModelStanding(identity="match", version="14")}, not_ready="line\nbreak"),
    Drain(),
    StopAccepting(),
    Stop(),
]
UP: list[ToSupervisor] = [Ready(), Failed("why"), Applied("s"), Refused("s", "why"), Report(in_flight=2), Drained(1)]


def test_every_message_comes_back_as_it_was() -> None:
    assert [TO_WORKER.decode(encode(message)) for message in DOWN] == DOWN
    assert [TO_SUPERVISOR.decode(encode(message)) for message in UP] == UP


def hear(*pieces: bytes) -> tuple[list[ToWorker], bool]:
    """What a worker hears of these pieces, and whether it is still on the line."""

    async def conversation() -> tuple[list[ToWorker], bool]:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        heard: list[ToWorker] = []
        lost = asyncio.Event()
        channel = Channel(TO_WORKER, heard.append, lost.set)
        await channel.open(theirs)
        loop = asyncio.get_running_loop()
        with ours:
            try:
                for piece in pieces:
                    await loop.sock_sendall(ours, piece)
                    await asyncio.sleep(0)
                await loop.sock_sendall(ours, encode(Stop()) + b"\n")
            except ConnectionError:
                pass
            async with asyncio.timeout(60):
                while not lost.is_set() and Stop() not in heard:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            on_the_line = not lost.is_set()
        async with asyncio.timeout(60):
            await lost.wait()
        return heard, on_the_line

    return asyncio.run(conversation())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 200), max_size=5))
def test_messages_survive_any_cut(cuts: list[int]) -> None:
    stream = b"".join(encode(message) + b"\n" for message in DOWN[:5])
    pieces, start = [], 0
    for cut in cuts:
        pieces.append(stream[start : start + cut])
        start += cut
    heard, on_the_line = hear(*pieces, stream[start:])
    assert heard == [*DOWN[:5], Stop()]
    assert on_the_line


def test_a_peer_that_speaks_something_else_is_hung_up_on() -> None:
    assert hear(b'{"type": "unknown"}\n') == ([], False)
    assert hear(b"garbage\n") == ([], False)
    assert hear(b"x" * (MAX_LINE_BYTES + 1)) == ([], False)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_decoding_never_raises_anything_else(line: bytes) -> None:
    try:
        TO_WORKER.decode(line)
    except msgspec.DecodeError:
        pass
