"""Observers that ship with the tests: one that counts in a state file, one that fails, one that never comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from sidecar.exchange import Kind, Transition
from sidecar.journal import Cursor, Read
from sidecar.observers import Context, StateFile
from sidecar.predictions import exchange_of


class Counting:
    """How often each call and each transition was taken, as committed."""

    kind: ClassVar[str] = "metrics"
    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.EXCHANGE, Kind.CLOSE, Kind.TRANSITION})
    commit_seconds: float = 0.05

    def __init__(self, context: Context) -> None:
        self.file = StateFile(context.data / "observers" / f"{self.kind}.state")
        self.counts: dict[str, int] = {}

    async def open(self) -> Cursor:
        cursor, state = self.file.load()
        self.counts = msgspec.msgpack.decode(state, type=dict[str, int]) if state else {}
        return cursor

    async def take(self, batch: Sequence[Read]) -> None:
        for read in batch:
            name = name_of(read)
            self.counts[name] = self.counts.get(name, 0) + 1

    async def commit(self, cursor: Cursor) -> None:
        self.file.save(cursor, msgspec.msgpack.encode(self.counts))

    async def close(self) -> None:
        pass


class Other(Counting):
    """The same under another name."""

    kind = "archive"


class Failing(Counting):
    """Cannot take record number 3 the first `failures` times."""

    kind = "profiles"
    failures: ClassVar[int] = 2

    async def take(self, batch: Sequence[Read]) -> None:
        await super().take(batch)
        if type(self).failures and any(name_of(read) == "3" for read in batch):
            type(self).failures -= 1
            raise ValueError("three is too much")


class Hanging(Counting):
    """Its first take never ends."""

    kind = "loops"

    async def take(self, batch: Sequence[Read]) -> None:
        await asyncio.Event().wait()


def name_of(read: Read) -> str:
    """What is counted: a call by its prediction id, a transition by its subject."""
    if isinstance(read.record, Transition):
        return read.record.subject
    exchange = exchange_of(read)
    assert exchange is not None
    return exchange.prediction_id


def committed(file: StateFile) -> dict[str, int]:
    """The counts on disk."""
    _, state = file.load()
    return msgspec.msgpack.decode(state, type=dict[str, int]) if state else {}
