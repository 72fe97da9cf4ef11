"""Where recorded predictions are read from: a data folder, or an archive alone."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ..archive import archiver_of, folder_of, is_archive
from ..archive.source import Source
from ..errors import PolicyError, RuntimeSetupError
from ..policy import platform_from_canonical
from ..runtime.book import PolicyBook
from ..runtime.secret import SECRET_NAME, read_secret
from ..runtime.settings import SETTINGS
from ..runtime.setup import read_setup
from .record_lines import parse_since

DEFAULT_DATA: Final = str(next(setting.default for setting in SETTINGS if setting.name == "data"))


class Recorded(msgspec.Struct):
    """Everything recorded in one place, and the policies of its days. Without `secret` no hidden value is known."""

    source: Source
    book: PolicyBook
    secret: bytes = b""


def add_source(parser: argparse.ArgumentParser) -> None:
    """The arguments that say where."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data", metavar="DIR", help=f"the data directory of `serve` (default: {DEFAULT_DATA})")
    where.add_argument("--from", dest="source", metavar="DIR", help="a data directory, or an archive's folder alone")
    parser.add_argument(
        "--secret-file", metavar="FILE", help="the key `serve` was given, where it was (default: DIR/secret)"
    )


def source_flags(args: argparse.Namespace) -> str:
    """The same arguments for another command, as a shell reads them; "" where the default was meant."""
    stated = (("--data", args.data), ("--from", args.source), ("--secret-file", args.secret_file))
    return " ".join(f"{flag} {shlex.quote(str(value))}" for flag, value in stated if value)


def add_times(parser: argparse.ArgumentParser) -> None:
    """The arguments that say when."""
    parser.add_argument("--since", metavar="TIME", help="from this time on: 10m, 2h, 3d ago, or RFC 3339")
    parser.add_argument("--until", metavar="TIME", help="up to this time, spelled like --since")


def times(args: argparse.Namespace) -> tuple[int | None, int | None]:
    """(since, until) in Unix nanoseconds. RuntimeSetupError with a sentence for what is no time."""
    now = time.time_ns()
    try:
        since = parse_since(args.since, now) if args.since else None
        return since, parse_since(args.until, now) if args.until else None
    except ValueError as error:
        raise RuntimeSetupError(str(error)) from None


def open_recorded(args: argparse.Namespace) -> Recorded:
    """RuntimeSetupError where there is nothing."""
    folder = Path(args.source or args.data or DEFAULT_DATA)
    if "://" in str(args.source or ""):
        raise RuntimeSetupError(f"{args.source}: this version reads folders; copy it here, or mount it")
    book = PolicyBook(folder, log=_say)
    journal: Path | None
    archive: Path | None
    if is_archive(folder):
        journal, archive = None, folder
    else:
        journal = _journal(folder)
        archive = _archive(folder)
    secret = _secret(folder, args.secret_file)
    source = Source(journal, archive, book.guard, book.learn, secret, archiver_of(folder))
    if source.empty:
        raise RuntimeSetupError(
            f"{folder}: neither a journal nor an archive here; give the directory that `serve --data` was given"
        )
    return Recorded(source, book, secret)


def _journal(folder: Path) -> Path:
    """Where the gateway wrote it, if that can be seen from here."""
    setup = read_setup(folder)
    there = Path(setup.journal) if setup is not None and setup.journal else folder / "journal"
    return there if there.is_dir() else folder / "journal"


def _archive(folder: Path) -> Path:
    """Where the policies' platform says, else where it is by default."""
    setup = read_setup(folder)
    if setup is not None and setup.platform != "{}":
        try:
            section = platform_from_canonical(setup.platform.encode()).archive
            if section is not None and section.to is not None:
                return folder_of(folder, section.to)
        except (PolicyError, ValueError):
            pass
    return folder / "archive"


def _secret(folder: Path, given: str | None) -> bytes:
    """The gateway's key. Without it, values that the policy hashes are left out."""
    if given:
        try:
            return read_secret(Path(given))
        except OSError as error:
            raise RuntimeSetupError(f"--secret-file {given}: cannot be read ({error.strerror})") from None
    setup = read_setup(folder)
    stated = setup.secret_file if setup is not None else ""
    for path in (Path(stated) if stated else None, folder / SECRET_NAME):
        if path is not None:
            with contextlib.suppress(OSError):
                return read_secret(path)
    return b""


def _say(event: str, fields: Mapping[str, Any]) -> None:
    print(f"sidecar: {event}: {fields.get('reason', '')}", file=sys.stderr)
