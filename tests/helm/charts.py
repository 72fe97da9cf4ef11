"""The chart as Helm renders it, asked of the environment that `make helm` installs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "sidecar"
EXAMPLE: Final = ROOT / "helm" / "examples" / "native-sidecar"
VALUES: Final = Path(__file__).parent / "values"
PROGRAMS: Final = ROOT / ".venvs" / "helm" / "bin"

Document = dict[str, Any]


def program(name: str) -> Path:
    """A program of that environment; the test is skipped where it is not installed."""
    found = PROGRAMS / name
    if not found.exists():
        pytest.skip(f"{name} is not installed in .venvs/helm (`make helm`)")
    return found


def values_of(name: str) -> Document:
    """A values file of this folder."""
    read: Document = yaml.safe_load((VALUES / f"{name}.yaml").read_text())
    return read


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Document:
    """As Helm merges values: maps key by key, everything else replaced."""
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


@dataclass(frozen=True)
class Rendered:
    """What Helm made: every document and the notes. `refused` is what it said instead."""

    documents: tuple[Document, ...] = ()
    notes: str = ""
    refused: str = ""

    def of(self, kind: str) -> Document:
        """The one document of a kind."""
        (found,) = self.all(kind)
        return found

    def all(self, kind: str) -> list[Document]:
        """Every document of a kind."""
        return [each for each in self.documents if each["kind"] == kind]

    @property
    def pod(self) -> Document:
        """The pod that the Deployment makes."""
        spec: Document = self.of("Deployment")["spec"]["template"]["spec"]
        return spec

    @property
    def containers(self) -> dict[str, Document]:
        """Our two containers, by name."""
        found = [*self.pod.get("initContainers", []), *self.pod["containers"]]
        return {each["name"]: each for each in found if each["name"].startswith("sidecar-")}


class Helm:
    """One process of that environment for all the tests."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def lint(self, chart: Path, values: Mapping[str, Any]) -> list[Document]:
        """The findings of a strict lint."""
        found: list[Document] = self._ask(do="lint", chart=str(chart), values=values)["findings"]
        return found

    def render(self, values: Mapping[str, Any], *, chart: Path = CHART, name: str = "demo") -> Rendered:
        """Every template, as installed by that name in the namespace `ml`."""
        said = self._ask(do="render", chart=str(chart), values=values, name=name, namespace="ml")
        if "refused" in said:
            return Rendered(refused=said["refused"])
        texts = {path: text for path, text in said["files"].items() if not path.endswith("NOTES.txt")}
        read = [each for text in texts.values() for each in yaml.safe_load_all(text) if each]
        notes = next((text for path, text in said["files"].items() if path.endswith("NOTES.txt")), "")
        return Rendered(tuple(read), notes)

    def _ask(self, **request: object) -> Document:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        answer: Document = json.loads(stdout.readline())
        return answer
