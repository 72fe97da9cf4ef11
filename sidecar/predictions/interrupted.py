"""Streamed answers that began and never ended: their writer died, and the next one on the same stream says so.

In: frames in order. Out: one row, verdict `interrupted`, for each answer that can have no end any more. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from ..exchange import STARTED, Close, Open, Transition
from ..guard import Guard
from ..journal import Read
from .row import ModelRef, PolicyRef, Prediction, Story
from .values import moment

INTERRUPTED: Final = "interrupted"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """One answer on its way, and whose it is."""

    stream: str
    replica: str
    environment: str
    record: Open


class OpenStreams:
    """What has begun and not ended, by prediction id. `opened` is what was known before the first frame."""

    def __init__(self, opened: Iterable[Opened] = ()) -> None:
        self._opened = {each.record.prediction_id: each for each in opened}

    @property
    def opened(self) -> tuple[Opened, ...]:
        """As of now: what `OpenStreams` can go on from."""
        return tuple(self._opened.values())

    def take(self, read: Read) -> list[Opened]:
        """Those that this frame shows to be interrupted."""
        record = read.record
        if isinstance(record, Open):
            self._opened[record.prediction_id] = Opened(
                stream=read.stream, replica=read.replica, environment=read.environment, record=record
            )
        elif isinstance(record, Close):
            self._opened.pop(record.exchange.prediction_id, None)
        elif isinstance(record, Transition) and record.what == STARTED:
            return self.abandon(read.stream)
        return []

    def abandon(self, stream: str) -> list[Opened]:
        """All of a stream that nobody writes any more, or that another process writes now."""
        found = [each for each in self._opened.values() if each.stream == stream]
        for each in found:
            del self._opened[each.record.prediction_id]
        return found


def interrupted_row(opened: Opened, guard_of: Callable[[str], Guard | None]) -> Prediction:
    """The row of an answer without an end: nothing is known of what was delivered."""
    record = opened.record
    guard = guard_of(record.policy_digest) if record.policy_digest else None
    identity = guard.identity if guard is not None else None
    return Prediction(
        prediction_id=record.prediction_id,
        request_id=record.request_id,
        ts=moment(record.started_unix_ns),
        protocol=identity.protocol if identity is not None else "",
        model=ModelRef(name=record.model_name),
        policy=PolicyRef(
            name=identity.name if identity is not None else "",
            version=identity.version if identity is not None else "",
            digest=record.policy_digest,
        ),
        environment=opened.environment,
        replica=opened.replica,
        verdict=INTERRUPTED,
        status=record.upstream_status,
        trace_id=record.trace_id,
        unread=INTERRUPTED,
        story=Story(
            method=record.method,
            target=record.target.partition("?")[0],
            route_kind="inference",
            upstream_status=record.upstream_status,
            rows=1,
            streamed=True,
        ),
    )
