"""Where a command's data goes: stdout, or the file of `-o`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..errors import RuntimeSetupError


def add_output(parser: argparse.ArgumentParser) -> None:
    """The argument that says where."""
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE instead of stdout")


@contextmanager
def writing(output: Path | None) -> Iterator[TextIO]:
    """What is written to, line by line. RuntimeSetupError where the file cannot be."""
    if output is None:
        yield sys.stdout
        return
    try:
        with output.open("w", encoding="utf-8") as out:
            yield out
    except OSError as error:
        if error.filename not in (None, str(output)):  # what went wrong is another file's
            raise
        raise RuntimeSetupError(f"cannot write {output}: {error.strerror}") from None


def put(text: str, output: Path | None) -> None:
    """All of it at once."""
    with writing(output) as out:
        out.write(text)
