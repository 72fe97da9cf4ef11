"""`sidecar explain ID`: one prediction's whole story, with the rules of its day; `--key`: of a customer and day;
`--row`: a dry run of one request."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ..errors import RuntimeSetupError
from ..exchange import Open
from ..policy import Policy, short
from ..policy.ownership import responsible_for
from ..predictions import Prediction, moment, to_record
from ..verdict import gravest
from . import explain_key
from .explain_row import add_flags, run_row
from .explain_text import as_text
from .output import add_output, put
from .recorded import Recorded, add_source, open_recorded

DONE, NOT_FOUND = 0, 1

EPILOG: Final = """examples:
  sidecar explain 019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6f       the x-prediction-id of an answer
  sidecar explain r-17 --data /var/lib/sidecar               a request id or a trace id will do
  sidecar explain r-17 --from ./archive --format json
  sidecar explain --key application_id=A-17 --on 2026-03-03 --tz Europe/Berlin
  sidecar explain --row row.json --policy credit.yaml        a dry run: each check, what is sent, what the caller gets
  echo '{"age": -3}' | sidecar explain --row - --policy credit.yaml --caller mobile

--key finds what a policy hashes, too; of several predictions it lists all, and tells the latest that was delivered.

exit codes: 0 found (a dry run: not refused), 1 nothing found (a dry run: refused), 2 could not look
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "explain",
        help="one prediction's whole story, by its id or by customer and day",
        description="One prediction's whole story: who asked what, which policy said what, what the model answered.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="a prediction, request or trace id")
    explain_key.add_flags(parser)
    add_flags(parser)
    add_source(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 found, 1 not found; a `SidecarError` is 2."""
    if [args.row, args.id, args.key].count(None) != 2:
        raise RuntimeSetupError(
            "give either the ID of a prediction, or --key NAME=VALUE and --on DAY, or --row FILE and --policy FILE "
            "for a dry run"
        )
    if args.key is None and (args.on is not None or args.tz is not None):
        raise RuntimeSetupError("--on and --tz go with --key NAME=VALUE")
    if args.row is not None:
        return run_row(args)
    if args.key is not None:
        return _run_key(args)
    recorded = open_recorded(args)
    stories = stories_of(recorded, args.id)
    if not stories:
        print(
            f"sidecar explain: nothing with the id {args.id!r} in journal or archive. The id is in the answer's "
            "x-prediction-id or x-request-id; `sidecar find` lists what there is",
            file=sys.stderr,
        )
        if args.format == "json":
            put(json.dumps({"id": args.id, "predictions": []}, indent=2) + "\n", args.output)
        return NOT_FOUND
    if args.format == "json":
        text = json.dumps({"id": args.id, "predictions": stories}, indent=2, allow_nan=False)
    else:
        text = "\n\n".join(as_text(story) for story in stories)
    put(text + "\n", args.output)
    return DONE


def _run_key(args: argparse.Namespace) -> int:
    day = explain_key.day_of(args.on, args.tz, datetime.now(UTC))
    name, value = explain_key.asked_for(args.key)
    recorded = open_recorded(args)
    wanted = explain_key.Wanted(name, value, recorded.secret)
    found = explain_key.search(recorded, wanted, day)
    why_not = explain_key.why_not(wanted, found)
    if why_not:
        raise RuntimeSetupError(why_not)
    chosen = found.chosen
    stories = stories_of(recorded, chosen.prediction_id) if chosen is not None else []
    if not stories:
        print(f"sidecar explain: {explain_key.nothing_found(wanted, day, found)}", file=sys.stderr)
    if args.format == "json":
        put(explain_key.as_json(args.key, day, found, stories) + "\n", args.output)
    elif stories:
        lines = [*explain_key.list_lines(wanted, day, found), ""] if len(found.rows) > 1 else []
        put("\n".join([*lines, *map(as_text, stories)]) + "\n", args.output)
    return DONE if stories else NOT_FOUND


def stories_of(recorded: Recorded, about: str) -> list[dict[str, Any]]:
    """One story per prediction id, oldest first."""
    by_id: dict[str, list[Prediction]] = {}
    for row in recorded.source.predictions(about=about):
        by_id.setdefault(row.prediction_id, []).append(row)
    labels = recorded.source.labels_of(list(by_id))
    found = [_story(recorded, rows, labels) for rows in by_id.values()]
    for read in recorded.source.frames(about):
        if isinstance(read.record, Open) and read.record.prediction_id not in by_id:
            found.append(_streaming(read.record))
    return sorted(found, key=lambda story: story["ts"] or "")


def _story(recorded: Recorded, rows: Sequence[Prediction], labels: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    rows = sorted(rows, key=lambda row: row.row)
    first, call = rows[0], rows[0].story
    policy = recorded.book.policy(first.policy.digest) if first.policy.digest else None
    records = [to_record(row) for row in rows]
    return {
        "prediction_id": first.prediction_id,
        "request_id": first.request_id,
        "trace_id": first.trace_id,
        "span_id": first.span_id,
        "ts": first.ts,
        "request": {
            "method": call.method,
            "target": call.target,
            "protocol": first.protocol,
            "caller": first.caller,
            "rows": call.rows or len(rows),
            "streamed": call.streamed,
        },
        "replica": first.replica,
        "environment": first.environment,
        "policy": _policy(first, policy),
        "model": {
            "name": first.model.name,
            "version": first.model.version,
            "stated_in": call.version_source,
            "identity": call.identity,
        },
        "verdict": gravest(row.verdict for row in rows),
        "mode": call.mode,
        "would": call.would,
        "reason": call.reason,
        "status": first.status,
        "upstream_status": call.upstream_status,
        "error": call.error,
        "violations": [
            {
                "row": row.row,
                "code": item.code,
                "feature": item.feature,
                "applied": item.applied,
                "enforced": item.enforced,
            }
            | responsible_for(policy, item.feature, item.code)._asdict()
            for row in rows
            for item in row.violations
        ],
        "violations_total": call.violations_total,
        "edits": [
            {"row": row.row, "feature": name, "before": before, "after": row.features.get(name, {"missing": True})}
            for row in rows
            for name, before in row.raw_features.items()
        ],
        "latency_ms": records[0]["latency_ms"],
        "labels": [dict(label) for label in labels.get(first.prediction_id, ())],
        "rows": records,
    }


def _policy(row: Prediction, policy: Policy | None) -> dict[str, Any]:
    owner = policy.owner if policy is not None else None
    return {
        "name": row.policy.name,
        "version": row.policy.version,
        "digest": row.policy.digest,
        "short_digest": short(row.policy.digest),
        "owner": owner.team if owner is not None else "",
        "contact": owner.contact if owner is not None else "",
        "runbook": owner.runbook if owner is not None else "",
        "review_by": (policy.lineage.review_by or "") if policy is not None and policy.lineage is not None else "",
        "known": policy is not None,
    }


def _streaming(opening: Open) -> dict[str, Any]:
    """A stream that has begun, has no end yet, and whose writer lives."""
    return {
        "prediction_id": opening.prediction_id,
        "request_id": opening.request_id,
        "trace_id": opening.trace_id,
        "ts": moment(opening.started_unix_ns),
        "request": {"method": opening.method, "target": opening.target.partition("?")[0]},
        "model": {"name": opening.model_name},
        "policy": {"digest": opening.policy_digest},
        "verdict": "streaming",
        "rows": [],
    }
