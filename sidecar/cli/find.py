"""`sidecar find 'EXPR'`: predictions by condition, from journal and archive."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from typing import Any, Final

from ..predictions import is_hashed, to_json, to_record
from ..predictions.condition import compile_condition
from ..predictions.row import RECORD_FIELDS
from ..yamldoc import nearest
from .output import add_output, writing
from .recorded import add_source, add_times, open_recorded, times

DONE, NOTHING = 0, 1

EPILOG: Final = """examples:
  sidecar find 'income > 200000 and caller == "mobile"'
  sidecar find 'verdict in ["rejected", "fallback"]' --since 2h --format jsonl
  sidecar find 'violations == "age.max" and features.age > 120'
  sidecar find 'prediction.score >= 0.8 and label is not null'
  sidecar find 'loan_amount > 10 * income and slices.seniors'

Names are fields of the prediction record (caller, verdict, status, model.version, latency_ms.total, …); every other
name is a feature.

exit codes: 0 found, 1 nothing fits, 2 could not look
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "find",
        help="predictions by condition",
        description="Predictions for which a condition holds.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("condition", metavar="EXPR", help="comparisons, and/or/not, in [...], is null, + - * / %%")
    add_source(parser)
    add_times(parser)
    parser.add_argument("--format", choices=("ids", "jsonl"), default="ids", help="prediction ids, or whole records")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 something fits, 1 nothing does; a `SidecarError` is 2."""
    holds = compile_condition(args.condition)
    since, until = times(args)
    recorded = open_recorded(args)
    found = 0
    last = ""
    unseen, seen = set(holds.features), set[str]()
    hidden: set[str] = set()
    with writing(args.output) as out:
        for row in recorded.source.predictions(since_ns=since, until_ns=until):
            if unseen:
                seen.update(row.features)
                unseen -= row.features.keys()
            hidden.update(name for name in holds.features if is_hashed(row.features.get(name)))
            if not holds(to_record(row)):
                continue
            found += 1
            if args.format == "jsonl":
                out.write(to_json(row).decode() + "\n")
            elif row.prediction_id != last:  # rows of one call come one after the other
                out.write(row.prediction_id + "\n")
            last = row.prediction_id
    if not found:
        for name in sorted(unseen):
            print(f"sidecar find: {_unknown(name, seen)}", file=sys.stderr)
        for name in sorted(hidden):
            print(
                f"sidecar find: `{name}` is hidden by its policy: rows have a keyed hash of it, and all that can be "
                f'asked is whether it is one, as `--format jsonl` shows them: {name} == "hash:…"',
                file=sys.stderr,
            )
    return DONE if found else NOTHING


def _unknown(name: str, features: Collection[str]) -> str:
    """A name that is no field is taken for a feature; where no row had it, it may be neither."""
    near = nearest(name, [*RECORD_FIELDS, *sorted(features)])
    return f"no row had a feature `{name}`" + (f"; did you mean `{near}`?" if near else "")
