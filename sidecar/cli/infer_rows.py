"""Files → rows in chunks, with every line that could not be read counted and named: CSV, JSONL, JSON, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Final

from ..errors import RuntimeSetupError

CHUNK_ROWS: Final = 4096
_CHUNK_CELLS: Final = 250_000  # of a wide table: what is held at a time stays bounded
_LISTED: Final = 5
_SNIFFED_BYTES: Final = 64 * 1024
_DELIMITERS: Final = ",;\t|"
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

Chunk = list[dict[str, Any]]


@dataclass(slots=True)
class Faults:
    """Lines that are not in the profile."""

    total: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """One line left out."""
        self.total += 1
        if len(self.first) < _LISTED:
            self.first.append(f"{where}: {what}")


def encoding_of(data: BinaryIO, given: str) -> str:
    """The encoding: as given, as a byte order mark says, else UTF-8."""
    if given:
        try:
            "".encode(given)
        except LookupError:
            raise RuntimeSetupError(
                f"--encoding {given}: there is no such encoding; utf-8, latin-1, cp1252, …"
            ) from None
        return given
    begin = _peek(data, 4)
    return next((encoding for mark, encoding in _BOMS if begin.startswith(mark)), "utf-8")


def _peek(data: BinaryIO, size: int) -> bytes:
    """Bytes to come, without taking them."""
    peek: Any = getattr(data, "peek", None)
    return bytes(peek(size)[:size]) if peek is not None else b""


def _not_text(name: str, error: UnicodeError, line: int) -> RuntimeSetupError:
    near = f" near line {line}" if line else ""
    return RuntimeSetupError(f"{name}{near}: {error}; say what it is: --encoding latin-1 (or cp1252, utf-16, …)")


def csv_rows(
    data: BinaryIO, name: str, faults: Faults, *, encoding: str, delimiter: str, columns: Sequence[str]
) -> Iterator[Chunk]:
    """Rows of text by the names of the header line, or by `columns` where there is none."""
    encoding = encoding_of(data, encoding)
    sample = _sample(_peek(data, _SNIFFED_BYTES), encoding)
    stream = io.TextIOWrapper(data, encoding, newline="")
    sign = delimiter or delimiter_of(sample)
    padded = f"{sign} " in sample.partition("\n")[0] and sign in ",;"
    reader = csv.reader(stream, delimiter=sign, skipinitialspace=padded)
    header = list(columns)
    most = _rows_at_once(len(header))
    rows: Chunk = []
    previous = 0
    try:
        for cells in reader:
            start, previous = previous + 1, reader.line_num
            if not cells or (len(cells) == 1 and not cells[0].strip() and len(header) != 1):
                continue  # a blank line
            if not header:
                header = _header(cells, name)
                most = _rows_at_once(len(header))
            elif len(cells) != len(header):
                faults.add(f"line {start}", f"{len(cells)} fields where the header has {len(header)}")
            else:
                rows.append(dict(zip(header, cells, strict=True)))
                if len(rows) >= most:
                    yield rows
                    rows = []
    except UnicodeError as error:
        raise _not_text(name, error, reader.line_num) from None
    except csv.Error as error:
        raise RuntimeSetupError(f"{name} line {reader.line_num}: {error}; is a quote left open?") from None
    finally:
        stream.detach()
    if rows:
        yield rows


def _rows_at_once(width: int) -> int:
    return max(16, min(CHUNK_ROWS, _CHUNK_CELLS // max(width, 1)))


def _sample(begin: bytes, encoding: str) -> str:
    return begin.decode(encoding, "ignore")


def delimiter_of(sample: str) -> str:
    """The sign that parts most of the first lines into the same number of fields, more than one; else a comma."""
    best, most = ",", 1.0
    for sign in _DELIMITERS:
        try:
            lines = [
                len(cells) for cells in islice(csv.reader(io.StringIO(sample, newline=""), delimiter=sign), 50) if cells
            ]
        except csv.Error:
            continue
        if not lines:
            continue
        width = lines[0]
        score = width * sum(length == width for length in lines) / len(lines)
        if width > 1 and score > most:
            best, most = sign, score
    return best


def _header(cells: Sequence[str], name: str) -> list[str]:
    twice = sorted({cell for cell in cells if cells.count(cell) > 1})
    if twice:
        raise RuntimeSetupError(f"{name}: the header names {twice[0]!r} twice; rename one of the columns")
    if len(cells) > 1 and all(_is_number(cell) for cell in cells):
        raise RuntimeSetupError(f"{name}: the first line is all numbers; name the columns: --columns a,b,c")
    return list(cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def json_lines(data: BinaryIO, name: str, faults: Faults, *, encoding: str, columns: Sequence[str]) -> Iterator[Chunk]:
    """One JSON object a line; NaN and Infinity, which Python's writers put there, are read."""
    stream = io.TextIOWrapper(data, encoding_of(data, encoding))
    rows: Chunk = []
    number = 0
    try:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            row = _decoded(line, columns)
            if isinstance(row, str):
                faults.add(f"line {number}", row)
                continue
            rows.append(row)
            if len(rows) >= _rows_at_once(len(row)):
                yield rows
                rows = []
    except UnicodeError as error:
        raise _not_text(name, error, number) from None
    finally:
        stream.detach()
    if rows:
        yield rows


def _decoded(line: str, columns: Sequence[str]) -> dict[str, Any] | str:
    try:
        return as_row(json.loads(line), columns)
    except (ValueError, RecursionError) as error:
        return f"no JSON ({str(error)[:80]})"


def as_row(value: Any, columns: Sequence[str]) -> dict[str, Any] | str:
    """A row as a mapping, or what is wrong with it."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        return "neither an object nor a list"
    if not columns:
        return "a list, and its columns have no names: give --columns a,b,c"
    if len(value) != len(columns):
        return f"{len(value)} values for {len(columns)} columns"
    return dict(zip(columns, value, strict=True))


def listed_rows(values: Sequence[Any], faults: Faults, columns: Sequence[str]) -> Iterator[Chunk]:
    """The rows of a decoded list."""
    rows: Chunk = []
    for position, value in enumerate(values):
        row = as_row(value, columns)
        if isinstance(row, str):
            faults.add(f"item {position}", row)
        else:
            rows.append(row)
    for begin in range(0, len(rows), CHUNK_ROWS):
        yield rows[begin : begin + CHUNK_ROWS]


def parquet_rows(data: BinaryIO, name: str) -> Iterator[Chunk]:
    """Rows of a Parquet file. Times are RFC 3339 text where they have a zone, decimals are numbers."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RuntimeSetupError("Parquet needs pyarrow; run: pip install 'sidecar-guard[archive]'") from None
    try:
        file = pq.ParquetFile(data if data.seekable() else io.BytesIO(data.read()))
        for batch in file.iter_batches(_rows_at_once(len(file.schema_arrow.names))):
            yield [{column: _plain(value) for column, value in row.items()} for row in batch.to_pylist()]
    except (pa.ArrowException, OSError) as error:
        raise RuntimeSetupError(f"{name}: cannot be read as Parquet ({str(error)[:200]})") from None


def _plain(value: Any) -> Any:
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal

    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return [_plain(each) for each in value] if isinstance(value, list) else value
