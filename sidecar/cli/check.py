"""`sidecar check`: every problem of policies and platform file at once, each with its place and how to mend it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ..policy import Loaded, digest, load
from ..policy.codes import see
from ..yamldoc import Finding, in_order, write
from .output import add_output, put

EPILOG = """examples:
  sidecar check policies/credit-risk.yaml
  sidecar check policies/ --config sidecar.yaml --environment production --strict
  sidecar check policy.yaml --upstream http://127.0.0.1:8080      beside what the model's server states
  sidecar check policy.yaml --print-effective      what holds once defaults and overrides are in
  helm template chart/ | sidecar check -           what is rendered, not what was meant

exit codes: 0 good, 1 an error, 2 a file or the model server could not be read, 3 warnings and --strict
"""

OK, INVALID, UNANSWERED, LOOK = 0, 1, 2, 3


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check",
        help="find every problem of a policy at once",
        description="Find every problem of policies and platform file at once. Nothing is dialled but --upstream.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("policies", nargs="*", type=Path, metavar="POLICY", help="a file, a directory, or - for stdin")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the platform file (sidecar.yaml)")
    parser.add_argument("--environment", default="", metavar="NAME", help="the environment whose overrides hold")
    parser.add_argument("--upstream", default="", metavar="URL", help="the model server: compare with what it states")
    parser.add_argument("--strict", action="store_true", help="exit 3 when there are warnings")
    parser.add_argument(
        "--print-effective", action="store_true", help="print the resolved policies; findings to stderr"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how findings are written")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, print, and answer with the exit code."""
    if not args.policies and args.config is None:
        print("sidecar check: give a policy file or directory (or --config FILE)", file=sys.stderr)
        return UNANSWERED
    loaded = load(
        args.policies,
        config=args.config,
        environment=args.environment,
        upstream=args.upstream,
        today=datetime.now(UTC).date(),
    )
    if args.upstream and not loaded.errors:
        from .check_upstream import beside

        loaded = replace(loaded, findings=in_order([*loaded.findings, *beside(loaded, args.upstream)]))
    report = as_json(loaded.findings) if args.format == "json" else as_text(loaded)
    if args.print_effective:
        sys.stderr.write(report)
        data = effective(loaded)
    else:
        data = report
    put(data, args.output)
    return exit_code(loaded, strict=args.strict)


def exit_code(loaded: Loaded, *, strict: bool) -> int:
    """0 good, 1 an error, 2 could not be read, 3 warnings where they count."""
    if loaded.unreadable or any(finding.code == "model.unreachable" for finding in loaded.findings):
        return UNANSWERED
    if loaded.errors:
        return INVALID
    return LOOK if strict and loaded.warnings else OK


def as_json(findings: tuple[Finding, ...]) -> str:
    """A list of objects; the form other programs read."""
    keys = ("file", "line", "column", "code", "severity", "message", "hint")
    rows = [{key: getattr(finding, key) for key in keys} for finding in findings]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def as_text(loaded: Loaded) -> str:
    """One finding a line, its hint and where it is documented below, a summary at the end."""
    lines = []
    for finding in loaded.findings:
        lines.append(f"{finding.place}: {finding.severity}[{finding.code}]: {finding.message}")
        if finding.hint:
            lines.append(f"    hint: {finding.hint}")
        lines.append(f"    see: {see(finding)}")
    counts = [_count(loaded.documents, "document"), _count(loaded.errors, "error"), _count(loaded.warnings, "warning")]
    verdict = "not good" if loaded.errors else "good"
    lines.append(f"{', '.join(counts)}: {verdict}")
    return "\n".join(lines) + "\n"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def effective(loaded: Loaded) -> str:
    """The resolved policies as YAML, each under its digest; nothing when there is an error."""
    documents = [
        f"# {policy.name}{'@' + policy.version if policy.version else ''} digest={digest(policy)}\n{write(policy)}"
        for policy in loaded.policies
    ]
    return "---\n".join(documents)
