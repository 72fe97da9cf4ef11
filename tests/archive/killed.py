"""An archiver that is killed at its work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def killed(data: Path, after_seconds: float) -> bool:
    """Let one archive in a process of its own for as long, then kill it; False where it was done before."""
    command = [sys.executable, "-m", "tests.archive.child_archiver", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"alive\n"
        try:
            child.wait(after_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return True
    return False
