"""`sidecar serve`: run the proxy."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from ..runtime.settings import SETTINGS, misspelt, resolve

EPILOG = """examples:
  sidecar serve --upstream http://127.0.0.1:8080                       observe only: record, enforce nothing
  sidecar serve --upstream http://127.0.0.1:8080 --policy credit.yaml
  sidecar serve --config sidecar.yaml --policy policies/ --workers 2
  SIDECAR_UPSTREAM=unix:/run/model.sock sidecar serve                  every flag also reads SIDECAR_<NAME>

signals: TERM or INT drain and stop (twice: at once), HUP reads the policies again
exit codes: 0 stopped in order, 1 requests were cut, 2 could not start
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the proxy in front of a model",
        description="Run the proxy in front of a model. Without a policy it only observes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for setting in SETTINGS:
        default = f" (default: {setting.default})" if setting.default not in ("", "auto") else ""
        parser.add_argument(
            setting.flag,
            dest=setting.name,
            metavar=setting.metavar,
            action="append" if setting.repeat else "store",
            help=f"{setting.doc}{default}".replace("%", "%%"),
        )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    settings = resolve({setting.name: getattr(args, setting.name) for setting in SETTINGS}, os.environ)
    for sentence in misspelt(os.environ):
        _announce(f"warning: {sentence}")
    from ..runtime import log  # the flags are right: now load what serves
    from ..supervisor.supervise import Supervisor

    log.configure()
    return asyncio.run(_serve(Supervisor, settings))


async def _serve(supervisor: Any, settings: Any) -> int:
    code: int = await supervisor(settings, environ=os.environ, announce=_announce).run()
    return code


def _announce(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
