"""`sidecar observe`: the cold half alone, beside a gateway that serves from the same folder."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import RuntimeSetupError
from ..runtime.messages import ColdSettings
from ..runtime.settings import SETTINGS, parse_seconds

EPILOG = """examples:
  sidecar observe --data /var/lib/sidecar                            beside `sidecar serve --observers off`
  sidecar observe --data sidecar-data --admin off
  sidecar observe --admin 0.0.0.0:8602 --admin-token-file /run/secrets/admin
  SIDECAR_DATA=/var/lib/sidecar sidecar observe                      every flag also reads SIDECAR_<NAME>

signals: TERM or INT read to the end, commit and stop
exit codes: 0 stopped in order, 2 could not start
"""
ADMIN = "127.0.0.1:8602"
FLUSH = "5s"


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "observe",
        help="read a gateway's journal",
        description="Read the journal of a gateway: archive, series, spans, shadow calls, and the admin page.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = next(setting.default for setting in SETTINGS if setting.name == "data")
    _flag(parser, "--data", data, "DIR", "the gateway's data folder")
    _flag(parser, "--journal", "", "DIR", "its journal, where that is mounted elsewhere here")
    _flag(parser, "--admin", ADMIN, "ADDR|off", "the page, /api/* and /metrics")
    _flag(parser, "--admin-token-file", "", "FILE", "token for the admin address; needed off loopback")
    _flag(parser, "--secret-file", "", "FILE", "the key shared with the gateway, where it is mounted elsewhere here")
    _flag(parser, "--access-log", "off", "off|stderr|FILE", "one JSON line per request")
    _flag(parser, "--flush-timeout", FLUSH, "TIME", "on SIGTERM: how long to read what is left")
    parser.set_defaults(run=run)


def _flag(parser: argparse.ArgumentParser, flag: str, default: str, metavar: str, doc: str) -> None:
    given = os.environ.get("SIDECAR_" + flag.removeprefix("--").replace("-", "_").upper(), "")
    says = f"{doc} (default: {default})" if default else doc
    parser.add_argument(flag, default=given or default, metavar=metavar, help=says)


def run(args: argparse.Namespace) -> int:
    """Observe until told to stop."""
    from ..cold import process as cold
    from ..runtime import listen, lock
    from ..runtime.secret import read_token

    os.umask(0o077)
    data = Path(args.data)
    lock.prepare_folder(data)
    listener = None
    if args.admin != "off":
        try:
            address = listen.parse_listen(args.admin)
        except ValueError as error:
            raise RuntimeSetupError(f"--admin {args.admin}: {error}") from None
        if not address.loopback and not args.admin_token_file:
            raise RuntimeSetupError(
                f"--admin {address} without --admin-token-file: off loopback a token is needed; give one, or 127.0.0.1"
            )
        listener = listen.bind(address, flag="--admin")
        listen.listen(listener, address, flag="--admin")
    read_token(args.admin_token_file, "--admin-token-file")
    if args.secret_file and not os.access(args.secret_file, os.R_OK):
        raise RuntimeSetupError(f"--secret-file {args.secret_file}: cannot be read")
    try:
        flush = parse_seconds(args.flush_timeout)
    except ValueError as error:
        raise RuntimeSetupError(f"--flush-timeout {args.flush_timeout}: {error}") from None
    settings = ColdSettings(
        data=str(data),
        journal=args.journal,
        admin_fd=listener.detach() if listener is not None else -1,
        admin_token_file=args.admin_token_file,
        secret_file=args.secret_file,
        access_log=args.access_log,
        flush_seconds=flush,
    )
    return cold.start(settings)
