"""Findings of one compilation, gathered under the path of the key they are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..yamldoc import Finding

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Where findings go. `at` narrows the path; all reports of one compilation share one list."""

    path: Path = ()
    findings: list[Finding] = field(default_factory=list)

    def at(self, *keys: str | int) -> Report:
        return Report((*self.path, *keys), self.findings)

    def error(self, code: str, message: str, hint: str = "") -> None:
        self._add(code, message, hint, "error")

    def warning(self, code: str, message: str, hint: str = "") -> None:
        self._add(code, message, hint, "warning")

    def _add(self, code: str, message: str, hint: str, severity: Literal["error", "warning"]) -> None:
        self.findings.append(Finding(code, message, hint, severity, self.path))

    @property
    def failed(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)
