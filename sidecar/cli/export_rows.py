"""`sidecar log export --format jsonl|parquet`: every prediction row of journal and archive, each once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from ..errors import RuntimeSetupError
from ..predictions import Prediction, to_json
from .output import writing
from .recorded import open_recorded, times

_CHUNK_ROWS: Final = 10_000
DONE: Final = 0


def export(args: argparse.Namespace) -> int:
    """0 done. RuntimeSetupError for what cannot be answered."""
    if args.kind:
        raise RuntimeSetupError("--kind chooses among frames; rows of predictions are exported without it")
    args.source = None
    since, until = times(args)
    rows = open_recorded(args).source.predictions(since_ns=since, until_ns=until, about=args.id or "")
    if args.format == "parquet":
        if args.output is None:
            raise RuntimeSetupError("parquet is written to a file, not to stdout; say where: -o FILE")
        _write_parquet(args.output, rows)
        return DONE
    with writing(args.output) as out:
        for row in rows:
            out.write(to_json(row).decode() + "\n")
    return DONE


def _write_parquet(path: Path, rows: Iterator[Prediction]) -> None:
    """Written beside and renamed: a reader sees the whole file or none."""
    from ..archive.tables import write_rows

    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.touch()
    except OSError as error:
        raise RuntimeSetupError(f"cannot write {path}: {error.strerror}") from None
    try:
        write_rows(beside, iter(lambda: list(islice(rows, _CHUNK_ROWS)), []))
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
