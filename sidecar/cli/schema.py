"""`sidecar schema`: JSON Schema of the policy language, for editors and pipelines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..policy import schema
from ..policytest import Suite
from ..yamldoc import schema_of

EPILOG = """examples:
  sidecar schema -o policy.schema.json
  sidecar schema --for platform -o sidecar.schema.json
  sidecar schema --for test -o policy-test.schema.json

A policy whose first line is `# yaml-language-server: $schema=./policy.schema.json` is then checked while it is typed.
The schema knows keys, words and units; `sidecar check` knows the rest.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of a policy",
        description="Print the JSON Schema (draft-07) of a policy, of the platform file, or of a policy's tests.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--for", dest="document", choices=("policy", "platform", "test"), default="policy", help="of which file"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    test = args.document == "test"
    found = schema_of(Suite, title="sidecar policy tests") if test else schema(args.document)
    data = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if args.output is None:
        sys.stdout.write(data)
        return 0
    try:
        args.output.write_text(data, encoding="utf-8")
    except OSError as error:
        print(f"sidecar schema: cannot write {args.output}: {error.strerror}", file=sys.stderr)
        return 2
    return 0
