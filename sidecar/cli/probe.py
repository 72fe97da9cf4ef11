"""`sidecar probe URL --policy P`: rows from the contract against a live model, before it meets its callers."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from ..contract import Mode
from ..errors import RuntimeSetupError
from ..guard import Guard
from ..policy import Policy
from ..probing import Plan, Probed, Reply, Severity, probe
from ..probing.cases import Row
from ..probing.run import headers_of
from ..runtime.compile import compile_guard
from .one_policy import policy_and_guard
from .output import add_output, put
from .record_lines import escaped

DONE, FOUND, UNANSWERED, LOOK = 0, 1, 2, 3

EPILOG: Final = """examples:
  sidecar probe http://127.0.0.1:8080 --policy credit.yaml
  sidecar probe http://127.0.0.1:8080 --policy credit.yaml --row good-row.json --format json
  sidecar probe http://127.0.0.1:8080/v2/models/credit/versions/15/infer --policy credit.yaml

Asks the model itself, not through the sidecar: usual, boundary, null, missing, unknown and out-of-range rows, pairs of
values, the same row again, rows alone and together. A failing row is shrunk to the features that matter. Do not point
it at a model whose answers have consequences.

exit codes: 0 nothing wrong, 1 the model breaks a promise of the contract, 2 could not ask, 3 something to look at
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "probe",
        help="rows from the contract against a live model",
        description="Rows from the contract against a live model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="the model server, or the whole URL of its inference route")
    parser.add_argument("--policy", required=True, metavar="FILE", help="a policy file; FILE#NAME where it has several")
    parser.add_argument(
        "--model", default="", metavar="NAME", help="of openai: the model that requests name (default: the policy's)"
    )
    parser.add_argument("--row", metavar="ROW", help="a good row: JSON, or a file with it; its values are preferred")
    parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE", help="sent with every request")
    parser.add_argument(
        "--pairs", type=int, default=200, metavar="N", help="at most so many pairwise rows (default 200)"
    )
    parser.add_argument("--most", type=int, default=5000, metavar="N", help="most requests (default 5000)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="how often one row is asked (default 3)")
    parser.add_argument(
        "--tolerance", type=float, default=1e-9, metavar="X", help="relative, between equal predictions"
    )
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="of one request (default 10)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other pairwise rows")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The exit code; a `SidecarError` is 2."""
    policy, _ = policy_and_guard(args.policy)
    guard = _enforcing(policy)
    if args.model and policy.model.protocol != "openai":
        speaks = f"the policy says `protocol: {policy.model.protocol}`"
        raise RuntimeSetupError(f"--model: OpenAI requests alone name a model, and {speaks}; give its route as URL")
    url, headers = inference_url(args.url, policy), _headers(args.header)
    plan = Plan(
        seed=args.seed,
        pairs=max(args.pairs, 0),
        repeats=max(args.repeats, 1),
        tolerance=args.tolerance,
        most_requests=max(args.most, 1),
        now_seconds=time.time(),
    )
    example = _example(args.row)
    # A new connection for each row: some servers close theirs after an error, and the next row would be blamed.
    fresh = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(timeout=args.timeout, trust_env=False, follow_redirects=False, limits=fresh) as client:
        datatypes = stated_datatypes(client, url) if policy.model.protocol == "oip" else {}
        beside = _openai_beside(client, url, headers, policy, example, args.model)
        ask = _asker(client, url, headers, guard, datatypes)
        probed = probe(policy.contract, guard, ask, plan, example, beside)
    text = json.dumps(as_json(probed, url), indent=2) if args.format == "json" else "\n".join(as_text(probed, url))
    put(text + "\n", args.output)
    if probed.count(Severity.ERROR):
        return FOUND
    return LOOK if probed.count(Severity.WARNING) else DONE


def inference_url(url: str, policy: Policy) -> str:
    """Where the model is asked: the URL as it is when it has a path, else the protocol's own route."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RuntimeSetupError(f"{url}: give the model server's URL, like http://127.0.0.1:8080")
    if parts.path not in ("", "/"):
        return url
    model = policy.model
    path = model.path or ""
    if not path and model.wire is not None and (model.name or model.protocol == "openai"):  # there it is in the body
        path = model.wire.inference_path(quote(model.name or "", safe=""))
    if not path:
        raise RuntimeSetupError(
            f"{url}: the policy says neither `model.name` nor `model.path`; give the whole URL of the inference route"
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


def stated_datatypes(client: httpx.Client, url: str) -> dict[str, str]:
    """Input tensor → datatype, where an OIP server states them; {} where it does not."""
    try:
        answer = client.get(url.removesuffix("/infer"))
        inputs = answer.json()["inputs"] if answer.status_code == 200 else []
        return {str(tensor["name"]): str(tensor["datatype"]) for tensor in inputs}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}


def _openai_beside(
    client: httpx.Client, url: str, headers: dict[bytes, bytes], policy: Policy, example: Row, named: str
) -> dict[str, Any]:
    """What an OpenAI body has beside the features: the model's name, and the example's own messages."""
    if policy.model.protocol != "openai":
        return {}
    beside = {name: value for name, value in example.items() if name not in policy.contract.features}
    if "model" in policy.contract.features:
        return beside
    model = named or beside.get("model") or policy.model.name or _only_model(client, url, headers)
    return beside | {"model": model} if model else beside


def _only_model(client: httpx.Client, url: str, headers: dict[bytes, bytes]) -> str:
    """The model that requests must name, where an OpenAI-compatible server lists one; "" where it lists none."""
    base, found, _ = url.partition("/v1/")
    try:
        answer = client.get(f"{base}/v1/models", headers=headers) if found else None
        listed = answer.json()["data"] if answer is not None and answer.status_code == 200 else []
        names = [str(each["id"]) for each in listed]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""
    if len(names) > 1:
        raise RuntimeSetupError(f"{url}: the server has {', '.join(names[:20])}; choose one with --model NAME")
    return names[0] if names else ""


def _asker(
    client: httpx.Client, url: str, headers: dict[bytes, bytes], guard: Guard, datatypes: dict[str, str]
) -> Callable[[bytes, Sequence[Row]], Reply]:
    def ask(body: bytes, rows: Sequence[Row]) -> Reply:
        told = {name.encode(): value.encode() for name, value in headers_of(guard, rows[0]).items()}
        sent = {b"content-type": b"application/json", **headers, **told}
        try:
            answer = client.post(url, content=_retyped(body, datatypes) if datatypes else body, headers=sent)
        except httpx.HTTPError as error:
            return Reply(0, fault=str(error) or type(error).__name__)
        return Reply(answer.status_code, answer.content)

    return ask


def _retyped(body: bytes, datatypes: dict[str, str]) -> bytes:
    """Numbers under the datatype that the server states, as its callers would send them."""
    document = json.loads(body)
    for tensor in document.get("inputs", ()):
        stated = datatypes.get(tensor["name"])
        if stated is not None and stated != "BYTES" and tensor["datatype"] != "BYTES":
            tensor["datatype"] = stated
    return json.dumps(document).encode()


def _enforcing(policy: Policy) -> Guard:
    """Verdicts as if enforced, whatever the roll-out has come to."""
    section = replace(policy.contract, mode=Mode.ENFORCE)
    try:
        return compile_guard(replace(policy, contract=section))
    except ValueError as error:
        raise RuntimeSetupError(str(error)) from None


def _headers(given: Sequence[str]) -> dict[bytes, bytes]:
    found = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise RuntimeSetupError(f"--header {text}: write NAME:VALUE")
        found[name.strip().lower().encode()] = value.strip().encode()
    return found


def _example(given: str | None) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8")
        row = json.loads(text)
    except (OSError, ValueError) as error:
        raise RuntimeSetupError(f"--row {given}: neither a JSON object nor a file with one ({error})") from None
    if not isinstance(row, dict):
        raise RuntimeSetupError(f"--row {given}: must be one JSON object, feature → value")
    return row


def as_json(probed: Probed, url: str) -> dict[str, Any]:
    """A stable object."""
    return {
        "url": url,
        "requests": probed.requests,
        "asked": dict(probed.asked),
        "skipped": probed.skipped,
        "stopped": probed.stopped,
        "errors": probed.count(Severity.ERROR),
        "warnings": probed.count(Severity.WARNING),
        "findings": [finding.as_json() for finding in probed.findings],
    }


def as_text(probed: Probed, url: str) -> Iterator[str]:
    """One paragraph a finding; the row can be pasted into a test."""
    for finding in probed.findings:
        severity = finding.severity
        names = ", ".join(finding.features) or "the row as a whole"
        yield escaped(f"{severity.value}[{finding.kind.value}]: {names}: {finding.detail}")
        yield f"    {finding.means}"
        if severity is not Severity.NOTE:
            yield escaped(f"    row: {json.dumps(dict(finding.row), ensure_ascii=False)}")
    asked = ", ".join(f"{count} {about}" for about, count in probed.asked.items())
    yield f"{probed.requests} requests to {url}: {asked}"
    if probed.skipped:
        yield f"{probed.skipped} rows were left out: a rule or a combination of checks forbids them"
    if probed.stopped:
        yield "stopped at --most: not everything was asked"
    counts = [(probed.count(each), each.value) for each in Severity]
    yield ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    if not probed.findings:
        print("the model keeps every promise that was asked about", file=sys.stderr)
