"""`sidecar status`: what a running sidecar is doing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from ..errors import RuntimeSetupError, SidecarError
from ..health.readiness import ColdStanding, Readiness
from ..runtime.running import read_running, url_of
from ..runtime.settings import SETTINGS

READY, NOT_READY, UNREACHABLE = 0, 1, 2
TIMEOUT_SECONDS: Final = 3.0
# What a person wants to see first; everything is at /metrics.
COUNTERS: Final = (
    "sidecar_requests_total",
    "sidecar_problems_total",
    "sidecar_unguarded_requests_total",
    "sidecar_would_refuse_total",
    "sidecar_upstream_errors_total",
    "sidecar_guard_errors_total",
    "sidecar_journal_records_total",
    "sidecar_journal_dropped_records_total",
    "sidecar_policy_reloads_total",
    "sidecar_worker_restarts_total",
)

EPILOG = """examples:
  sidecar status                                     of the instance that serves from ./sidecar-data
  sidecar status --data /var/lib/sidecar
  sidecar status --health http://127.0.0.1:8601 --format json

exit codes: 0 ready, 1 not ready, 2 not reachable
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "status",
        help="what a running sidecar is doing",
        description="What a running sidecar is doing: policies, workers, readiness, journal, counters.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group()
    default = next(setting.default for setting in SETTINGS if setting.name == "data")
    where.add_argument("--data", default=default, metavar="DIR", help=f"its data folder (default: {default})")
    where.add_argument("--health", default="", metavar="URL", help="its health port")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, print, and answer with the exit code."""
    try:
        base, socket_path = _where(args)
        readiness, counters = _ask(base, socket_path)
    except SidecarError as error:
        if args.format == "json":
            print(json.dumps({"reachable": False, "ready": False, "reasons": [str(error)]}, indent=2))
        print(f"sidecar status: {error}", file=sys.stderr)
        return UNREACHABLE
    if args.format == "json":
        body = {"reachable": True, **msgspec.to_builtins(readiness), "counters": counters}
        print(json.dumps(body, indent=2))
    else:
        print(as_text(readiness, counters))
    return READY if readiness.ready else NOT_READY


def _where(args: argparse.Namespace) -> tuple[str, str]:
    """(base URL, UNIX socket path or "")."""
    if args.health:
        return str(args.health).rstrip("/"), ""
    running = read_running(Path(args.data))
    if running is None:
        raise RuntimeSetupError(
            f"nothing serves from {args.data}; name the folder with --data, or the health port with --health URL"
        )
    if not running.health:
        raise RuntimeSetupError(f"process {running.pid} serves from {args.data} without a health port (--health off)")
    if running.health.startswith("unix:"):
        return "http://localhost", running.health.removeprefix("unix:")
    return url_of(running.health), ""


def _ask(base: str, socket_path: str) -> tuple[Readiness, dict[str, float]]:
    transport = httpx.HTTPTransport(uds=socket_path or None, trust_env=False)
    try:
        with httpx.Client(transport=transport, trust_env=False, timeout=TIMEOUT_SECONDS) as client:
            ready = client.get(f"{base}/readyz")
            readiness = msgspec.json.decode(ready.content, type=Readiness)
            metrics = client.get(f"{base}/metrics").text
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        what = "no answer that a sidecar gives" if isinstance(error, ValueError) else str(error) or type(error).__name__
        raise RuntimeSetupError(f"{socket_path or base}: {what}; is it running, and is this its health port?") from None
    return readiness, counters_of(metrics)


def counters_of(text: str) -> dict[str, float]:
    """The series of `COUNTERS` that have counted something, by name and labels as exposed."""
    found = {}
    for line in text.splitlines():
        series, _, value = line.rpartition(" ")
        if series.split("{")[0] in COUNTERS and float(value):
            found[series] = float(value)
    return found


def as_text(now: Readiness, counters: dict[str, float]) -> str:
    """For a person."""
    workers, journal = now.workers, now.journal
    lines = [f"{'ready' if now.ready else 'NOT READY'}  sidecar {now.version}, up {span(now.uptime_seconds)}"]
    lines += [f"  because      {reason}" for reason in now.reasons]
    lines += [f"  warning      {warning}" for warning in now.warnings]
    lines.append(
        f"  workers      {workers.ready} of {workers.configured} ready, {workers.in_flight} in flight, "
        f"{workers.restarts} restarts"
    )
    lines += [f"  upstream     {url}  {'ready' if ready else 'not ready'}" for url, ready in now.upstreams.items()]
    if now.environment:
        lines.append(f"  environment  {now.environment}")
    for policy in now.policies:
        version = f"@{policy.version}" if policy.version else ""
        state = "ready" if policy.ready else "stopped"
        model = f", model version {policy.model_version}" if policy.model_version else ""
        lines.append(
            f"  policy       {policy.name}{version}  {policy.mode}  {state}  identity {policy.identity}{model}"
        )
        lines.append(f"               {policy.digest}")
    if now.observing_only:
        lines.append("               observing only: nothing is refused or repaired")
    share = f"{journal.bytes / journal.max_bytes:.0%}" if journal.max_bytes else "?"
    full = f", full in {span(journal.full_in_seconds)}" if journal.full_in_seconds is not None else ""
    lines.append(
        f"  journal      {journal.bytes / 2**20:.1f} MiB, {share} of its limit{full}; then {journal.when_full}"
    )
    lines += _cold(now.cold)
    lines += [f"  {series}  {value:g}" for series, value in counters.items()]
    return "\n".join(lines)


def _cold(cold: ColdStanding) -> list[str]:
    """The observers: how far behind each one is."""
    if cold.state == "off" and not cold.observers:
        return ["  observers    off: nobody reads the journal; run `sidecar observe`, or serve with --observers on"]
    lines = []
    for each in cold.observers:
        lag = "up to date" if not each.lag_bytes else f"{span(each.lag_seconds)} and {each.lag_bytes} bytes behind"
        because = f"  {each.because}" if each.because else ""
        errors = f", {each.errors} errors" if each.errors else ""
        lines.append(f"               {each.name}: {lag}{errors}{because}")
    restarts = f", {cold.restarts} restarts" if cold.restarts else ""
    state = "silent: look at the process of `sidecar observe`, or run it" if cold.state == "off" else cold.state
    return [f"  observers    {state}{restarts}", *lines]


def span(seconds: float) -> str:
    """3 h 20 min, 45 s."""
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // part)} {smaller}"
    return f"{seconds:.0f} s"
