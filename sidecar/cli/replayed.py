"""Where `diff --replay` takes its rows from: a journal or archive, or a file of lines."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..compatibility.replay import Received
from ..errors import RuntimeSetupError
from ..policy import Policy
from ..predictions import restored, to_record, unix_ns_of
from ..rows import MISSING
from .recorded import Recorded, open_recorded, times

_HASHED: Final = re.compile(r"hash:[0-9a-f]{32}")
_UNKNOWN: Final = "unknown."

# A row, or why it cannot be judged.
Found = Received | str
# Whether a record is asked for; None = every one.
Where = Callable[[Mapping[str, Any]], bool] | None


def recorded_rows(args: argparse.Namespace, old: Policy, new: Policy, where: Where = None) -> Iterator[Found]:
    """Rows that a gateway judged by a policy of one of these names, as they were received."""
    since, until = times(args)
    recorded = open_recorded(args)
    for row in recorded.source.predictions(since_ns=since, until_ns=until):
        if row.policy.name not in (old.name, new.name):
            continue
        record = to_record(row)
        if where is not None and not where(record):
            continue
        if not row.features and row.unread:
            yield row.unread
            continue
        yield received(record, _hidden(recorded, row.policy.digest))


def _hidden(recorded: Recorded, digest: str) -> frozenset[str]:
    """What the policy of that day kept from its records; slice_only features are not in them either."""
    guard = recorded.book.guard(digest)
    return frozenset() if guard is None else frozenset(guard.recording.hidden) | guard.recording.slice_only


def file_rows(path: Path, old: Policy, new: Policy, where: Where = None) -> Iterator[Found]:
    """Rows of a JSONL file: records as `sidecar log export` writes them, or plain objects of features.

    RuntimeSetupError for a file that cannot be read, and for a line that is no object.
    """
    hidden = hidden_by(old)
    try:
        lines = sys.stdin if str(path) == "-" else path.open(encoding="utf-8")
    except OSError as error:
        raise RuntimeSetupError(f"{path}: cannot be read ({error.strerror})") from None
    with lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RuntimeSetupError(f"{path}:{number}: not JSON ({error})") from None
            if not isinstance(record, dict):
                raise RuntimeSetupError(f"{path}:{number}: a line is one row: a JSON object")
            name = record.get("policy")
            if isinstance(name, dict) and name.get("name") not in (None, "", old.name, new.name):
                continue
            whole = isinstance(record.get("features"), dict)
            if where is None or where(record if whole else {"features": record}):
                yield _of_line(record, number, hidden)


def hidden_by(policy: Policy) -> frozenset[str]:
    """What a policy keeps out of its records."""
    features = policy.contract.features.items()
    personal = {name for name, feature in features if feature.pii or feature.role == "slice_only"}
    return frozenset(personal | policy.capture.hide.keys())


def _of_line(record: dict[str, Any], number: int, hidden: frozenset[str]) -> Found:
    if isinstance(record.get("features"), dict):
        if not record["features"] and record.get("unread"):
            return str(record["unread"])
        return received(record, hidden.difference(record["features"]))
    # Features alone.
    return received({"features": record, "prediction_id": f"line {number}"}, frozenset(), plain=True)


def received(record: Mapping[str, Any], hidden: frozenset[str], *, plain: bool = False) -> Received:
    """A record's row before it was repaired."""
    told: dict[str, Any] = dict(record["features"])
    raw = record.get("raw_features")
    told.update(raw if isinstance(raw, dict) else {})
    values = told if plain else {name: restored(value) for name, value in told.items()}
    hashes = {name for name, value in values.items() if isinstance(value, str) and _HASHED.fullmatch(value)}
    violations = record.get("violations") or []
    unknown = [each["feature"] for each in violations if str(each.get("code", "")).startswith(_UNKNOWN)]
    answer = record.get("prediction")
    slices = record.get("slices")
    return Received(
        id=str(record.get("prediction_id") or record.get("id") or ""),
        values={name: value for name, value in values.items() if value is not MISSING},
        caller=str(record.get("caller") or ""),
        seconds=_seconds(record.get("ts")),
        row=int(record.get("row") or 0),
        unknown=tuple(unknown),
        hidden=frozenset(hidden | hashes),
        prediction={name: restored(value) for name, value in answer.items()}
        if isinstance(answer, dict) and answer
        else None,
        slices={name: restored(value) for name, value in slices.items()} if isinstance(slices, dict) else {},
    )


def _seconds(ts: Any) -> float:
    moment = unix_ns_of(str(ts)) if ts is not None else None
    return time.time() if moment is None else moment / 1e9
