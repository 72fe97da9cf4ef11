"""`sidecar log`: look into the journal. Reads only; works beside a running sidecar and after it has stopped."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final, TextIO

from ..errors import JournalError
from ..exchange import Close, Kind, Open
from ..journal.frame import Damage, Frame, Incomplete
from ..journal.lock import is_written
from ..journal.reader import Reader
from ..journal.segment import PREAMBLE_BYTES, Segment, list_segments, list_streams, open_segment, read_items
from .export_rows import export
from .output import add_output, writing
from .record_lines import as_plain, as_text, decoded, matches, parse_since, record_ns, stamp

_FOLLOW_SECONDS: Final = 0.2
_YES, _FOUND, _CANNOT = 0, 1, 2


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own arguments."""
    parser = subparsers.add_parser(
        "log",
        help="look into the journal: ls, cat, verify, export",
        description="Look into the journal, beside a running sidecar or after it has stopped.",
        epilog="exit codes: 0 done, 1 verify found damage, 2 there is no journal or it cannot be read",
    )
    actions = parser.add_subparsers(dest="log_action", required=True, metavar="ACTION")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data directory of `serve`")
    add_output(shared)
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--kind", action="append", choices=[kind.name.lower() for kind in Kind], help="only this kind")
    chosen.add_argument("--id", metavar="ID", help="only records with this prediction, request or trace id")
    chosen.add_argument("--since", metavar="TIME", help="from this time on: 10m, 2h, 3d ago, or RFC 3339")
    chosen.add_argument("--until", metavar="TIME", help="up to this time, spelled like --since")

    listing = actions.add_parser("ls", parents=[shared], help="streams and segments: size, records, time span")
    listing.add_argument("--format", choices=["text", "json"], default="text")
    showing = actions.add_parser("cat", parents=[shared, chosen], help="records, one line each")
    showing.add_argument("--format", choices=["text", "json"], default="text")
    showing.add_argument(
        "--follow", action="store_true", help="go on with what is written from now on; ends with Ctrl-C"
    )
    checking = actions.add_parser("verify", parents=[shared], help="check every frame; 1 if any is damaged")
    checking.add_argument("--format", choices=["text", "json"], default="text")
    exporting = actions.add_parser("export", parents=[shared, chosen], help="every record once, one JSON object each")
    exporting.add_argument(
        "--format",
        choices=["frames", "jsonl", "parquet"],
        default="frames",
        help="frames: the journal's own records; jsonl, parquet: prediction rows of journal and archive, each once",
    )
    exporting.add_argument("--secret-file", metavar="FILE", help="the key `serve` was given (default: DIR/secret)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 damage found, 2 could not answer."""
    directory = args.data / "journal" if (args.data / "journal").is_dir() else args.data
    try:
        if args.log_action == "export" and args.format != "frames":
            return export(args)
        if not list_streams(directory):
            raise JournalError(f"{args.data}: no journal here; give the directory that `serve --data` was given")
        with writing(args.output) as out:
            if args.log_action == "ls":
                return _ls(directory, out, as_json=args.format == "json")
            if args.log_action == "verify":
                return _verify(directory, out, as_json=args.format == "json")
            as_json = args.log_action == "export" or args.format == "json"
            return _records(directory, out, args, as_json=as_json, follow=getattr(args, "follow", False))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads: let the exit flush into nothing
        return _YES
    except KeyboardInterrupt:
        return _YES
    except (JournalError, OSError, ValueError) as error:
        print(f"sidecar log: {error}", file=sys.stderr)
        return _CANNOT


def _records(directory: Path, out: TextIO, args: argparse.Namespace, *, as_json: bool, follow: bool) -> int:
    now = time.time_ns()
    since = parse_since(args.since, now) if args.since else None
    until = parse_since(args.until, now) if args.until else None
    kinds = {Kind[name.upper()] for name in args.kind} if args.kind else None
    reader = Reader(directory)
    while True:
        for read in reader.read():
            if matches(read, kinds, args.id, since, until):
                out.write((json.dumps(as_plain(read), allow_nan=False) if as_json else as_text(read)) + "\n")
        out.flush()
        if not follow:
            break
        time.sleep(_FOLLOW_SECONDS)
    counts = reader.counts
    if counts.damaged or counts.undecodable or counts.unreadable_segments:
        print(
            f"sidecar log: left out as damaged: {counts.damaged + counts.undecodable} records, "
            f"{counts.unreadable_segments} segments; `sidecar log verify` says where",
            file=sys.stderr,
        )
    return _YES


def _ls(directory: Path, out: TextIO, *, as_json: bool) -> int:
    rows = [
        _describe(segment, frames)
        for stream in list_streams(directory)
        for segment in list_segments(directory, stream)
        if (frames := _look(segment, written=True)) is not None
    ]
    if as_json:
        json.dump(rows, out, indent=2)
        out.write("\n")
        return _YES
    out.write(f"{'STREAM':<10} {'SEGMENT':<32} {'BYTES':>12} {'RECORDS':>9}  {'FIRST':<27} LAST\n")
    for row in rows:
        first, last = row["first"] or "-", row["last"] or "-"
        out.write(
            f"{row['stream']:<10} {row['segment']:<32} {row['bytes']:>12} {row['records']:>9}  {first:<27} {last}\n"
        )
    total = sum(row["bytes"] for row in rows)
    out.write(f"{len(rows)} segments, {total} bytes, {sum(row['records'] for row in rows)} records\n")
    return _YES


def _describe(segment: Segment, look: _Look) -> dict[str, Any]:
    return {
        "stream": segment.stream,
        "segment": segment.name,
        "bytes": segment.size,
        "records": look.records,
        "damaged": len(look.damage),
        "first": stamp(look.first_unix_ns),
        "last": stamp(look.last_unix_ns),
    }


def _verify(directory: Path, out: TextIO, *, as_json: bool) -> int:
    found: list[dict[str, Any]] = []
    interrupted: list[dict[str, Any]] = []
    records = segments = 0
    serving = False
    for stream in list_streams(directory):
        written = is_written(directory / stream)
        serving = serving or written
        previous: _Look | None = None
        opened: dict[str, str] = {}
        closed: set[str] = set()
        for segment in list_segments(directory, stream):
            look = _look(segment, written=written)
            if look is None:
                continue  # removed while we look
            segments += 1
            records += look.records
            opened |= look.opened
            closed |= look.closed
            found += [{"stream": stream, "segment": segment.name, **item} for item in look.damage]
            if previous is not None and look.first_record is not None:
                missing = look.first_record - previous.end_record
                if missing > 0 and not previous.damage:
                    reason = f"{missing} records are missing before this segment"
                    found.append({"stream": stream, "segment": segment.name, "offset": 0, "end": 0, "reason": reason})
            previous = look if look.first_record is not None else None
        interrupted += [
            {"stream": stream, "prediction_id": prediction_id, "request_id": request_id}
            for prediction_id, request_id in opened.items()
            if prediction_id not in closed
        ]
    if as_json:
        answer = {"segments": segments, "records": records, "damage": found, "interrupted": interrupted}
        json.dump(answer, out, indent=2)
        out.write("\n")
    else:
        for item in found:
            out.write(f"{item['stream']}/{item['segment']} bytes {item['offset']}-{item['end']}: {item['reason']}\n")
        if interrupted:
            running = " (or still running)" if serving else ""
            out.write(f"{len(interrupted)} streamed answers began and have no end: interrupted{running}\n")
        out.write(f"{segments} segments, {records} good records, {len(found)} damaged places\n")
    return _FOUND if found else _YES


class _Look:
    """One segment, read to its end."""

    def __init__(self) -> None:
        self.records = 0
        self.first_record: int | None = None
        self.end_record = 0
        self.first_unix_ns: int | None = None
        self.last_unix_ns: int | None = None
        self.damage: list[dict[str, Any]] = []
        self.opened: dict[str, str] = {}  # prediction id → request id of streamed answers that began here
        self.closed: set[str] = set()


def _look(segment: Segment, *, written: bool) -> _Look | None:
    """None when it is gone. `written`: some process is at the stream's last segment, whose cut end is no damage."""
    look = _Look()
    try:
        opened = open_segment(segment.path)
    except JournalError as error:
        look.damage.append({"offset": 0, "end": segment.size, "reason": str(error)})
        return look
    if opened is None:
        return None
    growing = segment.last and written
    file_descriptor, preamble = opened
    try:
        if preamble is None:
            if not growing:
                look.damage.append({"offset": 0, "end": PREAMBLE_BYTES, "reason": "the segment's begin is damaged"})
            return look
        look.first_record = look.end_record = preamble.first_record
        for item in read_items(file_descriptor, preamble.salt, PREAMBLE_BYTES, complete=not growing):
            if isinstance(item, Frame):
                look.records += 1
                look.end_record += 1
                record = decoded(item.kind, item.meta)
                moment = record_ns(record)
                if moment is not None:
                    look.first_unix_ns = min(moment, look.first_unix_ns or moment)
                    look.last_unix_ns = max(moment, look.last_unix_ns or moment)
                if isinstance(record, Open):
                    look.opened[record.prediction_id] = record.request_id
                elif isinstance(record, Close):
                    look.closed.add(record.exchange.prediction_id)
            elif isinstance(item, Damage):
                look.damage.append({"offset": item.offset, "end": item.end, "reason": item.reason})
            elif isinstance(item, Incomplete):
                break
    finally:
        os.close(file_descriptor)
    return look
