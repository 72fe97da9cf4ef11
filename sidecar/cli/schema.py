"""`sidecar schema`: JSON Schema of the policy language, for editors and pipelines."""

from __future__ import annotations

import argparse
import json

from ..policy import schema
from ..policytest import Suite
from ..yamldoc import schema_of
from .output import add_output, put

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
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    test = args.document == "test"
    found = schema_of(Suite, title="sidecar policy tests") if test else schema(args.document)
    data = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    put(data, args.output)
    return 0
