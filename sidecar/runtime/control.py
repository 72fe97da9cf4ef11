"""The control channel: one JSON message a line over a socket pair; its end is the end of the other side."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

import msgspec

from .messages import encode

MAX_LINE_BYTES: Final = 4 * 1024 * 1024

Message = TypeVar("Message")


class Channel(asyncio.Protocol, Generic[Message]):
    """`heard` is called for each message, `lost` once, when the other side is gone."""

    def __init__(
        self, decoder: msgspec.json.Decoder[Message], heard: Callable[[Message], None], lost: Callable[[], None]
    ) -> None:
        self._decoder = decoder
        self._heard = heard
        self._lost = lost
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    async def open(self, end: socket.socket) -> None:
        """Take over this end of the pair."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self, sock=end)

    def send(self, message: msgspec.Struct) -> None:
        """Say it, if somebody still listens."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message) + b"\n")

    def close(self) -> None:
        """Hang up once everything said is sent."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        try:
            for line in lines:
                self._heard(self._decoder.decode(line))
        except msgspec.DecodeError:  # not a peer of this version: nothing it says can be trusted
            self._abort()
        if len(self._buffer) > MAX_LINE_BYTES:
            self._abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()

    def _abort(self) -> None:
        self._buffer = b""
        if self._transport is not None:
            self._transport.abort()
