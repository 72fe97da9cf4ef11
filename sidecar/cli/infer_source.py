"""What `infer` was given → rows to be counted, or a signature: by suffix, else by what the file begins with."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import yaml

from ..errors import RuntimeSetupError
from ..inference.jsonschema import from_json_schema, from_openapi
from ..inference.signature import Signature, from_mlflow, from_oip, from_tfserving
from .infer_rows import Chunk, Faults, csv_rows, encoding_of, json_lines, listed_rows, parquet_rows

_SUFFIXES: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_MOST_BYTES: Final = 8 * 1024 * 1024  # of a document that is not rows
_PEEKED: Final = 64 * 1024


@dataclass(slots=True)
class Given:
    """The data: `signature`, or chunks of rows by calling `rows()`; a second call reads again where `twice`."""

    name: str
    lexical: bool = False
    signature: Signature | None = None
    rows: Callable[[], Iterator[Chunk]] = field(default=lambda: iter(()))
    faults: Faults = field(default_factory=Faults)
    twice: bool = False


def open_given(path: Path, *, form: str, encoding: str, delimiter: str, columns: Sequence[str]) -> Given:
    """RuntimeSetupError with a sentence for what cannot be read."""
    if path.is_dir():
        path = path / "MLmodel"  # the folder of a logged model; data folders are read elsewhere
    standard_input = str(path) == "-"
    name = "<stdin>" if standard_input else path.name
    with _open(path) as data:
        form = form or _form(path, data)
        if form not in ("csv", "jsonl", "parquet"):
            document = _document(data, name, form, encoding)
            listed, names = _listed(document, columns)
            if listed is None:
                return Given(name, signature=_signature(document, name, form))
            faults = Faults()
            return Given(name, rows=lambda: listed_rows(listed, faults, names), faults=faults)
        if standard_input:
            content = data
            faults = Faults()
            return Given(
                name,
                form == "csv",
                rows=lambda: _rows(content, name, form, faults, encoding, delimiter, columns),
                faults=faults,
            )
    given = Given(name, form == "csv", twice=True)

    def again() -> Iterator[Chunk]:
        given.faults = Faults()
        with _open(path) as data:
            yield from _rows(data, name, form, given.faults, encoding, delimiter, columns)

    given.rows = again
    return given


def _rows(
    data: BinaryIO, name: str, form: str, faults: Faults, encoding: str, delimiter: str, columns: Sequence[str]
) -> Iterator[Chunk]:
    if form == "parquet":
        return parquet_rows(data, name)
    if form == "jsonl":
        return json_lines(data, name, faults, encoding=encoding, columns=columns)
    return csv_rows(data, name, faults, encoding=encoding, delimiter=delimiter, columns=columns)


def _open(path: Path) -> AbstractContextManager[Any]:
    """A binary stream that can be peeked into; standard input stays open."""
    if str(path) == "-":
        raw: Any = sys.stdin.buffer
        return nullcontext(raw if hasattr(raw, "peek") else io.BufferedReader(raw, _PEEKED))
    try:
        inner: Any = gzip.open(path) if path.suffix == ".gz" else path.open("rb", buffering=0)  # noqa: SIM115
        return io.BufferedReader(inner, _PEEKED)
    except OSError as error:
        hint = "; is the path right?" if isinstance(error, FileNotFoundError) else ""
        raise RuntimeSetupError(f"{path}: cannot be read: {error.strerror or error}{hint}") from None


def _form(path: Path, data: Any) -> str:
    if path.name == "MLmodel":
        return "mlflow"
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() in _SUFFIXES:
        return _SUFFIXES[suffix.lower()]
    begin = bytes(data.peek(_PEEKED))
    if begin.startswith(b"PAR1"):
        return "parquet"
    start = begin.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"["):
        return "json"
    if not start.startswith(b"{"):
        return "csv"
    first, _, rest = start.partition(b"\n")
    try:
        json.loads(first)
    except ValueError:
        return "json"
    return "jsonl" if rest.strip() else "json"


def _document(data: BinaryIO, name: str, form: str, encoding: str) -> Any:
    """A whole document. A JSON list of rows may be larger than the others."""
    encoding = encoding_of(data, encoding)
    content = data.read() if form == "json" else data.read(_MOST_BYTES + 1)
    if form != "json" and len(content) > _MOST_BYTES:
        raise RuntimeSetupError(f"{name}: larger than {_MOST_BYTES} bytes; is this the right file?")
    try:
        text = content.decode(encoding)
        return yaml.safe_load(text) if form == "mlflow" else json.loads(text)
    except UnicodeError as error:
        raise RuntimeSetupError(f"{name}: {error}; say what it is: --encoding …") from None
    except yaml.YAMLError as error:
        raise RuntimeSetupError(f"{name}: is no YAML: {str(error).splitlines()[0]}") from None
    except (ValueError, RecursionError) as error:
        raise RuntimeSetupError(f"{name}: is no JSON: {error}; one object a line is --as jsonl") from None


def _listed(document: Any, columns: Sequence[str]) -> tuple[list[Any] | None, Sequence[str]]:
    """The rows of a document and the names of their columns, in the forms that requests have; None = it has none."""
    if isinstance(document, dict):
        split = document.get("dataframe_split", document)
        if isinstance(split, dict) and isinstance(split.get("columns"), list) and isinstance(split.get("data"), list):
            return split["data"], [str(name) for name in split["columns"]]
        for key in ("instances", "dataframe_records", "rows"):
            if isinstance(document.get(key), list):
                return document[key], columns
    return (document, columns) if isinstance(document, list) else (None, columns)


def _signature(document: Any, name: str, form: str) -> Signature:
    """A document that is not rows. Which one it is shows in its keys."""
    keys = document.keys() if isinstance(document, dict) else ()
    if form == "json":
        signs = {"openapi": "openapi", "signature": "mlflow", "signature_def": "tfserving", "metadata": "tfserving"}
        signs |= {"properties": "jsonschema", "$schema": "jsonschema", "$ref": "jsonschema"}
        form = next((found for key, found in signs.items() if key in keys), "oip" if "name" in keys else "")
    try:
        match form:
            case "mlflow":
                return from_mlflow(document)
            case "oip":
                return from_oip(document)
            case "tfserving":
                return from_tfserving(document)
            case "openapi":
                return from_openapi(document)
            case "jsonschema":
                return Signature(from_json_schema(document))
    except ValueError as error:
        raise RuntimeSetupError(f"{name}: {error}") from None
    hint = "a list of objects is rows; a signature is told by --as mlflow, oip, tfserving, openapi or jsonschema"
    raise RuntimeSetupError(f"{name}: this JSON is neither rows nor a signature that is known; {hint}")
