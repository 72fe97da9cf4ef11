"""A contract, a model as a function of a row, and a conversation between them without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.policy import Policy, load
from sidecar.probing import Finding, Plan, Probed, Reply, probe
from sidecar.runtime.compile import compile_guard

# One row (None where it lacks a name) → a prediction, or an HTTP status to answer with.
Model = Callable[[Mapping[str, Any]], Any]
NOW = 1_767_225_600.0


@dataclass
class Desk:
    """`contract` is the section's YAML lines; rows travel as TF Serving `instances`."""

    folder: Path
    contract: str
    model: Model
    asked: list[list[dict[str, Any]]] = field(default_factory=list)
    protocol: str = "tfserving"

    def policy(self) -> Policy:
        file = self.folder / "policy.yaml"
        lines = "\n".join("  " + line for line in self.contract.strip("\n").splitlines())
        file.write_text(
            f"policy: credit\nmodel: {{protocol: {self.protocol}, name: credit}}\ncontract:\n  mode: enforce\n{lines}\n"
        )
        loaded = load([file])
        assert not loaded.errors, loaded.findings
        return loaded.policies[0]

    def probe(self, example: Mapping[str, Any] | None = None, **plan: Any) -> Probed:
        policy = self.policy()
        return probe(policy.contract, compile_guard(policy), self.ask, Plan(now_seconds=NOW, **plan), example or {})

    def ask(self, body: bytes, rows: Sequence[Mapping[str, Any]]) -> Reply:
        instances = json.loads(body)["instances"]
        self.asked.append(instances)
        predictions = []
        for row in instances:
            try:
                said = self.model(row)
            except (TypeError, KeyError):  # what most model servers make of it
                return Reply(500, b"{}")
            if isinstance(said, Status):
                return Reply(said.code, b"{}", fault="" if said.code else "connection reset")
            predictions.append(said)
        return Reply(200, json.dumps({"predictions": predictions}).encode())


@dataclass(frozen=True)
class Status:
    """The model server's own refusal; code 0: no answer at all."""

    code: int


def kinds(probed: Probed) -> dict[str, Finding]:
    """Kind → its (last) finding."""
    return {finding.kind.value: finding for finding in probed.findings}
