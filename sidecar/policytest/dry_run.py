"""One request judged for a reader: each check of each value, what would be sent on, what the caller would get back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from ..contract.cell import Cell
from ..errors import WireError
from ..gateway import respond
from ..guard import Guard
from ..rows import MISSING, Rows, Value
from .compose import request_of
from .play import Asked, Played, play
from .rowwise import row_seen
from .rules import judged_rules
from .trace import trace

# (feature, code) → owner, contact, source, unit, description: whatever is known of who answers for it.
AnswersFor: TypeAlias = Callable[[str, str], Mapping[str, Any]]


def request_for(guard: Guard, data: bytes, headers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """The request that a file means: a whole body of the protocol as it is; a row, or a list of rows, as a body made of
    it. CaseError when no body can hold the row."""
    stated = {name.lower(): text for name, text in headers.items()}
    rows = _flat(guard, data)
    if rows is None:
        return data, stated
    body, told = request_of(guard, rows)
    return body, {**told, **stated}


def _flat(guard: Guard, data: bytes) -> list[dict[str, Value]] | None:
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return None  # the guard will say what is wrong with it
    rows = parsed if isinstance(parsed, list) else [parsed]
    if not rows or not all(isinstance(row, dict) for row in rows):
        return None
    if _reads(guard, data):
        return None
    names = set(guard.contract.features)
    return rows if any(names & set(row) for row in rows) else None


def _reads(guard: Guard, data: bytes) -> bool:
    """Whether it is a body in which the features can be found."""
    try:
        rows = guard.codec.read_request(data, lambda name: None)
    except WireError:
        return False
    return any(value is not MISSING for column in rows.columns.values() for value in column)


def dry_run(guard: Guard, asked: Asked, answers_for: AnswersFor) -> dict[str, Any]:
    """The whole story as JSON-like values; stable keys. Nothing is sent anywhere."""
    played = play(guard, asked)
    verdict, fault = played.judged.verdict, played.judged.fault
    return {
        "protocol": guard.identity.protocol,
        "caller": asked.caller,
        "mode": str(guard.mode(asked.caller)),
        "verdict": played.word,
        "would": verdict.would.value,
        "reason": verdict.reason,
        "fault": {"message": fault.message, "pointer": fault.pointer} if fault is not None else None,
        "rows": _rows(guard, played, answers_for) if played.rows is not None and fault is None else [],
        "sent": _sent(guard, played),
        "caller_gets": _caller_gets(guard, played),
    }


def _rows(guard: Guard, played: Played, answers_for: AnswersFor) -> list[dict[str, Any]]:
    assert played.rows is not None
    rows, asked = played.rows, played.asked
    seen = row_seen(guard, played)
    rules: dict[int, list[dict[str, Any]]] = {}
    for judged in judged_rules(guard.contract, rows, asked=asked):
        story = {
            "id": judged.id,
            "when": judged.when,
            "expect": judged.expect,
            "outcome": judged.outcome,
            "undecided_because": list(judged.because),
            "applied": judged.applied,
            "enforced": judged.enforced,
        }
        rules.setdefault(judged.row, []).append(story | dict(answers_for("", f"rule.{judged.id}")))
    return [
        {
            "row": row,
            "verdict": seen[row].verdict,
            "codes": list(seen[row].codes),
            "features": [_feature(cell, rows, row, asked.now_seconds, answers_for) for cell in guard.contract.cells],
            "rules": rules.get(row, []),
            "unknown": [name for name, where in rows.unknown.items() if row in where],
            "sent": _plain(seen[row].sent),
        }
        for row in range(rows.count)
    ]


def _feature(cell: Cell, rows: Rows, row: int, now_seconds: float, answers_for: AnswersFor) -> dict[str, Any]:
    value = rows.columns[cell.name][row]
    examined, ran = trace(cell, value, now_seconds)
    story: dict[str, Any] = {"feature": cell.name, "missing": value is MISSING, "value": _jsonable(value)}
    story["pointer"] = rows.pointer(cell.name, row)
    story["checks"] = [
        {
            "code": cell.prefix + check.check,
            "held": check.held,
            "expects": check.sentence,
            "applied": check.applied.value if check.applied is not None else None,
        }
        for check in ran
    ]
    if examined.repaired is not MISSING:
        story["repaired"] = _jsonable(examined.repaired)
    if cell.slice_only:
        story["taken_out"] = True
    return story | dict(answers_for(cell.name, ""))


def _sent(guard: Guard, played: Played) -> dict[str, Any] | None:
    """What goes on to the model; None: nothing."""
    going = [row for row in played.sent if row is not None]
    if played.problem is not None or (played.sent and not going):
        return None
    body = played.judged.body
    return {
        "rows": len(going),
        "changed": body != played.asked.body,
        "body": body.decode(errors="replace"),
        "without_headers": list(guard.contract.stripped_headers),
    }


def _caller_gets(guard: Guard, played: Played) -> dict[str, Any]:
    """Status, media type and body as the caller's protocol has them; the model's own answer has no body here."""
    if played.problem is not None:
        accept = played.asked.headers.get("accept", "").encode()
        content_type, body = respond.render(played.problem, guard.identity.protocol, accept)
        return _got(played.status, content_type.decode(), body, "a refusal")
    if played.body is not None:
        return _got(played.status, "application/json", played.body, "the policy's fallback")
    return _got(None, "", b"", "the model's answer")


def _got(status: int | None, content_type: str, body: bytes, what: str) -> dict[str, Any]:
    return {"what": what, "status": status, "content_type": content_type, "body": body.decode(errors="replace")}


def _plain(row: Mapping[str, Value] | None) -> dict[str, Any] | None:
    return None if row is None else {name: _jsonable(value) for name, value in row.items()}


def _jsonable(value: Value) -> Any:
    """Null for what is missing; text for what JSON has no spelling for."""
    if value is MISSING:
        return None
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value


def failing(row: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(feature, check) of every check of a row that did not hold."""
    for feature in row["features"]:
        for check in feature["checks"]:
            if not check["held"]:
                yield feature, check
