"""The command line: one small file per command, loaded when it is asked for. stdout = data, stderr = talk.

Exit codes: 0 yes or done, 1 no or found something, 2 could not answer (usage, invalid file, unreachable),
3 needs a person's look.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import importlib
import os
import sys
from pathlib import Path
from typing import Final, NoReturn, TextIO

from .. import __version__
from ..errors import SidecarError

COMMANDS: Final = {
    "serve": "run the proxy in front of a model",
    "observe": "read a gateway's journal: archive, series, spans, shadow, the admin page",
    "init": "a starter policy, from the model's own metadata",
    "infer": "a policy from data: what each column may hold, and why",
    "check": "find every problem of a policy at once",
    "test": "unit tests of policies, and which of their checks the tests exercise",
    "probe": "rows from the contract against a live model",
    "diff": "what a new policy breaks, for whom, and which bump it asks for",
    "status": "what a running sidecar is doing",
    "explain": "one prediction's whole story, by its id or by customer and day; or a dry run of a row",
    "find": "predictions by condition",
    "report": "findings from what was recorded: who breaks the contract, since when, whose feature",
    "log": "list, read, verify and export the journal",
    "export": "the contract as JSON Schema, MLflow signature or OpenAPI components",
    "schema": "the JSON Schema of a policy, for editors",
    "demo": "a model, a sidecar and a story, on this machine",
}
DONE, FOUND, UNANSWERED = 0, 1, 2
_UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_EXAMPLES: Final = """examples:
  sidecar serve --upstream http://127.0.0.1:8080                    observe only: record, enforce nothing
  sidecar serve --upstream http://127.0.0.1:8080 --policy credit.yaml
  sidecar infer loans.csv -o credit.yaml
  sidecar check credit.yaml
  sidecar test policies/
  sidecar status
  sidecar explain PREDICTION_ID
  sidecar find 'verdict == "rejected" and age > 120' --since 2h
  sidecar log cat --data sidecar-data
  sidecar demo

exit codes: 0 yes or done, 1 no or found something, 2 could not answer, 3 needs a person's look
"""


class Parser(argparse.ArgumentParser):
    """Usage errors in the words of the field, with the nearest right word."""

    def error(self, message: str) -> NoReturn:
        """Exit code 2."""
        self.exit(UNANSWERED, f"{self.prog}: {message}\nTry: {self.prog} --help\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command and answer with its exit code. A `SidecarError` is a message, never a traceback."""
    arguments = sys.argv[1:] if argv is None else argv
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()  # None where the caller closed them
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except SidecarError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return UNANSWERED
    except BrokenPipeError:  # `sidecar log cat | head`: the reader has seen enough
        _silence_stdout()
        return DONE
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        _silence_stdout()
        print(f"sidecar: cannot write: {error.strerror}", file=sys.stderr)
        return UNANSWERED
    return code


def _run(arguments: list[str]) -> int:
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    if name and name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1, 0.7)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(COMMANDS)}"
        print(f"sidecar: no command {name!r}; {hint}", file=sys.stderr)
        return UNANSWERED
    parser = Parser(
        prog="sidecar",
        usage="sidecar COMMAND [options]",
        description=_EXAMPLES,  # examples come first
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sidecar {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", prog="sidecar", parser_class=Parser)
    for command, summary in COMMANDS.items():
        if command == name:
            importlib.import_module(f"{__name__}.{command}").add(subparsers)
        else:
            subparsers.add_parser(command, help=summary)
    if not arguments:
        parser.print_help(sys.stderr)
        return UNANSWERED
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:  # in the words of the command that was asked, not of the parser above it
        asked = subparsers.choices.get(name, parser)
        asked.error(_unknown(unknown, asked))
    code: int = parsed.run(parsed)
    return code


def _unknown(arguments: list[str], parser: argparse.ArgumentParser) -> str:
    flag = arguments[0].partition("=")[0]
    near = difflib.get_close_matches(flag, parser._option_string_actions, 1, 0.6)
    return f"unrecognized arguments: {' '.join(arguments)}" + (f"; did you mean {near[0]}?" if near else "")


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _silence_stdout() -> None:
    """So that the interpreter's last flush has somewhere to go."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
