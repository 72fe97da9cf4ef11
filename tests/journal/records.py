"""Records and places for the journal's tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sidecar.exchange import Kind, Transition, encode
from sidecar.journal.settings import JournalSettings
from sidecar.journal.stats import StatsPage
from sidecar.journal.writer import Writer

IDENTITY = {"replica": "pod-1", "environment": "test"}


class FakeClock:
    """Time moves when a test says so, and a microsecond each time it is read."""

    def __init__(self, unix_ns: int = 1_800_000_000_000_000_000) -> None:
        self.unix_ns = unix_ns
        self.elapsed_ns = 0

    def time_ns(self) -> int:
        return self.unix_ns + self.elapsed_ns

    def monotonic_ns(self) -> int:
        self.elapsed_ns += 1_000
        return self.elapsed_ns

    def pass_seconds(self, seconds: float) -> None:
        self.elapsed_ns += int(seconds * 1e9)


def record(number: int, at_unix: int = 1_800_000_000) -> bytes:
    """Metadata that names itself."""
    return encode(Transition(at_unix_ns=at_unix * 10**9 + number, what="test", subject=str(number)))


def append_many(
    writer: Writer, numbers: Sequence[int], payload: bytes = b"", at_unix: int = 1_800_000_000
) -> list[bool]:
    payloads = (payload,) if payload else ()
    return [writer.append(Kind.TRANSITION, record(number, at_unix), payloads) for number in numbers]


def open_writer(
    directory: Path, *, stream: str = "hot-0", settings: JournalSettings | None = None, clock: FakeClock | None = None
) -> Writer:
    """A writer that counts in memory."""
    return Writer(
        directory,
        stream,
        settings or JournalSettings(),
        StatsPage(),
        identity=IDENTITY,
        clock=clock or FakeClock(),
    )


def only_segment(directory: Path, stream: str = "hot-0") -> Path:
    (path,) = sorted((directory / stream).glob("*.seg"))
    return path
