"""`sidecar demo`: real models, the sidecar in front, good and bad rows; each request with what must come back."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from ..demo.launch import Options
from ..demo.play import play
from ..demo.terminal import Terminal
from ..errors import RuntimeSetupError

_CANNOT, _INTERRUPTED = 2, 130


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own arguments."""
    parser = subparsers.add_parser(
        "demo",
        help="a model, the sidecar in front of it, and good and bad rows",
        description="Start two scikit-learn models behind MLServer and the sidecar in front of them, send good, broken "
        "and repairable rows, and show what came back, what was recorded, what a candidate would have answered, a "
        "trace, and two predictions explained.",
        epilog="exit codes: 0 everything went as expected, 1 something did not, 2 a server could not be started",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep models, logs and records here (default: a temporary folder)"
    )
    parser.add_argument(
        "--mlserver", type=Path, metavar="DIR", help="a Python environment with mlserver and mlserver-sklearn"
    )
    parser.add_argument("--stand-in", action="store_true", help="serve a small model of our own instead of MLServer")
    parser.add_argument("--once", action="store_true", help="end after the story, as with CI=1 or without a terminal")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 as expected, 1 not, 2 could not start, 130 interrupted before the end; Ctrl-C after the story is its end."""
    columns = shutil.get_terminal_size().columns
    terminal = Terminal(sys.stdout, sys.stderr, os.environ, columns)
    stay = not args.once and stays(os.environ, sys.stdout.isatty())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return play(Options(args.data, args.mlserver, args.stand_in, stay), terminal)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (RuntimeSetupError, OSError) as error:
        print(f"sidecar demo: {error}", file=sys.stderr)
        return _CANNOT


def stays(environment: Mapping[str, str], is_terminal: bool) -> bool:
    """Whether a person is watching: a terminal, and not in CI."""
    return is_terminal and environment.get("CI", "").lower() in ("", "0", "false", "no")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does: with its servers."""
    raise KeyboardInterrupt
