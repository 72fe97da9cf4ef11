"""A caller that sends exactly the bytes it is given and reads exactly what comes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

DEADLINE_SECONDS = 60.0


class HungUpError(Exception):
    """The other side closed where an answer, or more of one, was due. `partial` is what came."""

    def __init__(self, partial: bytes) -> None:
        super().__init__(f"closed after {partial[:200]!r}")
        self.partial = partial


@dataclass
class Answer:
    """One final answer; `interim` are the statuses of 1xx answers before it."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    interim: list[int] = field(default_factory=list)
    raw_head: bytes = b""
    trailers: bytes = b""

    def values(self, name: str) -> list[str]:
        """All values of a header, in order."""
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode().lower()]

    def value(self, name: str) -> str:
        """The one value of a header; "" where there is none."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else ""

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """All at once."""
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """One byte a segment, giving the loop a turn after each."""
        for index in range(len(data)):
            if self.writer.is_closing():
                return
            self.writer.write(data[index : index + 1])
            await asyncio.sleep(0)

    async def answer(self, method: str = "POST") -> Answer:
        """The next final answer."""
        interim: list[int] = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                found = await self._head()
                if found.status >= 200:
                    break
                interim.append(found.status)
            found.interim = interim
            await self._body(found, method)
        return found

    async def head(self) -> Answer:
        """A head alone; its body is still to be read."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._head()

    async def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.reader.readexactly(size)

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        """What comes until the connection is closed, whichever way."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            parts: list[bytes] = []
            try:
                while data := await self.reader.read(65536):
                    parts.append(data)
            except ConnectionError:
                pass
            return b"".join(parts)

    async def closed(self) -> bool:
        """True once the other side has closed without another byte."""
        return await self.rest() == b""

    def leave(self) -> None:
        """RST: the caller has died."""
        descriptor = os.dup(self.writer.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """FIN."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass

    async def _head(self) -> Answer:
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise HungUpError(error.partial) from None
        except ConnectionError:
            raise HungUpError(b"") from None
        line, *fields = head[:-4].split(b"\r\n")
        version, status, *reason = line.split(b" ", 2)
        assert version == b"HTTP/1.1", line
        headers = []
        for text in fields:
            name, colon, value = text.partition(b":")
            assert colon, text
            headers.append((name, value.strip(b" \t")))
        return Answer(int(status), reason[0] if reason else b"", headers, raw_head=head)

    async def _body(self, found: Answer, method: str) -> None:
        if method == "HEAD" or found.status in (204, 304):
            return
        codings, lengths = found.values("transfer-encoding"), found.values("content-length")
        assert len(codings) + len(lengths) <= 1, "an answer's length is stated once"
        parts: list[bytes] = []
        try:
            if codings:
                while size := int((await self.reader.readuntil(b"\r\n")).strip(), 16):
                    parts.append((await self.reader.readexactly(size + 2))[:-2])
                while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
                    found.trailers += line
            elif lengths:
                parts.append(await self.reader.readexactly(int(lengths[0])))
            else:
                while data := await self.reader.read(65536):
                    parts.append(data)
        except asyncio.IncompleteReadError as error:
            raise HungUpError(b"".join(parts) + error.partial) from None
        except ConnectionError:
            raise HungUpError(b"".join(parts)) from None
        found.body = b"".join(parts)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """A connection for the length of a block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 * 1024 * 1024)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = Client(reader, writer)
    try:
        yield client
    finally:
        writer.transport.abort()


def request(
    target: bytes | str = b"/",
    body: bytes | None = None,
    *headers: bytes,
    method: bytes = b"",
    version: bytes = b"1.1",
    host: bytes = b"model.test",
) -> bytes:
    """A request as bytes: POST with a Content-Length when there is a body, GET otherwise."""
    verb = method or (b"GET" if body is None else b"POST")
    path = target.encode("latin-1") if isinstance(target, str) else target
    lines = [verb + b" " + path + b" HTTP/" + version, b"Host: " + host, *headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", b""]) + (body or b"")


async def ask(port: int, data: bytes, method: str = "POST") -> Answer:
    """One request on a connection of its own."""
    async with connected(port) as client:
        await client.send(data)
        return await client.answer(method)


async def eventually(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until the condition holds, and fail when it does not in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_SECONDS
    while not condition():
        assert loop.time() < deadline, f"{what} did not become true in {DEADLINE_SECONDS} s"
        await asyncio.sleep(0.002)
