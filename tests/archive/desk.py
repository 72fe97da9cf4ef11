"""A journal with known calls, and the archiver that reads it: as the observers' process does, without its loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sidecar.archive import read_manifests
from sidecar.archive.tables import read_parquet
from sidecar.exchange import Feedback, Kind, PolicyPublished, Transition, encode
from sidecar.guard import Guard
from sidecar.journal import Cursor, JournalSettings, Read, Reader, StatsPage, Writer
from sidecar.observers import Context
from sidecar.observers.archive import Archive
from sidecar.policy import Policy, load, to_canonical
from sidecar.policy.platform import Archive as ArchiveSection
from sidecar.predictions import Prediction
from sidecar.runtime.book import PolicyBook
from sidecar.runtime.compile import compile_guard
from tests.kit.guards import CREDIT, policy, rows, scores
from tests.predictions.calls import START, judged_call, prediction_id

SECRET = b"0123456789abcdef" * 2
IDENTITY = {"replica": "pod-1", "environment": "test"}


class Desk:
    """One data folder. Calls are numbered; call n has the rows that `wanted` says."""

    def __init__(self, folder: Path, text: str = "", **section: Any) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.journal = self.data / "journal"
        self.root = self.data / "archive"
        self.data.mkdir(parents=True, exist_ok=True)
        self.section = ArchiveSection(**({"to": "archive"} | section))
        self.writer = self.open_writer()
        self.judge_by(text or policy(CREDIT))
        self.calls = 0
        self.replica = "pod-1"

    def judge_by(self, text: str) -> None:
        """From now on."""
        file = self.folder / "policy.yaml"
        file.write_text(text)
        loaded = load([file])
        assert not loaded.errors, loaded.findings
        (self.policy,) = loaded.policies
        self.guard: Guard = compile_guard(self.policy)
        self.publish(self.policy)

    def open_writer(self, stream: str = "hot-0") -> Writer:
        settings = JournalSettings(max_bytes=64 * 1024 * 1024)
        return Writer(self.journal, stream, settings, StatsPage(), identity=IDENTITY)

    def publish(self, published: Policy) -> None:
        record = PolicyPublished(digest=self.guard.identity.digest, name="credit", version="1.2.0",
                                 published_unix_ns=START)  # fmt: skip
        assert self.writer.append(Kind.POLICY, encode(record), (to_canonical(published),))

    def call(self, *values: Sequence[Any], reply: bytes | None = None, **other: Any) -> str:
        """One call with one row for each argument; its prediction id."""
        self.calls += 1
        values = values or ([30, 100.5],)
        reply = reply if reply is not None else scores(*[0.25] * len(values))
        record, payloads = judged_call(self.guard, rows(*values), reply, self.calls, **other)
        assert self.writer.append(Kind.EXCHANGE, encode(record), payloads)
        return record.prediction_id

    def many(self, number: int) -> None:
        """Calls of one, two and three rows, in turn."""
        for _ in range(number):
            self.call(*[[30 + row, 1.0] for row in range(self.calls % 3 + 1)])

    def label(self, **fields: Any) -> None:
        record = Feedback(**({"received_unix_ns": START + 10**15} | fields))
        assert self.writer.append(Kind.FEEDBACK, encode(record), (b"{}",))

    def transition(self, what: str) -> None:
        assert self.writer.append(Kind.TRANSITION, encode(Transition(at_unix_ns=START, what=what)))

    def archiver(self) -> Archive:
        return archiver(self.data, self.section, self.replica)

    def archive(self, **how: Any) -> Archive:
        """A whole life: open, read all, commit, close."""
        observer = self.archiver()
        asyncio.run(live(observer, self.journal, **how))
        return observer

    def wanted(self, upto: int | None = None) -> set[tuple[str, int]]:
        """(prediction id, row) of the first calls made by `many`."""
        return {
            (prediction_id(index + 1), row)
            for index in range(self.calls if upto is None else upto)
            for row in range(index % 3 + 1)
        }


def archiver(data: Path, section: ArchiveSection, replica: str = "pod-1") -> Archive:
    book = PolicyBook(data, log=_silent)
    for read in Reader(data / "journal").read():
        book.learn(read)
    context = Context(
        data=data, journal=data / "journal", replica=replica, environment="test", book=book, stats=StatsPage(),
        cold=None, log=_silent, section=section, secret=SECRET,  # type: ignore[arg-type]
    )  # fmt: skip
    return Archive(context)


def _silent(event: str, fields: Mapping[str, Any]) -> None: ...


async def live(observer: Archive, journal: Path, *, batch: int = 100, commit_every: int = 1_000_000) -> None:
    """Read to the end, commit now and then and at the end."""
    reader = Reader(journal, await observer.open())
    try:
        batches = 0
        while True:
            found: list[Read] = list(reader.read(batch))
            if not found:
                break
            await observer.take([read for read in found if read.kind in observer.kinds])
            batches += 1
            if batches % commit_every == 0:
                await observer.commit(reader.cursor)
        await observer.commit(reader.cursor)
    finally:
        await observer.close()


def archived(root: Path) -> list[Prediction]:
    """Every prediction row that a manifest names."""
    return [row for path in named(root, "predictions") for row in read_parquet(root / path, Prediction)]


def named(root: Path, data_set: str) -> list[str]:
    return [file.path for manifest in read_manifests(root) for file in manifest.files if file.data_set == data_set]


def lying_about(root: Path) -> set[str]:
    """Files that no manifest names, whatever they are called."""
    listed = {file.path for manifest in read_manifests(root) for file in manifest.files}
    there = {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not str(path.relative_to(root)).startswith("_manifest/")
    }
    return there ^ listed


def counted(root: Path) -> Counter[tuple[str, int]]:
    return Counter((row.prediction_id, row.row) for row in archived(root))


def end_of(journal: Path) -> Cursor:
    reader = Reader(journal)
    for _ in reader.read():
        pass
    return reader.cursor
