"""Rows ⇄ Arrow tables. Values of any shape (features, predictions, labels) are JSON text, so that one column holds
what every policy and version calls by its own names and types, and NaN or bytes come back as they were.

The only module that needs pyarrow; importing it says how to get it where it is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from ..errors import JournalError, RuntimeSetupError
from ..predictions import ControlRow, OutcomeRow, Prediction, ShadowRow, moment, unix_ns_of

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    raise RuntimeSetupError("the archive needs pyarrow; run: pip install 'sidecar-guard[archive]'") from None

# Arrow's own allocators keep what a commit has let go of: measured, 40 MiB at 5,000 rows/s for no more speed
if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    pa.set_memory_pool(pa.system_memory_pool())

Row = Prediction | OutcomeRow | ShadowRow | ControlRow
R = TypeVar("R", bound=msgspec.Struct)

ROW_GROUP_ROWS: Final = 64 * 1024
GROUP_BYTES: Final = 4 * 1024 * 1024  # of Arrow: some 6,500 rows
_TEXT, _WHOLE, _REAL, _TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_TIME: Final = pa.timestamp("us", tz="UTC")


def _struct(**fields: Any) -> Any:
    return pa.struct(list(fields.items()))


_STORY: Final = _struct(
    method=_TEXT, target=_TEXT, route_kind=_TEXT, mode=_TEXT, would=_TEXT, reason=_TEXT, error=_TEXT, identity=_TEXT,
    version_source=_TEXT, upstream_status=_WHOLE, rows=_WHOLE, violations_total=_WHOLE, streamed=_TRUTH,
)  # fmt: skip
_COLUMNS: Final[dict[type[msgspec.Struct], dict[str, Any]]] = {
    Prediction: {
        "prediction_id": _TEXT, "row": _WHOLE, "request_id": _TEXT, "ts": _TIME, "caller": _TEXT, "entity": "json",
        "protocol": _TEXT, "model": _struct(name=_TEXT, version=_TEXT),
        "policy": _struct(name=_TEXT, version=_TEXT, digest=_TEXT), "environment": _TEXT, "replica": _TEXT,
        "arm": _TEXT, "exposed": _TRUTH, "propensity": _REAL, "coin_id": _TEXT, "delivered": "json",
        "perturbation": "json", "weight": _REAL, "verdict": _TEXT,
        "violations": pa.list_(_struct(code=_TEXT, feature=_TEXT, applied=_TEXT, enforced=_TRUTH)),
        "candidate": "json",
        "features": "json",
        "raw_features": "json", "prediction": "json", "status": _WHOLE,
        "latency_ms": _struct(total=_REAL, contract=_REAL, upstream=_REAL, first_byte=_REAL), "trace_id": _TEXT,
        "span_id": _TEXT, "slices": "json", "unread": _TEXT, "story": _STORY, "join_key": _TEXT,
    },
    OutcomeRow: {
        "ts": _TIME, "prediction_id": _TEXT, "request_id": _TEXT, "response_id": _TEXT, "join_key": _TEXT,
        "row": _WHOLE, "label": "json", "observed_at": _TIME, "exposed": _TRUTH, "propensity": _REAL,
        "coin_id": _TEXT, "kept_id": _TEXT,
    },
    ShadowRow: {
        "ts": _TIME, "prediction_id": _TEXT, "request_id": _TEXT, "policy": _TEXT, "policy_digest": _TEXT,
        "candidate": _TEXT, "run": _TEXT, "outcome": _TEXT, "status": _WHOLE, "error": _TEXT, "latency_ms": _REAL,
        "primary_ms": _REAL, "model_version": _TEXT, "rows": _WHOLE, "predictions": "json", "units": "json",
        "scores": "json", "differences": "json", "differences_total": _WHOLE, "trace_id": _TEXT, "span_id": _TEXT,
    },
    ControlRow: {
        "ts": _TIME, "kind": _TEXT, "what": _TEXT, "subject": _TEXT, "detail": _TEXT, "actor": _TEXT,
        "digest": _TEXT, "document": _TEXT, "records": _WHOLE, "replica": _TEXT, "environment": _TEXT,
    },
}  # fmt: skip
_JOINED: Final = {"label": _TEXT, "label_ts": _TIME, "shadow": _TEXT}
ROW_TYPES: Final[dict[str, type[msgspec.Struct]]] = {
    "predictions": Prediction,
    "outcomes": OutcomeRow,
    "shadows": ShadowRow,
    "control": ControlRow,
}
_IDS: Final = ("prediction_id", "request_id", "trace_id")
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def schema_of(kind: type[msgspec.Struct]) -> Any:
    """The Arrow schema of a row type."""
    columns = _COLUMNS[kind].items()
    return pa.schema([(name, _TEXT if isinstance(column, str) else column) for name, column in columns])


def to_table(rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> Any:
    """A table of rows of one kind."""
    columns = {}
    for name, column in _COLUMNS[kind].items():
        values: list[Any] = [getattr(row, name) for row in rows]
        if isinstance(column, str):
            values = [None if value is None else _encode(value).decode() for value in values]
        elif column is _TIME:
            values = [None if value is None else (unix_ns_of(value) or 0) // 1000 for value in values]
        elif pa.types.is_nested(column):
            values = msgspec.to_builtins(values)
        columns[name] = pa.array(values, type=_TEXT if isinstance(column, str) else column)
    return pa.table(columns, schema=schema_of(kind))


def from_table(table: Any, kind: type[R]) -> Iterator[R]:
    """The rows back. Columns that a later version added are left out, missing ones have their defaults."""
    columns = _COLUMNS[kind]
    times = [name for name, column in columns.items() if column is _TIME]
    for name in times:
        if name in table.column_names:
            at = table.column_names.index(name)
            table = table.set_column(at, name, table.column(name).cast(_WHOLE))
    for batch in table.to_batches(max_chunksize=4096):
        for plain in batch.to_pylist():
            record = {name: value for name, value in plain.items() if name in columns and value is not None}
            for name in record:
                if isinstance(columns[name], str):
                    record[name] = _decode(record[name])
                elif columns[name] is _TIME:
                    record[name] = moment(record[name] * 1000)
            for name in times:
                record.setdefault(name, None)
            yield msgspec.convert(record, kind)


class RowGroups:
    """Rows of one kind on their way into one file: Arrow until there are enough for a row group, then Parquet in
    memory, which takes a tenth. So what waits for a commit is small, and a commit only writes bytes."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self._kind = kind
        self._tables: list[Any] = []
        self._arrow_bytes = 0
        self._sink = pa.BufferOutputStream()
        self._writer: Any = None

    @property
    def nbytes(self) -> int:
        """What is held, encoded or not."""
        return self._arrow_bytes + (int(self._sink.tell()) if self._writer is not None else 0)

    @property
    def full(self) -> bool:
        """Whether it is time to `encode`."""
        return self._arrow_bytes >= GROUP_BYTES

    def add(self, rows: Sequence[msgspec.Struct]) -> None:
        """Take rows."""
        table = to_table(rows, self._kind)
        self._tables.append(table)
        self._arrow_bytes += table.nbytes

    def encode(self) -> None:
        """Make a row group of what is held as Arrow. Some 100 ms outside of the interpreter's lock."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._sink, schema_of(self._kind), compression="zstd")
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables), row_group_size=ROW_GROUP_ROWS)
            self._tables, self._arrow_bytes = [], 0

    def write(self, path: Path) -> int:
        """All of it as one file, synced; its size. OSError when the disk refuses. Nothing can be added any more."""
        self.encode()
        self._writer.close()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._sink.getvalue())
            file.flush()
            os.fsync(file.fileno())
            return file.tell()


def write_rows(path: Path, chunks: Iterable[Sequence[Prediction]]) -> None:
    """An export: the archive's columns, and the label and shadow that its view joins."""
    schema = schema_of(Prediction)
    for name, column in _JOINED.items():
        schema = schema.append(pa.field(name, column))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in chunks:
            table = to_table(rows, Prediction)
            table = table.append_column("label", pa.array([_text_of(row.label) for row in rows], type=_TEXT))
            at = [None if row.label_ts is None else (unix_ns_of(row.label_ts) or 0) // 1000 for row in rows]
            table = table.append_column("label_ts", pa.array(at, type=_TIME))
            shadows = [_text_of(row.shadow or None) for row in rows]
            writer.write_table(table.append_column("shadow", pa.array(shadows, type=_TEXT)))


def _text_of(value: Any) -> str | None:
    return None if value is None else _encode(value).decode()


def read_parquet(path: Path, kind: type[R], *, about: str = "") -> Iterator[R]:
    """The rows of one file; with `about`, only those with this prediction, request or trace id. FileNotFoundError when
    retention has removed it; JournalError for a file that is damaged."""
    try:
        yield from _read_parquet(path, kind, about)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise JournalError(f"{path} cannot be read ({reason}); move it away to go on without its rows") from None


def _read_parquet(path: Path, kind: type[R], about: str) -> Iterator[R]:
    if about:
        names = [name for name in _IDS if name in _COLUMNS[kind]]
        filters = [[(name, "==", about)] for name in names]
        yield from from_table(pq.read_table(path, partitioning=None, filters=filters), kind)
        return
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from from_table(file.read_row_group(group), kind)
