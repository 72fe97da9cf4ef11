"""`sidecar init`: a commented starter policy, from the model's own metadata where there is an upstream."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from .infer_written import add_naming, add_written, check_written, policy_name_of, put_new, refuse_to_overwrite

EPILOG: Final = """examples:
  sidecar init -o policy.yaml                                        a skeleton to be completed
  sidecar init --upstream http://127.0.0.1:8080 -o iris.yaml         the only model it has; of several: --model iris
  sidecar init --upstream http://127.0.0.1:9000 -o scores.yaml       FastAPI: from its /openapi.json

The server is only asked: /v2 (MLServer, KServe, Triton), /v1/models/NAME (TF Serving), /openapi.json, by GET; and for
the names of its models POST /v2/repository/index.
Next: serve it with --policy, send traffic, then `sidecar infer` ranges from what was recorded.

exit codes: 0 done, 2 could not ask or write
"""

DONE: Final = 0

_MATRIX: Final = "columns: {input-0: [age, income]}"
_HINTS: Final = (
    "Most models need four lines: policy, model, contract, and what a feature may hold.",
    "  MLServer, KServe, Triton   protocol: oip, and for one matrix " + _MATRIX,
    "  TF Serving                 protocol: tfserving",
    "  your own FastAPI           protocol: json, path: /predict, rows: /features",
    "Types: int, float, bool, string, category, timestamp, float[64]. Checks: min, max, values, …",
    "Then: sidecar check FILE · sidecar serve --policy FILE --upstream URL · sidecar infer sidecar-data",
)


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "init",
        help="a starter policy, from the model's own metadata",
        description="Write a commented starter policy that passes `sidecar check`.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_naming(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the policy, or what was found")
    add_written(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, write. A `SidecarError` is 2."""
    from ..inference import Draft, policy_text
    from ..inference.models import Asked, model_lines, stated
    from ..inference.signature import Signature
    from .infer_model import ask_model

    signature = ask_model(args.upstream, args.model, args.path) if args.upstream else Signature()
    asked = stated(signature, Asked(args.protocol, args.model, args.path, args.rows))
    if asked.protocol != signature.protocol:  # what the server states is told in its own protocol's words
        signature = Signature(protocol=asked.protocol)
        asked = Asked(args.protocol, args.model, args.path, args.rows)
    draft = Draft(
        name=policy_name_of(args, "my-model", asked.model),
        opening=[
            *(f"From what {args.upstream} says of itself." for _ in [0] if args.upstream),
            *signature.notes,
            *_HINTS,
        ],
        model=model_lines(asked, signature.features, signature.predictions),
        features=signature.features,
        predictions=signature.predictions,
    )
    text = policy_text(draft)
    check_written(text)
    refuse_to_overwrite([args.output], args.force)
    if args.format == "json":
        found = {
            "protocol": asked.protocol or "json",
            "model": asked.model,
            "features": {each.name: each.type for each in signature.features},
            "predictions": {each.name: each.type for each in signature.predictions},
            "notes": list(signature.notes),
            "policy": text,
        }
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    put_new(text, args.output)
    if args.output is not None:
        print(f"sidecar init: wrote {args.output}; next: sidecar check {args.output}", file=sys.stderr)
    return DONE
