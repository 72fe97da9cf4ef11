"""`python -m tests.fuzz TARGET --seconds N`: coverage-guided where atheris is installed, at random where it is not.

TARGET is a name, or `all`. A finding is written to a file and ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from .mutate import mutations
from .targets import TARGETS


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--seed", type=int, default=None, help="of the random mutator")
    parser.add_argument("--random", action="store_true", help="the random mutator, even if atheris is there")
    given = parser.parse_args(arguments)
    guided = importlib.util.find_spec("atheris") is not None and not given.random
    if given.target == "all":
        share = [f"--seconds={given.seconds / len(TARGETS)}", f"--findings={given.findings}"]
        share += ["--random"] if given.random else []
        runs = [subprocess.run([sys.executable, "-m", "tests.fuzz", name, *share], check=False) for name in TARGETS]
        return int(any(run.returncode for run in runs))
    if guided:
        return _guided(given.target, given.seconds, given.findings)
    seed = SystemRandom().randrange(2**32) if given.seed is None else given.seed
    return _random(given.target, given.seconds, given.findings, seed)


def _random(name: str, seconds: float, findings: Path, seed: int) -> int:
    target, tried, deadline = TARGETS[name], 0, time.monotonic() + seconds
    for data in mutations(target.seeds, target.words, Random(seed)):
        if time.monotonic() > deadline:
            break
        tried += 1
        try:
            target.run(data)
        except BaseException:
            file = findings / f"finding-{name}"
            file.write_bytes(data)
            print(f"{name}: input {tried} of seed {seed}, kept in {file}: {data[:300]!r}")  # noqa: T201
            raise
    print(f"{name}: {tried} inputs, seed {seed}, nothing found")  # noqa: T201
    return 0


def _guided(name: str, seconds: float, findings: Path) -> int:
    atheris: Any = importlib.import_module("atheris")
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        words = Path(corpus).with_suffix(".words")
        words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words))
        options = [f"-max_total_time={int(seconds) or 1}", "-max_len=4096", f"-dict={words}"]
        options += [f"-artifact_prefix={findings}/finding-{name}-", "-print_final_stats=1"]
        atheris.instrument_all()
        atheris.Setup(["fuzz", *options, corpus], target.run)
        atheris.Fuzz()  # ends the process by itself
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
