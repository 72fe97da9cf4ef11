"""What `infer` and `init` share: the words about the model, the policy's name, and writing what was checked first."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RuntimeSetupError
from .output import add_output, put

if TYPE_CHECKING:
    from ..inference import Table
    from .infer_rows import Chunk


def add_naming(parser: argparse.ArgumentParser) -> None:
    """What a person says of the model; the same for `init`."""
    parser.add_argument("--upstream", default="", metavar="URL", help="ask this model server what it serves")
    parser.add_argument("--model", default="", metavar="NAME", help="the model's name")
    parser.add_argument(
        "--protocol", choices=("oip", "tfserving", "json", "opaque"), default="", help="how it is asked"
    )
    parser.add_argument("--path", default="", metavar="PATH", help="of plain JSON: the path that is asked")
    parser.add_argument(
        "--rows", default="", metavar="POINTER", help="of plain JSON: where the rows are, like /instances"
    )
    parser.add_argument("--name", default="", metavar="NAME", help="the policy's name")


def add_written(parser: argparse.ArgumentParser) -> None:
    """Where it is written; nothing is overwritten unasked."""
    add_output(parser)
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def verify(table: Table, chunks: Iterable[Chunk], *, lexical: bool) -> None:
    """Judge the data by what was inferred from it. A row that is refused is a fault of ours, and said."""
    from ..inference import Draft, policy_text
    from ..inference.profile import table_of
    from ..rows import Rows

    text = policy_text(Draft("p", [], ["protocol: tfserving"], table.features, table.predictions))
    contract = check_written(text)
    now_seconds = time.time()
    for chunk in chunks:
        columns = table_of(chunk, table.types, lexical=lexical)
        rows = Rows(len(chunk), columns, lambda feature, row: "")
        asked = contract.judge_request(rows, caller="", now_seconds=now_seconds)
        answered = contract.judge_reply(rows, sent_rows=len(chunk), caller="", now_seconds=now_seconds)
        for verdict in (asked, answered):
            if verdict.would not in ("ok", "repaired"):
                codes = ", ".join(verdict.codes)
                raise RuntimeSetupError(f"the inferred policy would refuse its own data ({codes}): please report this")


def check_written(text: str) -> Any:
    """The compiled contract of a policy that was just written. RuntimeSetupError when it is invalid: our fault."""
    from ..contract import compile_contract
    from ..policy import load

    loaded = load([Path("-")], stdin=text.encode)
    if loaded.errors or not loaded.policies:
        told = "; ".join(f"line {each.line}: {each.message}" for each in loaded.findings if each.severity == "error")
        raise RuntimeSetupError(f"the policy could not be written ({told}): please report this")
    return compile_contract(loaded.policies[0].contract)[0]


def policy_name_of(args: argparse.Namespace, source: str, model: str) -> str:
    """--name, the output's name, the model's, the data's."""
    from ..inference.draft import policy_name

    if args.name:
        if policy_name(args.name) != args.name:
            raise RuntimeSetupError(f"--name {args.name!r}: letters, digits, - _ . alone, at most 100")
        return str(args.name)
    if args.output is not None:
        return policy_name(args.output.name.split(".")[0])
    return policy_name(model or (Path(source).name.split(".")[0] if "://" not in source else ""))


def refuse_to_overwrite(places: Sequence[Path | None], force: bool) -> None:
    """RuntimeSetupError where something is already there."""
    for place in places:
        if place is not None and place.exists() and not force:
            raise RuntimeSetupError(f"{place}: is there already; --force overwrites it")


def put_new(text: str, output: Path | None) -> None:
    """To a file, its folder made, or to stdout."""
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RuntimeSetupError(f"cannot write {output}: {error.strerror}") from None
    put(text, output)
