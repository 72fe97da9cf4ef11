"""The seam of the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Place:
    """Where one instance runs. `spare_ports` are free for admin and health pages; all are on 127.0.0.1."""

    port: int
    upstream_port: int
    mirror_port: int
    spare_ports: tuple[int, ...]
    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that serves `Place.port` until SIGTERM."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


class System(Protocol):
    """A member; the first docstring line is its row in the table's legend."""

    kind: ClassVar[str]
    guarded: ClassVar[bool]  # refuses a row that breaks the contract with a 4xx
    stamped: ClassVar[Mapping[str, str]]  # headers a good answer must have, by lower-case name

    def launch(self, place: Place) -> Launch | None:
        """BenchError when what it needs is not installed."""
        ...

    def account(self, place: Place) -> Mapping[str, int]:
        """What the system itself counted since its start, by a few words; {} where it counts nothing we ask for."""
        ...
