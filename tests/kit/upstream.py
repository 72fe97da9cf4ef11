"""A model server made of scripts: it records what it is sent byte for byte and answers exactly what it is told.

A script is `async def script(asked: Asked) -> None`: it may read the body or not, write any bytes, close, reset or
hang. Scripts are chosen by path; everything else gets `default`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Script: TypeAlias = "Callable[[Asked], Awaitable[None]]"


@dataclass
class Received:
    """One request as it came. `raw` is every byte of it so far, `body` is decoded, `complete` = its end was seen."""

    connection: int
    raw: bytearray = field(default_factory=bytearray)
    method: bytes = b""
    target: bytes = b""
    version: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: bytes = b""
    complete: bool = False
    connection_closed: asyncio.Event = field(default_factory=asyncio.Event)

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header, in order."""
        return [value for field_name, value in self.headers if field_name.lower() == name.lower()]


class Asked:
    """A script's side of one request."""

    def __init__(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received = received
        self._reader = reader
        self._writer = writer
        self.ended = False

    async def body(self) -> bytes:
        """Read the rest of the request."""
        await _read_body(self.received, self._reader)
        return bytes(self.received.body)

    async def send(self, data: bytes) -> None:
        """Bytes to the gateway, now."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """FIN after what was sent."""
        self.ended = True
        self._writer.close()

    def hang_up(self) -> None:
        """FIN before anybody's loop has another turn."""
        descriptor = os.dup(self._writer.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as connection:
            connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """RST."""
        self.ended = True
        descriptor = os.dup(self._writer.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def hang(self) -> None:
        """Say nothing until the other side leaves."""
        self.ended = True
        while await self._reader.read(65536):
            pass


def answer(
    body: bytes = b"{}",
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = ((b"Content-Type", b"application/json"),),
    *,
    length: bool = True,
) -> bytes:
    """A whole answer as bytes."""
    lines = [b"HTTP/1.1 %d X\r\n" % status, *(name + b": " + value + b"\r\n" for name, value in headers)]
    if length:
        lines.append(b"Content-Length: %d\r\n" % len(body))
    return b"".join([*lines, b"\r\n", body])


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    """A chunked body."""
    return b"".join([*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n", trailers, b"\r\n"])


def replies(data: bytes) -> Script:
    """Read the request, send these bytes, keep the connection."""

    async def script(asked: Asked) -> None:
        await asked.body()
        await asked.send(data)

    return script


def replies_and_closes(data: bytes) -> Script:
    """Read the request, send these bytes, close."""

    async def script(asked: Asked) -> None:
        await asked.body()
        await asked.send(data)
        asked.close()

    return script


async def hangs(asked: Asked) -> None:
    """Read and never answer."""
    await asked.body()
    await asked.hang()


async def resets(asked: Asked) -> None:
    """Read the request, answer with RST."""
    await asked.body()
    asked.reset()


async def echoes(asked: Asked) -> None:
    """Answer with the body that came."""
    body = await asked.body()
    await asked.send(answer(body))


class Upstream:
    """The scripted server. `requests` is everything it was sent, `connections` how often it was dialled."""

    def __init__(self, scripts: Mapping[str, Script] | None = None, default: Script | None = None) -> None:
        self.scripts = dict(scripts or {})
        self.default: Script = default or replies(answer())
        self.requests: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def received(self) -> Received:
        """The last request."""
        return self.requests[-1]

    @property
    def targets(self) -> list[bytes]:
        """All targets asked for, in order."""
        return [request.target for request in self.requests]

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1024 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Accept nothing more and drop what is open."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open_connections += 1
        number = self.connections
        received: Received | None = None
        try:
            while True:
                received = Received(number)
                if not await _read_head(received, reader):
                    return
                self.requests.append(received)
                asked = Asked(received, reader, writer)
                path = received.target.partition(b"?")[0].decode("latin-1")
                await self.scripts.get(path, self.default)(asked)
                if asked.ended:
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            if received is not None:
                received.connection_closed.set()
            writer.transport.abort() if not writer.is_closing() else None


@asynccontextmanager
async def serving(
    scripts: Mapping[str, Script] | None = None, default: Script | None = None
) -> AsyncIterator[Upstream]:
    """An upstream for the length of a block."""
    upstream = Upstream(scripts, default)
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()


async def _read_head(received: Received, reader: asyncio.StreamReader) -> bool:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            received.raw += error.partial
        return False
    received.raw += head
    line, *fields = head[:-4].split(b"\r\n")
    received.method, received.target, received.version = line.split(b" ", 2)
    for text in fields:
        name, _, value = text.partition(b":")
        received.headers.append((name, value.strip(b" \t")))
    return True


async def _read_body(received: Received, reader: asyncio.StreamReader) -> None:
    if received.complete:
        return
    if received.values(b"transfer-encoding"):
        while True:
            line = await _take(received, reader.readuntil(b"\r\n"))
            size = int(line.strip(), 16)
            if size == 0:
                break
            data = await _take(received, reader.readexactly(size + 2))
            received.body += data[:-2]
        while (line := await _take(received, reader.readuntil(b"\r\n"))) != b"\r\n":
            received.trailers += line
    else:
        lengths = received.values(b"content-length")
        left = int(lengths[0]) if lengths else 0
        while left:
            data = await reader.read(min(left, 65536))
            received.raw += data
            received.body += data
            left -= len(data)
            if not data:
                raise asyncio.IncompleteReadError(bytes(received.body), left)
    received.complete = True


async def _take(received: Received, read: Awaitable[bytes]) -> bytes:
    data = await read
    received.raw += data
    return data
