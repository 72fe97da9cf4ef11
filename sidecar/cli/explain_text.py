"""A story for a person: a few paragraphs, aligned, every character harmless to a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .record_lines import escaped

MOST_ROWS: Final = 20
_UNREAD: Final = {
    "no_policy": "no policy judged it, so nobody looked into it",
    "policy_unknown": "its policy is not known here any more, so it cannot be read",
    "streamed": "the answer was streamed; its pieces are not kept",
    "not_kept": "the body was larger than journal.max_payload, or already removed",
}


_WITHOUT_END: Final = {
    "streaming": "streaming: the answer has begun and has no end yet",
    "interrupted": "interrupted: the stream began and its end was never recorded",
}


def as_text(story: Mapping[str, Any]) -> str:
    """Lines without the last line's end."""
    return "\n".join(escaped(line) for line in _lines(story))


def _lines(story: Mapping[str, Any]) -> Iterator[str]:
    yield f"prediction {story['prediction_id']}"
    request = story["request"]
    yield f"  request    {request['method']} {request['target']}"
    if story["verdict"] in _WITHOUT_END:
        yield f"  when       {story['ts']}"
        yield f"  outcome    {_WITHOUT_END[story['verdict']]}"
        return
    caller = f" by {request['caller']} (self-declared)" if request["caller"] else ""
    yield f"  when       {story['ts']}{caller}, request id {story['request_id']}"
    yield f"  where      replica {story['replica'] or '-'}, environment {story['environment'] or '-'}"
    yield f"  model      {_model(story['model'])}"
    yield f"  policy     {_policy(story['policy'])}"
    yield f"  verdict    {_verdict(story)}"
    yield f"  answered   {_answered(story)}"
    yield f"  took       {_took(story['latency_ms'])}"
    yield f"  trace      {story['trace_id'] or '-'} span {story['span_id'] or '-'}"
    for item in story["violations"]:
        who = " ".join(word for word in (item["owner"], item["contact"]) if word)
        parts = [
            f"{item['code']} in row {item['row']}: {item['applied']}" + ("" if item["enforced"] else ", only observed"),
            item["description"],
            f"comes from {item['source']}" if item["source"] else "",
            f"owner {who}" if who else "",
        ]
        yield "  violation  " + "; ".join(part for part in parts if part)
    hidden = story["violations_total"] - len(story["violations"])
    if hidden > 0:
        yield f"             and {hidden} more that are counted, not listed"
    for edit in story["edits"]:
        yield f"  repaired   row {edit['row']} {edit['feature']}: {_value(edit['before'])} → {_value(edit['after'])}"
    rows = story["rows"]
    for row in rows[:MOST_ROWS]:
        yield from _row(row)
    if len(rows) > MOST_ROWS:
        yield f"  … {len(rows) - MOST_ROWS} more rows; --format json has them all"
    for label in story["labels"]:
        row = "" if label["row"] is None else f" row {label['row']}"
        yield f"  label     {row} {_value(label['label'])} observed {label['observed_at']}, received {label['ts']}"
    if not story["labels"]:
        yield "  label      none yet"


def _row(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"  row {row['row']}" + (f" ({row['verdict']})" if row["verdict"] else "")
    if row["unread"]:
        yield f"    not read: {_UNREAD.get(row['unread'], row['unread'])}"
    if row["features"]:
        yield f"    features   {_values(row['features'])}"
    if row["prediction"]:
        yield f"    model said {_values(row['prediction'])}"
    delivered = row["delivered"]
    if delivered is None:
        yield "    delivered  no prediction"
    else:
        same = " (the model's own)" if delivered == row["prediction"] else " (not the model's)"
        yield f"    delivered  {_values(delivered)}{same}"
    candidate = row["candidate"]
    if candidate is not None and candidate["verdict"] != candidate["active"]:
        why = ", ".join(item["code"] for item in candidate["violations"])
        because = f": {why}" if why else ""
        yield f"    candidate  {candidate['verdict']} where the contract says {candidate['active']}{because}"
    for name, shadow in row["shadow"].items():
        prediction, took = shadow["prediction"], shadow["latency_ms"]
        outcome = shadow["outcome"] + (f", {took:.3f} ms" if took is not None else "")  # None: it was not asked
        yield f"    {name} " + (f"said {_values(prediction)}" if prediction else "gave no prediction") + f" ({outcome})"


def _model(model: Mapping[str, Any]) -> str:
    version = f"version {model['version']}, stated in {model['stated_in']}" if model["version"] else "version unstated"
    identity = f", identity {model['identity']}" if model["identity"] else ""
    return f"{model['name'] or '-'} {version}{identity}"


def _policy(policy: Mapping[str, Any]) -> str:
    if not policy["digest"]:
        return "none: nothing judged this call"
    name = f"{policy['name']}@{policy['version']}" if policy["version"] else policy["name"]
    owner = " ".join(word for word in (policy["owner"], policy["contact"]) if word)
    parts = [f"{name} {policy['short_digest']}", f"owner {owner}" if owner else "", policy["runbook"]]
    if policy.get("review_by"):
        parts.append(f"review by {policy['review_by']}")
    return ", ".join(part for part in parts if part)


def _verdict(story: Mapping[str, Any]) -> str:
    verdict = story["verdict"] or "not judged"
    would = story["would"]
    more = f" (mode {story['mode']}" if story["mode"] else ""
    if more and would and would != verdict:
        more += f"; enforce would have {would}"
    return verdict + (f"{more})" if more else "") + (f", because {story['reason']}" if story["reason"] else "")


def _answered(story: Mapping[str, Any]) -> str:
    upstream = (
        f"the model server said {story['upstream_status']}"
        if story["upstream_status"]
        else "the model was not asked or did not answer"
    )
    return f"{story['status']}; {upstream}" + (f"; error {story['error']}" if story["error"] else "")


def _took(latency: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {value:.3f} ms" for name, value in latency.items() if value is not None)


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    match value:
        case {"float": str(text)} | {"integer": str(text)}:
            return text
        case {"missing": True}:
            return "(missing)"
        case {"base64": str(text)}:
            return f"bytes {text}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"
