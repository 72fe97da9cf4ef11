"""The two forms of load: as fast as 32 callers can (`wrk`), and a fixed rate (`bench.openloop`)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from . import environments, payload
from .failure import BenchError
from .openloop import Paced
from .processes import pinned

CONNECTIONS: Final = 32
# Beyond the asked seconds: starting, and waiting for the last answers.
SLACK_SECONDS: Final = 20.0

_SCRIPT: Final = """
wrk.method = "POST"
wrk.path = "%(path)s"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%(body)s]==]
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nBENCH {"requests": %%d, "seconds": %%f, "p50_ms": %%f, "p99_ms": %%f, "errors": ' ..
    '{"connect": %%d, "read": %%d, "write": %%d, "status": %%d, "timeout": %%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect, e.read, e.write, e.status, e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Saturation:
    """One closed-loop run; `requests` counts every answer, those with an error status too."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: dict[str, int]

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds


class Load(Protocol):
    """The seam: what a round needs of a generator."""

    def saturate(self, port: int, seconds: float) -> Saturation: ...

    def pace(self, port: int, rate: float, seconds: float) -> Paced: ...


class PinnedLoad:
    """The real generators, on their core, with their script in `folder`."""

    def __init__(self, core: int, folder: Path) -> None:
        self._core = core
        self._wrk = environments.tool("wrk", "wrk")
        self._script = folder / "post.lua"
        self._script.write_text(_SCRIPT % {"path": payload.PATH, "body": payload.REQUEST.decode()})

    def saturate(self, port: int, seconds: float) -> Saturation:
        command = [self._wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(self._script)]
        output = self._run([*command, f"http://127.0.0.1:{port}"], seconds)
        return parse_wrk(output)

    def pace(self, port: int, rate: float, seconds: float) -> Paced:
        command = [sys.executable, "-m", "bench.openloop", f"--port={port}", f"--rate={rate}", f"--seconds={seconds}"]
        return Paced(**json.loads(self._run([*command, f"--connections={CONNECTIONS}"], seconds)))

    def _run(self, command: Sequence[str], seconds: float) -> str:
        with pinned(self._core):
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=environments.ROOT
            )
        try:
            output, complaint = process.communicate(timeout=seconds + SLACK_SECONDS)
        except subprocess.TimeoutExpired:
            raise BenchError(f"`{' '.join(command)}` did not end in time") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise BenchError(f"`{' '.join(command)}` failed: {complaint.strip()[-800:]}")
        return output


def parse_wrk(output: str) -> Saturation:
    """The line our script writes. BenchError when there is none, or no request was answered."""
    for line in output.splitlines():
        if line.startswith("BENCH "):
            found: dict[str, Any] = json.loads(line.removeprefix("BENCH "))
            found["errors"] = {kind: count for kind, count in found["errors"].items() if count}
            if not found["requests"]:
                raise BenchError(f"wrk got no answer at all: {found['errors']}")
            return Saturation(**found)
    raise BenchError(f"wrk did not say how it went: {output.strip()[-400:]}")
