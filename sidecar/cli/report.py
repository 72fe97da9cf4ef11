"""`sidecar report contract`: findings from what was recorded, journal and archive together."""

from __future__ import annotations

import argparse
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ..errors import RuntimeSetupError
from ..policy.ownership import responsible_for
from ..predictions import to_record
from ..predictions.condition import compile_condition
from ..report import ContractReport, gather
from ..report.contract import REJECT_REQUEST, Answerable
from ..report.contract_text import as_json, as_page, as_text
from ..report.page import html
from .output import add_output, put
from .record_lines import escaped
from .recorded import Recorded, add_source, add_times, open_recorded, source_flags, times

DONE, FOUND = 0, 1

EPILOG: Final = """examples:
  sidecar report contract                                         who breaks what, by caller and feature
  sidecar report contract --by caller,feature --as enforce        who would break if it were enforced
  sidecar report contract --candidate --by feature,code           what the candidate contract would refuse, and why
  sidecar report contract --since 24h --by owner,code --format json
  sidecar report contract --where 'caller == "mobile"' --html contract.html
  sidecar report contract --as enforce --fail-on 0.1%             in a pipeline, before enforcing

--by names any of: caller, policy, model, version, day, protocol, environment, replica, feature, code, owner, source,
slice.NAME. Rows that a sample kept stand for those it did not. Rows refused and requests refused are counted apart:
with `on_bad_rows: drop_rows` a request loses rows and is answered. Rows of a policy with a `candidate` are also counted
by what both contracts would do with them.

exit codes: 0 reported, 1 --fail-on applies, 2 could not look
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "report",
        help="findings from what was recorded",
        description="Findings from what was recorded.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what", choices=("contract",), help="contract: who breaks the contract, since when, whose feature"
    )
    add_source(parser)
    add_times(parser)
    parser.add_argument("--where", metavar="EXPR", help="only rows for which this holds, as in `sidecar find`")
    parser.add_argument("--by", default="caller,feature", metavar="NAMES", help="what rows are grouped by, with commas")
    parser.add_argument(
        "--as", dest="as_", choices=("recorded", "enforce"), default="recorded",
        help="recorded: what was done; enforce: what would have been done were every policy and rule enforced",
    )  # fmt: skip
    parser.add_argument(
        "--candidate", action="store_true", help="group what the candidate contract finds, as if it were in force"
    )
    parser.add_argument(
        "--fail-on", metavar="SHARE", help="exit 1 when more than this share of requests is refused: 0, 1%%"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page as well")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 reported, 1 more is refused than `--fail-on` allows; a `SidecarError` is 2."""
    most = _share(args.fail_on)
    holds = compile_condition(args.where) if args.where else None
    since, until = times(args)
    recorded = open_recorded(args)
    rows = recorded.source.predictions(since_ns=since, until_ns=until)
    chosen = rows if holds is None else (row for row in rows if holds(to_record(row)))
    by = tuple(name.strip() for name in args.by.split(",") if name.strip())
    try:
        report = gather(
            chosen, by, owner_of=_owners(recorded), as_enforced=args.as_ == "enforce", candidate=args.candidate,
            bad_rows_of=_bad_rows(recorded, args.candidate),
        )  # fmt: skip
    except ValueError as error:
        raise RuntimeSetupError(f"--by {args.by}: {error}") from None
    if args.format == "json":
        text = json.dumps(as_json(report), indent=2, ensure_ascii=False)
    else:
        text = "\n".join(escaped(line) for line in as_text(report, source_flags(args)).splitlines())
    put(text + "\n", args.output)
    if args.html is not None:
        put(html(as_page(report)), args.html)
    return _verdict(report, most)


def _verdict(report: ContractReport, most: float | None) -> int:
    if most is None or not report.requests or report.refused / report.requests <= most:
        return DONE
    share = report.refused / report.requests
    print(f"sidecar report: {share:.2%} of the requests are refused, more than --fail-on {most:.2%}", file=sys.stderr)
    return FOUND


def _owners(recorded: Recorded) -> Any:
    @lru_cache(maxsize=4096)
    def owner_of(digest: str, feature: str, code: str) -> Answerable:
        found = responsible_for(recorded.book.policy(digest), feature, code)
        return Answerable(found.owner, found.contact, found.source)

    return owner_of


def _bad_rows(recorded: Recorded, candidate: bool) -> Any:
    @lru_cache(maxsize=4096)
    def bad_rows_of(digest: str) -> str:
        policy = recorded.book.policy(digest)
        contract: Any = policy.contract if policy is not None else None
        section = contract.candidate if contract is not None and candidate else contract
        return str(getattr(section, "on_bad_rows", REJECT_REQUEST))

    return bad_rows_of


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise RuntimeSetupError(f"--fail-on {text}: write a share from 0 to 1, like 0, 0.001 or 0.1%")
    return share
