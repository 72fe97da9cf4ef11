"""Paths → texts: which files a path names, read once each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..yamldoc import Finding

SUFFIXES: Final = (".yaml", ".yml")
TEST_SUFFIXES: Final = (".test.yaml", ".test.yml")
PLATFORM_NAMES: Final = ("sidecar.yaml", "sidecar.yml")
STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """One file as bytes. `is_platform` says that its name is the platform file's."""

    name: str
    data: bytes
    is_platform: bool


def read_stdin() -> bytes:
    """All of standard input."""
    return sys.stdin.buffer.read()


def gather(paths: Sequence[Path], *, stdin: Callable[[], bytes] = read_stdin) -> tuple[list[Source], list[Finding]]:
    """The files behind these paths, in order, each once; `-` is standard input.

    Of a directory: its *.yaml and *.yml, without hidden ones (a ConfigMap's `..data`) and without *.test.yaml.
    """
    sources: list[Source] = []
    findings: list[Finding] = []
    seen: set[Path] = set()
    for path in paths:
        if str(path) == STDIN:
            sources.append(Source("<stdin>", stdin(), False))
            continue
        for file in _files(path, findings):
            identity = file.resolve()
            if identity not in seen:
                seen.add(identity)
                _read(file, sources, findings)
    return sources, findings


def _files(path: Path, findings: list[Finding]) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        found = sorted(path.iterdir())
    except OSError as error:
        findings.append(_unreadable(path, error))
        return []
    return [
        file
        for file in found
        if file.suffix in SUFFIXES
        and not file.name.startswith(".")
        and not file.name.endswith(TEST_SUFFIXES)
        and not file.is_dir()
    ]


def _read(file: Path, sources: list[Source], findings: list[Finding]) -> None:
    try:
        data = file.read_bytes()
    except OSError as error:
        findings.append(_unreadable(file, error))
    else:
        sources.append(Source(str(file), data, file.name in PLATFORM_NAMES))


def _unreadable(path: Path, error: OSError) -> Finding:
    hint = "is the path right?" if isinstance(error, FileNotFoundError) else ""
    return Finding("file.unreadable", f"cannot be read: {error.strerror or error}", hint, file=str(path))
