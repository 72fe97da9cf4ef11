"""`sidecar explain --row`: a dry run of one request under a policy; nothing is started, sent or recorded."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import RuntimeSetupError
from ..guard import Guard
from ..policy import Policy
from ..policy.ownership import responsible_for
from ..policytest import Asked
from ..policytest.compose import CaseError
from ..policytest.dry_run import dry_run, request_for
from ..timestamps import seconds_of
from .one_policy import policy_and_guard
from .output import put
from .record_lines import escaped

GOES_ON, REFUSED = 0, 1
MOST_ROWS: Final = 20


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a dry run."""
    row = parser.add_argument_group("dry run of a row")
    row.add_argument("--row", metavar="ROW", help="JSON, or a file with it: a row, a list of rows, a body; - is stdin")
    row.add_argument("--policy", metavar="FILE", help="the policy to judge it by; FILE#NAME where it has several")
    row.add_argument("--caller", default="", metavar="NAME", help="who asks")
    row.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="a request header (repeatable)"
    )
    row.add_argument("--now", metavar="TIME", help="when, as RFC 3339 (default: now)")


def run_row(args: argparse.Namespace) -> int:
    """0 the model would get it, 1 it would be refused; a `SidecarError` is 2."""
    if not args.policy:
        raise RuntimeSetupError("--row needs --policy FILE: the policy to judge it by")
    policy, guard = policy_and_guard(args.policy)
    try:
        body, headers = request_for(guard, _data(args.row), _headers(args.header))
    except CaseError as error:
        raise RuntimeSetupError(f"--row {args.row}: {error}") from None
    asked = Asked(body, headers, args.caller, _now(args.now))
    story = _about(policy, guard) | dry_run(
        guard, asked, lambda name, code: responsible_for(policy, name, code)._asdict()
    )
    text = json.dumps(story, indent=2, ensure_ascii=False) if args.format == "json" else as_text(story)
    put(text + "\n", args.output)
    return REFUSED if story["caller_gets"]["what"] == "a refusal" else GOES_ON


def _data(where: str) -> bytes:
    if where == "-":
        return sys.stdin.buffer.read()
    if where.lstrip()[:1] in ("{", "["):
        return where.encode()
    try:
        return Path(where).read_bytes()
    except OSError as error:
        raise RuntimeSetupError(f"--row {where}: cannot be read ({error.strerror})") from None


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for text in given:
        name, *value = re.split("[:=]", text, maxsplit=1)  # no header's name has either sign
        if not value or not name.strip():
            raise RuntimeSetupError(f"--header {text}: write NAME:VALUE")
        headers[name.strip().lower()] = value[0].strip()
    return headers


def _now(text: str | None) -> float:
    if text is None:
        return time.time()
    seconds = seconds_of(text)
    if seconds is None:
        raise RuntimeSetupError(f"--now {text}: write an RFC 3339 timestamp like 2026-01-31T12:00:00Z")
    return seconds


def _about(policy: Policy, guard: Guard) -> dict[str, Any]:
    owner = policy.owner
    return {
        "policy": {
            "name": policy.name,
            "version": policy.version or "",
            "digest": guard.identity.digest,
            "owner": owner.team if owner is not None else "",
            "contact": owner.contact if owner is not None else "",
            "runbook": owner.runbook if owner is not None else "",
        }
    }


def as_text(story: Mapping[str, Any]) -> str:
    """The story for a person, every character harmless to a terminal."""
    return "\n".join(escaped(line) for line in _lines(story))


def _lines(story: Mapping[str, Any]) -> Iterator[str]:
    policy = story["policy"]
    version = f"@{policy['version']}" if policy["version"] else ""
    who = " ".join(word for word in (policy["owner"], policy["contact"]) if word)
    yield f"policy   {policy['name']}{version}  {policy['digest'][:15]}{f'  owner {who}' if who else ''}"
    caller = f", caller {story['caller']}" if story["caller"] else ""
    yield f"mode     {story['mode']}{caller}"
    differs = story["would"] != story["verdict"] and story["mode"] != "enforce"
    would = f" (enforcing it would be {story['would']})" if differs else ""
    reason = f": {story['reason']}" if story["reason"] else ""
    yield f"verdict  {story['verdict']}{reason}{would}"
    if story["fault"] is not None:
        where = f" at {story['fault']['pointer']}" if story["fault"]["pointer"] else ""
        yield f"         {story['fault']['message']}{where}"
    for row in story["rows"][:MOST_ROWS]:
        yield ""
        yield f"row {row['row']}: {row['verdict']}"
        for feature in row["features"]:
            yield from _feature(feature)
        for name in row["unknown"]:
            yield f"  {name}: not a feature of this contract"
        for rule in row["rules"]:
            yield from _rule(rule)
    if len(story["rows"]) > MOST_ROWS:
        yield f"… {len(story['rows']) - MOST_ROWS} more rows; --format json has them all"
    yield ""
    yield from _ending(story)


def _feature(feature: Mapping[str, Any]) -> Iterator[str]:
    value = "missing" if feature["missing"] else _shown(feature["value"])
    repaired = f" → {_shown(feature['repaired'])}" if "repaired" in feature else ""
    out = "  (taken out before the model)" if feature.get("taken_out") else ""
    unit = f" {feature['unit']}" if feature["unit"] and not feature["missing"] else ""
    yield f"  {feature['feature']}: {value}{unit}{repaired}{out}"
    good = [check["code"].rpartition(".")[2] for check in feature["checks"] if check["held"]]
    if good:
        yield f"      ok    {', '.join(good)}"
    for check in feature["checks"]:
        if not check["held"]:
            applied = f"  → {check['applied']}" if check["applied"] else ""
            yield f"      FAIL  {check['code']}: {check['expects']}{applied}{_whose(feature)}"


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    words = {"held": "ok  ", "broken": "FAIL", "undecided": "?   ", "not asked": "-   "}
    when = f"when {rule['when']}, " if rule["when"] else ""
    because = f"  (undecided because of {', '.join(rule['undecided_because'])})" if rule["undecided_because"] else ""
    applied = f"  → {rule['applied'] if rule['enforced'] else 'only observed'}" if rule["outcome"] == "broken" else ""
    yield f"  rule {rule['id']}"
    yield f"      {words[rule['outcome']]}  {when}expect {rule['expect']}{because}{applied}{_whose(rule)}"


def _whose(item: Mapping[str, Any]) -> str:
    who = " ".join(word for word in (item["owner"], item["contact"]) if word)
    parts = [f"owner {who}" if who else "", f"comes from {item['source']}" if item["source"] else ""]
    told = ", ".join(part for part in parts if part)
    return f"  [{told}]" if told else ""


def _ending(story: Mapping[str, Any]) -> Iterator[str]:
    sent, gets = story["sent"], story["caller_gets"]
    if sent is None:
        yield "sent to the model: nothing"
    else:
        changed = "changed" if sent["changed"] else "as it came"
        yield f"sent to the model: {_count(sent['rows'])}, {changed}"
        if sent["changed"]:
            yield f"  {sent['body']}"
        for header in sent["without_headers"]:
            yield f"  without the header {header}"
    status = f" {gets['status']} {gets['content_type']}" if gets["status"] is not None else ""
    yield f"the caller gets: {gets['what']}{status}"
    if gets["body"]:
        yield f"  {gets['body']}"


def _count(rows: int) -> str:
    return f"{rows} row{'' if rows == 1 else 's'}"


def _shown(value: Any, limit: int = 120) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
