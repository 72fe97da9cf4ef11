"""The processes under test: the sidecar as people start it, and a model server that can be killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.supervisor.serving import REAL, ROOT, Serving, alive, eventually, refuses

__all__ = [
    "BENCH_POLICY",
    "ROOT",
    "Model",
    "Sidecar",
    "alive",
    "children",
    "eventually",
    "gone",
    "kill",
    "refuses",
    "sidecar_command",
]

BENCH_POLICY = ROOT / "bench" / "policy.yaml"


class Model:
    """`tests.e2e.model` in its own process. After `kill` it can be started again at the same address."""

    def __init__(self, folder: Path, address: str = "127.0.0.1:0", certificate: str = "", key: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._address = address
        self._pair = (certificate, key) if certificate else ()
        self._kept: socket.socket | None = None  # the port of one that is dead, so that nobody else gets it
        self.port = 0
        self.process = self._start()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._let_go()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL, and gone."""
        self.process.kill()
        self.process.wait()
        self._let_go()
        if self.port:
            self._kept = socket.socket()
            self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):  # somebody was quicker
                self._kept.bind(("127.0.0.1", self.port))

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def again(self) -> None:
        """Start it where it was."""
        if not self._address.startswith("unix:"):
            self._address = f"{self._address.rpartition(':')[0]}:{self.port}"
        self.process = self._start()
        self._let_go()

    def _start(self) -> subprocess.Popen[bytes]:
        said = self._folder / "model.port"
        said.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.e2e.model", str(said), self._address, *self._pair]
        with (self._folder / "model.stderr").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT)

        def look() -> bool:
            assert process.poll() is None, (self._folder / "model.stderr").read_text()
            return said.exists()

        eventually(look)
        self.port = int(said.read_text())
        return process


class Sidecar(Serving):
    """`python -m sidecar serve` with its real workers. Flags as typed; `health` and `listen` default to free ports, and
    the observers are off: what is tried here must hold without them."""

    def __init__(
        self, folder: Path, *flags: str, prefix: tuple[str, ...] = (), environ: dict[str, str] | None = None
    ) -> None:
        if "--observers" not in flags:
            flags = (*flags, "--observers", "off")
        super().__init__(folder, *flags, command=(*prefix, *REAL), environ=environ)
        self.journal = self.data / "journal"
        if "--data" in flags:
            self.data = Path(flags[flags.index("--data") + 1])
            self.journal = self.data / "journal"
        if "--journal" in flags:
            self.journal = Path(flags[flags.index("--journal") + 1])

    def __enter__(self) -> Sidecar:
        return self

    @property
    def port(self) -> int:
        return int(self.running()["listen"].rpartition(":")[2])

    def workers(self) -> list[int]:
        """The pids of its serving processes."""
        return children(int(self.running()["pid"]))

    def until_workers(self, number: int) -> None:
        """So many serve."""
        eventually(lambda: self.readyz()[1]["workers"]["ready"] == number)

    def total(self, family: str) -> float:
        """The sum of a metric over its labels."""
        text = httpx.get(f"{self.health}/metrics", timeout=60, trust_env=False).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{family}(\{{|\s)", line))

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.tell(signal.SIGTERM)
        return self.ended()


def children(pid: int) -> list[int]:
    """The processes a process has started and that live."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [child for child in map(int, task.read_text().split()) if alive(child)]
        except OSError:
            continue
    return found


def gone(pids: list[int]) -> None:
    """Returns when none of them lives."""
    eventually(lambda: not any(alive(pid) for pid in pids))


def kill(pid: int) -> None:
    """SIGKILL."""
    os.kill(pid, signal.SIGKILL)


def sidecar_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`sidecar …`, to its end."""
    return subprocess.run([*REAL[:3], *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300)
