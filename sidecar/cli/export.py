"""`sidecar export`: a contract as JSON Schema, MLflow signature, OpenAPI components."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from ..exports import Options, targets
from ..families import summary
from ..policy import digest
from .one_policy import policy_and_guard
from .output import add_output, put

DONE: Final = 0


def _epilog() -> str:
    lines = [f"  {kind:<12} {summary(member)}" for kind, member in targets().items()]
    return (
        "examples:\n"
        "  sidecar export credit.yaml --to json-schema -o row.schema.json\n"
        "  sidecar export credit.yaml --to mlflow\n"
        "  sidecar export policies.yaml#credit --to openapi\n\n"
        "targets:\n" + "\n".join(lines) + "\n\n"
        "What a target has no words for (rules, ages, uniqueness) is listed on stderr, and in the document where\n"
        "it can hold remarks.\n\n"
        "exit codes: 0 done, 2 the policy cannot be used\n"
    )


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "export",
        help="the contract for other tools",
        description="The contract of a policy in the words of other tools.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("policy", metavar="POLICY", help="a policy file; FILE#NAME where it has several")
    parser.add_argument("--to", required=True, choices=tuple(targets()), help="what to write")
    parser.add_argument("--draft", default="2020-12", choices=("2020-12", "draft-07"), help="of JSON Schema")
    parser.add_argument("--environment", default="", metavar="NAME", help="the environment whose overrides hold")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the document; say what it leaves out."""
    policy, _ = policy_and_guard(args.policy, environment=args.environment)
    exported = targets()[args.to].export(policy, Options(args.draft, digest(policy)))
    text = json.dumps(exported.document, indent=2, ensure_ascii=False) + "\n"
    for one in exported.unsaid:
        about = f"{one.about}: " if one.about else ""
        print(f"sidecar export: not expressed: {about}{one.check} ({one.why})", file=sys.stderr)
    put(text, args.output)
    return DONE
