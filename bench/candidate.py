"""A candidate that behaves as told: `python -m bench.candidate KIND PORT`, at the lowest priority."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from . import payload

_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_ANSWER: Final = _HEAD + b"Content-Length: %d\r\n\r\n" % len(payload.ANSWER) + payload.ANSWER
SLOW_SECONDS: Final = 2.0

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def healthy(writer: asyncio.StreamWriter) -> None:
    """As the primary."""
    writer.write(_ANSWER)


async def hung(writer: asyncio.StreamWriter) -> None:
    """Takes the request and never says a word."""
    await asyncio.Event().wait()


async def slow(writer: asyncio.StreamWriter) -> None:
    """Answers after two seconds."""
    await asyncio.sleep(SLOW_SECONDS)
    writer.write(_ANSWER)


async def resets(writer: asyncio.StreamWriter) -> None:
    """Reads the request and drops the connection."""
    writer.transport.abort()


async def flooding(writer: asyncio.StreamWriter) -> None:
    """A body of a gigabyte, as fast as it is read."""
    writer.write(_HEAD + b"Content-Length: %d\r\n\r\n" % (1 << 30))
    piece = b"x" * 65536
    for _ in range(1 << 14):
        writer.write(piece)
        await writer.drain()


KINDS: Final[dict[str, Reply]] = {
    "healthy": healthy,
    "hung": hung,
    "slow": slow,
    "resets": resets,
    "flooding": flooding,
}


async def serve(reply: Reply, port: int) -> None:
    """Until killed."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                await reply(writer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    os.nice(19)
    asyncio.run(serve(KINDS[sys.argv[1]], int(sys.argv[2])))
