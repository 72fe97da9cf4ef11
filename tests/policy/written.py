"""Policies written for one test: texts in, `Loaded` out, without a file where none is needed."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from sidecar.policy import Loaded, load

MODEL = "model: {protocol: oip, columns: {input-0: [age]}"
FEATURES = "contract: {features: {age: {type: int, min: 0, max: 120}}}"
OWNER = "owner: {team: t}"


def policy(name: str = "credit", *lines: str, model: str = "", features: str = FEATURES) -> str:
    """A good policy, and more lines."""
    own = MODEL + (f", {model}" if model else "") + "}"
    return "\n".join([f"policy: {name}", OWNER, own, features, *lines]) + "\n"


class Folder:
    """A directory of policies and platform files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        """A file in it."""
        file = self.path / name
        file.write_text(dedent(text), encoding="utf-8")
        return file

    def load(self, *texts: str, config: str = "", environment: str = "", upstream: str = "") -> Loaded:
        """These policies as p0.yaml, p1.yaml, …, with this platform file."""
        paths = [self.write(f"p{number}.yaml", text) for number, text in enumerate(texts)]
        platform = self.write("platform.yaml", config) if config else None
        return load(paths, config=platform, environment=environment, upstream=upstream)


def codes(loaded: Loaded) -> list[str]:
    """The findings' codes in the order they are told."""
    return [finding.code for finding in loaded.findings]


def places(loaded: Loaded) -> list[tuple[str, int, int]]:
    """Where the findings point."""
    return [(Path(finding.file).name, finding.line, finding.column) for finding in loaded.findings]
