"""What the journal says about the story: read with the commands a person would type, held against what was seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from .process import own_environment
from .story import Received
from .terminal import Terminal

SHOWN = 4


def show(data: Path, received: list[Received], terminal: Terminal) -> list[str]:
    """Print some records; what does not fit to what callers got, one sentence each."""
    exported = run("log", "export", "--kind", "exchange", "--kind", "close", "--data", str(data))
    verified = run("log", "verify", "--data", str(data))
    if exported.returncode != 0:
        return [f"sidecar log export: {exported.stderr.strip()}"]
    records = [exchange(json.loads(line)) for line in exported.stdout.splitlines()]
    terminal.say()
    terminal.say(terminal.paint("what the journal has of it", "bold"))
    for record in records[-SHOWN:]:
        terminal.say("  " + terminal.cut(line(record), 2))
    terminal.say("  " + terminal.paint(f"{len(records)} exchanges; {verified.stdout.strip()}", "dim"))
    found = missing(records, received)
    if verified.returncode != 0:
        found.append("sidecar log verify found damage")
    return found


def exchange(record: dict[str, Any]) -> dict[str, Any]:
    """The exchange in a record: itself, or what a `close` frame says of a streamed one."""
    return {**record, **record["exchange"]} if record["kind"] == "close" else record


def line(record: dict[str, Any]) -> str:
    """One record in a line: time, status, verdict, how long it took, which model, which checks broke."""
    clock = str(record["ts"])[11:23]
    codes = " ".join(dict.fromkeys(violation["code"] for violation in record["violations"]))
    taken = f"{record['total_ns'] / 1e6:.1f} ms"
    subject = record["model_name"] or record["target"]
    return f"{clock}  {record['status']}  {record['verdict'] or '-':<8}  {taken:>7}  {subject:<8}  {codes}".rstrip()


def missing(records: list[dict[str, Any]], received: list[Received]) -> list[str]:
    """Judged answers without a record of the same status and verdict, and records without an answer."""
    seen = Counter((each.status, each.verdict.partition(";")[0]) for each in received if each.verdict)
    kept = Counter((record["status"], record["verdict"]) for record in records if record["verdict"])
    found = [f"no record of an answer {status} {verdict}" for status, verdict in seen - kept]
    return found + [f"a record of an answer {status} {verdict} nobody got" for status, verdict in kept - seen]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`sidecar ARGUMENTS`, to its end."""
    command = [sys.executable, "-m", "sidecar", *arguments]
    environment = own_environment(os.environ)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
