"""`sidecar diff OLD NEW`: what a new policy breaks, for whom, and whether its version says so."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from ..compatibility import Compatibility, Outcome, appeared, compare, vanished, with_evidence
from ..compatibility.replay import Replay
from ..compatibility.versions import parse
from ..contract import ContractSection
from ..policy import Loaded, Policy, load
from ..policy.files import PLATFORM_NAMES, SUFFIXES, TEST_SUFFIXES
from .check import as_text as findings_text
from .diff_forms import Told, as_json, as_junit, as_markdown, as_text
from .output import add_output, put
from .recorded import add_source, add_times

SAFE, BREAKING, UNANSWERED, LOOK = 0, 1, 2, 3
_CODES: Final = {Outcome.SAFE: SAFE, Outcome.BREAKING: BREAKING, Outcome.EVIDENCE: LOOK}
_SEVERAL_VERSIONS: Final = frozenset({"policy.twice", "policy.overlap"})
_RECORDED: Final = ""  # --replay without a file

EPILOG: Final = """examples:
  git show main:policy.yaml | sidecar diff - policy.yaml
  sidecar diff old.yaml new.yaml --replay --data sidecar-data --since 7d
  sidecar diff old.yaml new.yaml --replay rows.jsonl --format markdown
  sidecar diff released/ new.yaml --mode full --transitive

callers: breaking (what was answered is refused, or answers hold what they never held), semantic (nothing is refused,
something means another thing), unknown (cannot be decided; replay tells), safe. model: needs evidence (it may meet
what it did not), identity (another model, place or training). A breaking change asks for a major bump, a semantic or
unproven one for a minor bump, all else for a patch; while the major is 0, a step of the minor counts as major.
A contract that observes is judged as if it enforced.

--replay FILE: one JSON object a line: records of `sidecar log export --format jsonl`, or features alone.

--format json: {outcome, exit_code, mode, policies: [{policy, old: {version, digest}, new: {version, digest}, outcome,
bump: {required, actual, sufficient, advised}, notes, changes: [{path, old, new, direction, caller, model, monitor,
bump, why, owner, evidence: {rows, changed, refused, examples} | null}], replay: {rows, calls, changed, refused,
not_judged, hidden, transitions: [{side, from, to, rows, calls, codes, callers, slices, examples}], callers, slices}
| null}]}

exit codes: 0 safe, or the version says it all; 1 breaking without a major bump; 2 a policy is invalid or cannot be
read; 3 needs evidence or an owner's look
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "diff",
        help="what a new policy breaks, for whom, and which bump it asks for",
        description="What a new policy breaks: for callers, for the model, for those who watch; and which bump it asks "
        "for.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a policy file, or a directory of past versions")
    parser.add_argument("new", type=Path, metavar="NEW", help="a policy file or directory")
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in Compatibility],
        default=Compatibility.BACKWARD.value,
        help="backward: callers of OLD meet NEW; forward: callers of NEW meet OLD; full: both",
    )
    parser.add_argument(
        "--transitive", action="store_true", help="OLD is a directory: compare with every version, not the latest"
    )
    parser.add_argument(
        "--replay",
        nargs="?",
        const=_RECORDED,
        metavar="FILE",
        help="judge recorded rows by both: those of --data or --from, or of a JSONL file",
    )
    add_source(parser)
    add_times(parser)
    parser.add_argument("--where", metavar="EXPR", help="only rows for which this holds, as in `sidecar find`")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the platform file (sidecar.yaml) of both")
    parser.add_argument("--environment", default="", metavar="NAME", help="the environment whose overrides hold")
    parser.add_argument(
        "--format", choices=("text", "json", "markdown", "junit"), default="text", help="how it is told"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, tell, and answer with the exit code."""
    said = _usage(args)
    if said:
        print(f"sidecar diff: {said}", file=sys.stderr)
        return UNANSWERED
    old, new = _past(args), _load([args.new], args)
    if old is None or new is None:
        return UNANSWERED
    mode = Compatibility(args.mode)
    found = [_told(before, after, mode, args) for before, after in pairs(old, new, args)]
    if args.replay is not None and not any(told.replay is not None for told in found):
        print("sidecar diff: there is nothing to replay: no policy is on both sides", file=sys.stderr)
    outcomes = {told.comparison.outcome for told in found}
    outcome = next(each for each in (Outcome.BREAKING, Outcome.EVIDENCE, Outcome.SAFE) if each in outcomes)
    code = _CODES[outcome]
    if args.format == "json":
        data = as_json(found, mode, outcome, code)
    else:
        data = {"text": as_text, "markdown": as_markdown, "junit": as_junit}[args.format](found)
    put(data, args.output)
    return code


def _usage(args: argparse.Namespace) -> str:
    if args.transitive and not args.old.is_dir():
        return f"--transitive compares with every version in a directory; {args.old} is none"
    rows = [name for name in ("data", "source", "since", "until") if getattr(args, name)]
    if (rows or args.where) and args.replay is None:
        return "--data, --from, --since, --until and --where choose the rows of --replay: add it"
    if rows and args.replay != _RECORDED:
        return f"--replay {args.replay} has its own rows; leave out --data, --from, --since and --until"
    return ""


# -- which policies


def _past(args: argparse.Namespace) -> list[Policy] | None:
    """Of a directory that holds versions of one policy each file by itself. None when one of them is invalid."""
    if not args.old.is_dir():
        return _load([args.old], args)
    if not args.transitive:
        whole = load([args.old], config=args.config, environment=args.environment)
        faults = {finding.code for finding in whole.findings if finding.severity == "error"}
        if not faults <= _SEVERAL_VERSIONS:
            return _load([args.old], args)
        if not faults:
            return list(whole.policies)
    files = [
        path
        for path in sorted(args.old.iterdir())
        if path.suffix in SUFFIXES
        and path.name not in PLATFORM_NAMES
        and not path.name.endswith(TEST_SUFFIXES)
        and not path.name.startswith(".")
    ]
    if not files:
        print(f"sidecar diff: there is no policy in {args.old}", file=sys.stderr)
        return None
    platform = next((args.old / name for name in PLATFORM_NAMES if (args.old / name).is_file()), None)
    found = [_load([path], args, platform) for path in files]
    if any(each is None for each in found):
        return None
    policies = [policy for each in found for policy in each or ()]
    return [policy for policy in policies if not any(_is_candidate(policy, other) for other in policies)]


def _is_candidate(policy: Policy, of: Policy) -> bool:
    """Whether it is not a version that was in force, but what another one names as its candidate."""
    candidate = of.contract.candidate
    if not isinstance(candidate, ContractSection):
        return False
    return all(
        getattr(candidate, field.name) == getattr(policy.contract, field.name) for field in fields(ContractSection)
    )


def _load(paths: Sequence[Path], args: argparse.Namespace, platform: Path | None = None) -> list[Policy] | None:
    loaded: Loaded = load(paths, config=args.config or platform, environment=args.environment)
    if not loaded.errors and not loaded.policies and any(path.name in PLATFORM_NAMES for path in paths):
        where = ", ".join(map(str, paths))
        print(f"sidecar diff: {where} is a platform file, not a policy: pass it with --config {where}", file=sys.stderr)
        return None
    if not loaded.errors:
        return list(loaded.policies)
    errors = tuple(finding for finding in loaded.findings if finding.severity == "error")
    for line in findings_text(replace(loaded, findings=errors)).splitlines()[:-1]:
        print(line, file=sys.stderr)
    print(f"sidecar diff: {', '.join(map(str, paths))} is not valid: nothing was compared", file=sys.stderr)
    return None


def pairs(
    old: Sequence[Policy], new: Sequence[Policy], args: argparse.Namespace
) -> Iterator[tuple[Policy | None, Policy | None]]:
    """By name, each with its latest version, or with every one. Two lone policies of other names belong together."""
    past: dict[str, list[Policy]] = {}
    for policy in old:
        past.setdefault(policy.name, []).append(policy)
    for versions in past.values():
        versions.sort(key=lambda policy: parse(policy.version or "") or (0, 0, 0))
    if len(new) == 1 and len(past) == 1 and new[0].name not in past:
        past = {new[0].name: next(iter(past.values()))}
    for policy in new:
        versions = past.pop(policy.name, [])
        if not versions:
            yield None, policy
        for before in versions if args.transitive else versions[-1:]:
            yield before, policy
    if args.old.is_dir() and not args.new.is_dir():
        return  # a folder of everything that was released, and one policy of it
    for versions in past.values():
        yield versions[-1], None


def _told(old: Policy | None, new: Policy | None, mode: Compatibility, args: argparse.Namespace) -> Told:
    if old is None or new is None:
        assert new is not None or old is not None
        return Told(appeared(new) if new is not None else vanished(old))  # type: ignore[arg-type]
    comparison = compare(old, new, mode)
    if args.replay is None:
        return Told(comparison)
    replay = _replayed(old, new, args)
    return Told(with_evidence(comparison, replay.evidence), replay)


def _replayed(old: Policy, new: Policy, args: argparse.Namespace) -> Replay:
    from ..predictions.condition import compile_condition
    from .replayed import file_rows, recorded_rows

    replay = Replay(old, new)
    where = compile_condition(args.where) if args.where else None
    if args.replay == _RECORDED:
        rows = recorded_rows(args, old, new, where)
    else:
        rows = file_rows(Path(args.replay), old, new, where)
    for row in rows:
        if isinstance(row, str):
            replay.skip(row)
        else:
            replay.add(row)
    return replay
