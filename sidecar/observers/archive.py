"""Journal → Parquet: prediction rows, candidates' answers, labels and control events, each exactly once."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from ..archive import Partition, Span, folder_of
from ..archive.layout import MOST_MODELS, OTHER, name_path, safe
from ..archive.places import FOLDER, MOST_GROWING, Places
from ..archive.store import Part, Store
from ..durable import write_whole
from ..errors import RuntimeSetupError
from ..exchange import Kind
from ..guard import Guard
from ..journal import Cursor, Position, Read, has_more, is_over
from ..journal.frame import HEADER_BYTES
from ..journal.segment import list_streams
from ..predictions import (
    Opened,
    OpenStreams,
    OutcomeRow,
    Prediction,
    control_of,
    each_row_of,
    exchange_of,
    interrupted_row,
    moment,
    outcome_of,
    shadow_of,
    unix_ns_of,
)
from ..telemetry import metrics
from .base import Context, moment_of
from .keeping import Keeping
from .labelled import Labelled

CHUNK_ROWS: Final = 500  # rows become Arrow columns in chunks: a tenth of the memory, milliseconds each
COMMIT_ROWS: Final = 100_000
COMMIT_BYTES: Final = 32 * 1024 * 1024
SETTLE_LABELS: Final = 2_000  # at once: milliseconds each, where a key has many calls
MOST_WAITING: Final = 10_000


class Archive:
    """Prediction rows as Parquet in a folder, partitioned, exactly once, within its limits of size and age."""

    kind: ClassVar[str] = "archive"
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {Kind.EXCHANGE, Kind.OPEN, Kind.CLOSE, Kind.FEEDBACK, Kind.POLICY, Kind.SHADOW, Kind.TRANSITION, Kind.GAP}
    )

    def __init__(self, context: Context) -> None:
        section = context.section
        if section is None:
            raise RuntimeSetupError("archive: there is no `archive:` section; give `to:`, a folder")
        self.commit_seconds: float = section.every
        self._context = context
        self._keeping = Keeping(context.book, context.secret)
        self._section = section
        try:
            self._root = folder_of(context.data, section.to)
        except ValueError as error:
            raise RuntimeSetupError(str(error)) from None
        self._store: Store | None = None
        self._streams = OpenStreams()
        self._places = Places(context.data / "observers" / FOLDER, context.journal, section.to)
        self._labelled = Labelled(context.journal, self._places, self._guard, context.secret)
        self._labels: list[OutcomeRow] = []
        self._asked = 0  # labels since they were last settled
        self._told: Counter[str] = Counter()
        self._last: dict[str, msgspec.Struct | None] = {}  # stream → its last record
        self._forget()

    async def open(self) -> Cursor:
        """Undo a commit that was not finished; the last one's cursor."""
        cursor = await asyncio.to_thread(self._open)
        self._cursor = cursor
        return cursor

    def _open(self) -> Cursor:
        from ..archive import tables  # pyarrow takes a second to import, and may be missing

        self._tables = tables
        self._store = Store(self._root, archiver_name(self._context.data, self._context.replica), time.time_ns)
        cursor = self._store.open()
        self._streams = OpenStreams(self._store.opened)
        self._places.open(self._store.sequence)
        self._labels = list(self._store.waiting)
        return cursor

    @property
    def store(self) -> Store:
        """The folder's writer, from `open` on."""
        assert self._store is not None
        return self._store

    async def take(self, batch: Sequence[Read]) -> None:
        """Rows into columns. Commits by itself when they take too much memory."""
        for read in batch:
            await self._take(read)
        await self._encode()
        if self._asked >= SETTLE_LABELS:
            await asyncio.to_thread(self._settle, self._cursor)
        if self._rows >= COMMIT_ROWS or self._bytes >= COMMIT_BYTES or self._places.size >= MOST_GROWING:
            await self._commit(self._cursor)

    @property
    def waits(self) -> bool:
        """Whether a streamed answer may have lost its writer since, or a label's prediction may have been read."""
        return bool(self._streams.opened or self._labels)

    async def commit(self, cursor: Cursor) -> None:
        """Files, then their manifest with the cursor; then what is too old or too much goes."""
        for stream in await asyncio.to_thread(self._over, cursor):
            for cut in self._streams.abandon(stream):
                self._add("predictions", interrupted_row(cut, self._guard))
        await self._commit(cursor)
        section = self._section
        if section.max_bytes is not None or section.retain is not None:
            removed = await asyncio.to_thread(
                self.store.prune, max_bytes=section.max_bytes, retain_seconds=section.retain
            )
            if removed:
                self._context.log("archive.pruned", {"rows": removed, "left_bytes": self.store.size})

    async def close(self) -> None:
        """Let go of the folder."""
        if self._store is not None:
            self._store.close()

    def _forget(self) -> None:
        self._pending: dict[Partition, list[msgspec.Struct]] = {}
        self._parts: dict[Partition, Part] = {}
        self._spans: dict[tuple[str, str], Span] = {}
        self._models: set[str] = set()
        self._rows = 0
        self._bytes = 0
        self._cursor = Cursor()

    async def _encode(self) -> None:
        if any(part.groups.full for part in self._parts.values()):
            await asyncio.to_thread(self._encode_now)

    def _encode_now(self) -> None:
        for part in self._parts.values():
            if part.groups.full:
                before = part.groups.nbytes
                part.groups.encode()
                self._bytes += part.groups.nbytes - before

    async def _take(self, read: Read) -> None:
        self._last[read.stream] = read.record
        for number, (data_set, row) in enumerate(self._rows_of(read)):
            self._add(data_set, row)
            if number % CHUNK_ROWS == CHUNK_ROWS - 1:  # one body may have more rows than memory should hold
                await self._encode()
                await asyncio.sleep(0)
        known = self._spans.get((read.stream, read.segment))
        first = known.first if known is not None else read.offset
        self._spans[read.stream, read.segment] = Span(read.replica, read.stream, read.segment, first, read.offset)
        end = read.offset + HEADER_BYTES + len(read.meta) + sum(map(len, read.payloads))
        place = Position(read.segment, end, read.number + 1)
        self._cursor = Cursor({**self._cursor.positions, read.stream: place})

    def _rows_of(self, read: Read) -> Iterable[tuple[str, msgspec.Struct]]:
        secret = self._context.secret
        if read.kind in (Kind.OPEN, Kind.CLOSE):
            self._streams.take(read)
        if read.kind in (Kind.EXCHANGE, Kind.CLOSE):
            exchange = exchange_of(read)
            guard = self._guard(exchange.policy_digest) if exchange is not None else None
            sampled = guard is not None and guard.recording.sample < 1.0
            if not sampled and self._places.empty:
                return (("predictions", row) for row in each_row_of(read, guard, key=secret))
            return (("predictions", row) for row in self._kept(read, guard, sampled=sampled))
        if read.kind == Kind.FEEDBACK:
            outcome = outcome_of(read, key=secret)
            if outcome is not None:
                self._labels.append(outcome)
                self._asked += 1
            return []
        if read.kind == Kind.SHADOW:
            digest = getattr(read.record, "policy_digest", "")
            shadow = shadow_of(read, self._guard(digest), key=secret)
            return [("shadows", shadow)] if shadow is not None else []
        control = control_of(read)
        cut = [("predictions", interrupted_row(each, self._guard)) for each in self._streams.take(read)]
        return [*cut, ("control", control)] if control is not None else []

    def _kept(self, read: Read, guard: Guard | None, *, sampled: bool) -> Iterator[Prediction]:
        """The rows of a call that the sample keeps, and where all of them are found again."""
        exchange = exchange_of(read)
        at_unix_ns = exchange.started_unix_ns if exchange is not None else 0
        for row in each_row_of(read, guard, key=self._context.secret):
            kept = not sampled or guard is None or self._keeping.keeps(row, guard)
            self._labelled.note(read, at_unix_ns, row, kept=kept, sampled=sampled)
            if kept:
                yield row

    def _over(self, cursor: Cursor) -> list[str]:
        """Streams with answers under way and no writer any more, read to their end. Should another process write one
        later, nothing is left there that it could interrupt: each answer is told once."""
        streams = {each.stream for each in self._streams.opened}
        return [each for each in sorted(streams) if is_over(self._context.journal, each, cursor.positions.get(each))]

    def _guard(self, digest: str) -> Guard | None:
        return self._context.book.guard(digest) if digest else None

    def _add(self, data_set: str, row: Any) -> None:
        self._rows += 1
        unix_ns = (unix_ns_of(row.ts) or 0) if row.ts else 0
        partition = Partition(data_set, tuple(self._levels(data_set, row)))
        part = self._parts.get(partition)
        if part is None:
            part = self._parts[partition] = Part(
                self._tables.RowGroups(self._tables.ROW_TYPES[data_set]), 0, unix_ns, unix_ns
            )
        part.rows += 1
        part.first_unix_ns = min(part.first_unix_ns, unix_ns)
        part.last_unix_ns = max(part.last_unix_ns, unix_ns)
        pending = self._pending.setdefault(partition, [])
        pending.append(row)
        if len(pending) >= CHUNK_ROWS:
            self._columns(partition, pending)

    def _levels(self, data_set: str, row: Any) -> list[tuple[str, str]]:
        day, hour = (row.ts[:10], row.ts[11:13]) if row.ts else ("unknown", "unknown")
        wanted = self._section.partition if data_set == "predictions" else ("date",)
        levels = []
        for name in wanted:
            if name == "date":
                levels.append(("date", day))
            elif name == "hour":
                levels.append(("hour", hour))
            elif name == "model":
                levels.append(("model_name", self._model(row)))  # `model` is a column
            elif name == "policy":
                levels.append(("policy_name", row.policy.name or "none"))
        return levels

    def _model(self, row: Prediction) -> str:
        """A folder's name. Callers can make up models that nobody serves: past a limit they share one folder."""
        name = row.model.name or "none"
        if name not in self._models and len(self._models) >= MOST_MODELS:
            return OTHER
        self._models.add(name)
        return name

    def _columns(self, partition: Partition, pending: list[msgspec.Struct]) -> None:
        if not pending:
            return
        groups = self._parts[partition].groups
        before = groups.nbytes
        groups.add(pending)
        self._bytes += groups.nbytes - before
        pending.clear()

    async def _commit(self, until: Cursor) -> None:
        if self._labels:
            await asyncio.to_thread(self._settle, until)
        opened, waiting = self._streams.opened, tuple(self._labels)
        changed = self._rows or opened != self.store.opened or waiting != self.store.waiting
        if not changed and self._places.size < MOST_GROWING:
            return
        parts, pending, spans = self._parts, self._pending, tuple(self._spans.values())
        self._forget()
        self._cursor = until
        await asyncio.to_thread(self._write, parts, pending, spans, until, opened, waiting)
        for what, number in self._told.items():
            self._context.stats.counters[metrics.ARCHIVE_LABELS.at(what)] += number
        self._told.clear()

    def _settle(self, until: Cursor) -> None:
        """In a thread: labels, and the rows that they bring back. Those that may be about what is not read yet wait."""
        journal = self._context.journal
        behind = [
            int(moment_of(self._last.get(stream)) * 1e9)
            for stream in list_streams(journal)
            if has_more(journal, stream, until.positions.get(stream))
        ]
        # What a stream has after a record that was made after a label was received came after the label
        horizon = (moment(min(behind)) or "") if behind else "9999"
        settled = self._labelled.settle(self._labels, lambda label: (label.ts or "") < horizon, self._bring)
        given_up = settled.waiting[: max(0, len(settled.waiting) - MOST_WAITING)]
        self._told += settled.told + Counter(gone=len(given_up))
        for outcome in (*given_up, *settled.outcomes):
            self._add("outcomes", outcome)
        self._labels = settled.waiting[len(given_up) :]
        self._asked = 0

    def _bring(self, row: Prediction) -> None:
        self._add("predictions", row)
        if self._rows % CHUNK_ROWS == 0:
            self._encode_now()

    def _write(
        self,
        parts: dict[Partition, Part],
        pending: dict[Partition, list[msgspec.Struct]],
        spans: Sequence[Span],
        until: Cursor,
        opened: Sequence[Opened],
        waiting: Sequence[OutcomeRow],
    ) -> None:
        """In a thread of its own: the loop is others', too."""
        for partition, rows in pending.items():
            if rows:
                parts[partition].groups.add(rows)
        self.store.commit(parts, spans, until, opened, waiting, self._places.write)
        self._places.written(self.store.sequence)


def archiver_name(data: Path, replica: str) -> str:
    """What files and commits are named by: made once for a data folder, so that its cursor is found again when the
    replica comes back under another name, and unlike that of any other folder that shares the archive."""
    path = name_path(data)
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        name = f"{safe(replica)[:60]}-{secrets.token_hex(4)}"
        write_whole(path, name.encode() + b"\n")
        return name


MEMBER = Archive
