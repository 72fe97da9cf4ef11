"""`sidecar infer DATA`: a conservative policy from data, or from what a model says of itself, and its baseline."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import RuntimeSetupError
from .infer_written import (
    add_naming,
    add_written,
    check_written,
    policy_name_of,
    put_new,
    refuse_to_overwrite,
    verify,
)
from .recorded import add_source, add_times

if TYPE_CHECKING:
    from ..inference import Profile, Roles, Table
    from ..inference.models import Asked
    from ..inference.signature import Signature
    from ..policy import Policy
    from .infer_rows import Chunk, Faults

EPILOG: Final = """examples:
  sidecar infer loans.csv -o credit.yaml --prediction defaulted --key application_id
  sidecar infer rows.jsonl --protocol oip --model credit -o credit.yaml
  sidecar infer sidecar-data -o credit.yaml                what was recorded, under the protocol it was recorded with
  sidecar infer mlruns/…/model -o credit.yaml              an MLflow model's signature
  sidecar infer --upstream http://127.0.0.1:8080 --model iris -o iris.yaml
  sidecar infer loans.csv --upstream http://127.0.0.1:8080 --model credit -o credit.yaml     ranges and protocol

DATA is CSV, JSONL, a JSON list, Parquet, a data directory or archive, an MLmodel file, OIP or TF Serving metadata, a
JSON Schema, or - for standard input. The policy accepts every row it was inferred from; read its comments.

exit codes: 0 done, 2 could not be read, 3 written, but lines were left out: look at them
"""

DONE, UNANSWERED, LOOK = 0, 2, 3


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "infer",
        help="a policy from data: what each column may hold, and why",
        description="Infer a conservative, commented policy and its baseline counts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", nargs="?", metavar="DATA", help="the data; left out: --from, --data or --upstream")
    add_source(parser)
    add_times(parser)
    add_naming(parser)
    forms = ("csv", "jsonl", "json", "parquet", "mlflow", "oip", "tfserving", "openapi", "jsonschema")
    parser.add_argument(
        "--as", dest="form", choices=forms, default="", help="what DATA is, where its name does not say"
    )
    parser.add_argument(
        "--encoding", default="", metavar="NAME", help="of text; default: by byte order mark, else UTF-8"
    )
    parser.add_argument("--delimiter", default="", metavar="SIGN", help="of CSV; default: the one that fits")
    parser.add_argument("--columns", default="", metavar="A,B,C", help="names of columns, for data without them")
    for flag, text in (
        ("--prediction", "this column is the model's answer"),
        ("--key", "this column names the unit: never repaired"),
        ("--ignore", "leave this column out: the model does not get it"),
    ):
        parser.add_argument(flag, action="append", default=[], metavar="NAME", help=f"{text} (repeatable)")
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="the counts; default: baselines/NAME.json beside -o"
    )
    parser.add_argument("--no-baseline", action="store_true", help="write no counts")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the policy, or the guesses")
    add_written(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Infer, verify, write. A `SidecarError` is 2."""
    from ..inference import Draft, baseline_of, policy_text
    from ..inference.models import model_lines, stated
    from .infer_model import ask_model

    if not (args.input or args.source or args.data or args.upstream):
        raise RuntimeSetupError("give DATA (a file, a data directory, or -), or --upstream URL --model NAME")
    if len(args.delimiter) > 1 and args.delimiter != "\\t":
        raise RuntimeSetupError("--delimiter is one sign, or \\t")
    profile, table, asked, signature, faults, source = _read(args)
    if args.upstream:
        signature = ask_model(args.upstream, args.model, args.path)
    asked = stated(signature, asked)
    features, predictions = table.features, table.predictions
    opening: list[str] = []
    if profile is None:
        features, predictions = signature.features, signature.predictions
        asked = _only_columns(asked, signature)
    elif asked.named and signature.features:
        opening += _strangers([guess.name for guess in features], [guess.name for guess in signature.features])
    elif asked.columns:
        asked = _fitting(asked, [guess.name for guess in features])
    name = policy_name_of(args, source, asked.model)
    place = None if profile is None else _baseline_place(args, name)
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    draft = Draft(
        name=name,
        opening=[*_opening(table, faults, source, created, profile is not None), *opening, *signature.notes],
        model=model_lines(asked, features, predictions),
        features=features,
        predictions=predictions,
        baseline=_relative(place, args.output) if place is not None else "",
    )
    text = policy_text(draft)
    check_written(text)
    refuse_to_overwrite([args.output, place], args.force)
    if place is not None and profile is not None:
        baseline = baseline_of(profile, table, policy=name, created=created, source=source)
        put_new(json.dumps(baseline, indent=1, ensure_ascii=False) + "\n", place)
    put_new(text if args.format == "text" else _as_json(text, (*features, *predictions), table, faults), args.output)
    _talk(args.output, place, table, faults, profile is not None)
    return LOOK if faults is not None and faults.total else DONE


def _read(
    args: argparse.Namespace,
) -> tuple[Profile | None, Table, Asked, Signature, Faults | None, str]:
    """The data, counted, guessed and verified; or the signature that stands in its place."""
    from ..inference import Profile, Roles, Table, guess_table
    from ..inference.models import Asked
    from ..inference.signature import Signature
    from .infer_source import open_given

    asked = Asked(args.protocol, args.model, args.path, args.rows, positions=tuple(_names(args.columns)))
    if not (args.input or args.source or args.data):
        return None, Table(0), asked, Signature(), None, args.upstream
    path = Path(args.input) if args.input else None
    roles = Roles(frozenset(args.prediction), frozenset(args.key), frozenset(args.ignore))
    if path is None or (path.is_dir() and not (path / "MLmodel").exists()):
        return _recorded(args, asked, roles)
    delimiter = "\t" if args.delimiter == "\\t" else args.delimiter
    given = open_given(path, form=args.form, encoding=args.encoding, delimiter=delimiter, columns=_names(args.columns))
    if given.signature is not None:
        return None, Table(0), asked, given.signature, None, given.name
    profile = Profile(lexical=given.lexical)
    _count(profile, given.rows())
    if not profile.rows:
        first = f" ({given.faults.first[0]})" if given.faults.first else ""
        raise RuntimeSetupError(f"{given.name}: has no rows to learn from{first}")
    if {"prediction_id", "features", "prediction"} <= profile.columns.keys():
        hint = "give the data directory or the archive's folder itself: sidecar infer DIR"
        raise RuntimeSetupError(f"{given.name}: these are exported prediction records; {hint}")
    _known(roles, profile)
    table = guess_table(profile, roles)
    faults = given.faults
    if given.twice:
        verify(table, given.rows(), lexical=given.lexical)
    return profile, table, asked, Signature(), faults, given.name


def _recorded(
    args: argparse.Namespace, asked: Asked, roles: Roles
) -> tuple[Profile, Table, Asked, Signature, None, str]:
    from ..inference import Profile, Roles, guess_table
    from ..inference.signature import Signature
    from .infer_recorded import Learnt, asked_of

    if args.input:
        args.source = args.input
    learnt = Learnt(args)
    profile = Profile()
    _count(profile, learnt.rows())
    policy = learnt.policy()
    keys = {name for name, feature in policy.contract.features.items() if feature.role == "key"} if policy else set()
    roles = Roles(roles.predictions | learnt.outputs, roles.keys | keys, roles.ignored)
    _known(roles, profile)
    table = guess_table(profile, roles)
    verify(table, learnt.rows(), lexical=False)
    if policy is not None:
        asked = asked if asked.protocol else _overlaid(asked, asked_of(policy))
        table = _with_places(table, policy)
    return profile, table, asked, Signature(), None, str(args.source or args.data)


def _with_places(table: Table, policy: Policy) -> Table:
    """The features with the `from:` that they were recorded with."""
    from dataclasses import replace

    from ..inference.spelling import text

    known = policy.contract.features
    places = {name: known[name].from_ for name in known if known[name].from_}
    features = [
        replace(each, keys={**each.keys, "from": text(places[each.name])}) if each.name in places else each
        for each in table.features
    ]
    return replace(table, features=tuple(features))


def _overlaid(asked: Asked, recorded: Asked) -> Asked:
    """What a person says, completed by the policy that the rows were recorded under."""
    from dataclasses import fields, replace

    said = {each.name: getattr(asked, each.name) for each in fields(asked) if getattr(asked, each.name)}
    return replace(recorded, **said)


def _count(profile: Profile, chunks: Iterable[Chunk]) -> None:
    try:
        for chunk in chunks:
            profile.add(chunk)
            if sys.stderr.isatty():
                print(f"\r{profile.rows} rows", end="", file=sys.stderr)
    except ValueError as error:
        raise RuntimeSetupError(str(error)) from None
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)


def _known(roles: Roles, profile: Profile) -> None:
    from ..yamldoc import nearest

    for name in sorted(roles.predictions | roles.keys | roles.ignored):
        if name not in profile.columns:
            near = nearest(name, [each for each in profile.columns if each])
            hint = (
                f"; did you mean {near!r}?"
                if near
                else f"; there are: {', '.join(map(repr, list(profile.columns)[:20]))}"
            )
            raise RuntimeSetupError(f"there is no column {name!r}{hint}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


def _fitting(asked: Asked, names: Sequence[str]) -> Asked:
    """The server's matrix under the names of the data, where both have as many columns."""
    from dataclasses import replace

    if len(asked.columns) != 1:
        return asked if all(name in names for each in asked.columns.values() for name in each) else _plain(asked)
    ((tensor, columns),) = asked.columns.items()
    if set(columns) <= set(names):
        return asked
    if len(columns) == len(names):
        return replace(asked, columns={tensor: tuple(names)})
    told = f"the server's {tensor} has {len(columns)} columns, the data has {len(names)}: --prediction or --ignore some"
    raise RuntimeSetupError(told)


def _strangers(names: Sequence[str], stated: Sequence[str]) -> list[str]:
    """What only one of data and server knows."""
    alone = [name for name in names if name not in stated]
    lacking = [name for name in stated if name not in names]
    said = (
        [f"The server states no tensor for {', '.join(alone)}: --ignore what the model does not get."] if alone else []
    )
    return said + ([f"The data has no column for the server's {', '.join(lacking)}."] if lacking else [])


def _plain(asked: Asked) -> Asked:
    from dataclasses import replace

    return replace(asked, columns={})


def _only_columns(asked: Asked, signature: Signature) -> Asked:
    """A signature's own columns go with its own features alone."""
    return asked if asked.protocol == signature.protocol else _plain(asked)


def _baseline_place(args: argparse.Namespace, name: str) -> Path | None:
    if args.no_baseline:
        return None
    if args.baseline is not None:
        return Path(args.baseline)
    return args.output.parent / "baselines" / f"{name}.json" if args.output is not None else None


def _relative(place: Path, output: Path | None) -> str:
    if output is None:
        return str(place)
    try:
        return place.resolve().relative_to(output.resolve().parent).as_posix()
    except ValueError:
        return str(place)


def _opening(table: Table, faults: Faults | None, source: str, created: str, from_rows: bool) -> list[str]:
    said = [f"Inferred from {source}, {created[:10]}" + (f": {table.rows} rows." if from_rows else ".")]
    if from_rows:
        said.append("Each comment says what was seen. Dirt that was in the data is allowed here: read it line by line.")
    if faults is not None and faults.total:
        said.append(f"{faults.total} of its lines were left out: {'; '.join(faults.first)}")
    if table.left_out:
        said.append("Not in here: " + ", ".join(f"{name!r} ({why})" for name, why in table.left_out.items()))
    return said


def _as_json(text: str, guesses: Sequence[Any], table: Table, faults: Faults | None) -> str:
    columns: list[Mapping[str, Any]] = [
        {
            "name": each.name,
            "type": each.type,
            "keys": dict(each.keys),
            "seen": list(each.comments),
            "look": list(each.looks),
        }
        for each in guesses
    ]
    document = {"rows": table.rows, "columns": columns, "left_out": dict(table.left_out or {}), "policy": text}
    if faults is not None:
        document["faults"] = {"total": faults.total, "first": faults.first}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _talk(output: Path | None, place: Path | None, table: Table, faults: Faults | None, from_rows: bool) -> None:
    say = sys.stderr.write
    if faults is not None and faults.total:
        say(f"sidecar infer: {faults.total} lines were left out:\n")
        for each in faults.first:
            say(f"  {each}\n")
        if faults.total > len(faults.first):
            say(f"  … and {faults.total - len(faults.first)} more\n")
    for guess in (*table.features, *table.predictions):
        if guess.looks:
            say(f"sidecar infer: look at {guess.name!r}: {', '.join(guess.looks)}\n")
    if output is not None:
        say(f"sidecar infer: wrote {output}" + (f" and {place}" if place is not None else "") + "\n")
    elif from_rows and place is None:
        say("sidecar infer: no baseline was written: -o FILE, or --baseline FILE\n")
