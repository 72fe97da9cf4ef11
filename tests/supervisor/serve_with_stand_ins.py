"""`sidecar serve` with the stand-in worker and loader: the flags are those of `serve`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from sidecar.cli import serve
from sidecar.errors import SidecarError
from sidecar.runtime import log
from sidecar.runtime.settings import SETTINGS, resolve
from sidecar.supervisor.supervise import Supervisor

HERE = Path(__file__).parent


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser()
    serve.add(parser.add_subparsers())
    args = parser.parse_args(["serve", *sys.argv[1:]])
    log.configure()

    async def run() -> int:
        settings = resolve({setting.name: getattr(args, setting.name) for setting in SETTINGS}, os.environ)
        supervisor = Supervisor(
            settings,
            environ=os.environ,
            announce=say,
            worker_command=(sys.executable, str(HERE / "stand_in_worker.py")),
            loader_command=(sys.executable, str(HERE / "stand_in_loader.py")),
        )
        return await supervisor.run()

    try:
        return asyncio.run(run())
    except SidecarError as error:
        say(f"sidecar: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
