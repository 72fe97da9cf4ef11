"""A server as a process of its own: started with a log file, waited for, stopped with everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from ..errors import RuntimeSetupError


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: without SIDECAR_… and OTEL_…, which belong to the caller's own sidecar."""
    return {name: value for name, value in environment.items() if not name.startswith(("SIDECAR_", "OTEL_"))}


class Server:
    """One child in a process group of its own, so that Ctrl-C reaches the demo alone and the demo stops the rest."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self.started = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=own_environment(os.environ),
                start_new_session=True,
            )

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait_ready(self, url: str, tick: Callable[[], None], *, timeout_seconds: float = 180) -> None:
        """Return once `url` answers 200; RuntimeSetupError with the end of the log when that does not come."""
        deadline = self.started + timeout_seconds
        with httpx.Client(trust_env=False, timeout=5) as client:
            while time.monotonic() < deadline:
                if self.returncode is not None:
                    raise RuntimeSetupError(f"{self.name} ended with exit code {self.returncode}.\n{self.tail()}")
                try:
                    if client.get(url).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                tick()
        raise RuntimeSetupError(f"{self.name} was not ready within {timeout_seconds:.0f} s.\n{self.tail()}")

    def wait_done(self, tick: Callable[[], None], *, timeout_seconds: float = 300) -> None:
        """Return once it ended with 0; RuntimeSetupError otherwise."""
        deadline = self.started + timeout_seconds
        while self.returncode is None and time.monotonic() < deadline:
            tick()
        if self.returncode != 0:
            raise RuntimeSetupError(f"{self.name} did not finish.\n{self.tail()}")

    def tail(self, lines: int = 12) -> str:
        """The end of its log, to show with an error."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(f"  | {line}" for line in text)

    def stop(self, *, timeout_seconds: float = 10) -> None:
        """SIGTERM, wait, and SIGKILL for what is left of the group. Safe to call twice."""
        if self.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                pass
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass
