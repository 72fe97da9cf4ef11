"""`sidecar serve` with real workers and the tests' own observers."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from sidecar.cli import serve
from sidecar.runtime import log
from sidecar.runtime.settings import SETTINGS, resolve
from sidecar.supervisor.supervise import Supervisor

COUNTERS = Path(__file__).parents[1] / "cold" / "cold_with_counters.py"


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


async def run(args: argparse.Namespace) -> int:
    settings = resolve({setting.name: getattr(args, setting.name) for setting in SETTINGS}, os.environ)
    command = (sys.executable, str(COUNTERS))
    return await Supervisor(settings, environ=os.environ, announce=say, cold_command=command).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    serve.add(parser.add_subparsers())
    arguments = parser.parse_args(["serve", *sys.argv[1:]])
    log.configure()
    sys.exit(asyncio.run(run(arguments)))
