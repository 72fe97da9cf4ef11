"""What the tests of this room say things with: rows in, a policy's text and its compiled contract out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.contract import Compiled, compile_contract
from sidecar.inference import Draft, Guess, Profile, Roles, Table, guess_table, policy_text
from sidecar.inference.profile import table_of
from sidecar.policy import Policy, load
from sidecar.rows import Rows
from sidecar.verdict import Verdict
from sidecar.yamldoc import Finding

NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Inferred:
    """A profile, what was guessed of it, and the policy as text, loaded and compiled."""

    profile: Profile
    table: Table
    text: str
    policy: Policy
    contract: Compiled
    findings: tuple[Finding, ...]

    def guess(self, name: str) -> Guess:
        return next(each for each in (*self.table.features, *self.table.predictions) if each.name == name)

    def comment(self, name: str) -> str:
        return " ".join(self.guess(name).comments)

    def judge(self, rows: Sequence[Mapping[str, Any]]) -> Verdict:
        """Rows as they stand in the data, judged as if the policy enforced."""
        columns = table_of(rows, self.table.types, lexical=self.profile.lexical)
        table = Rows(len(rows), columns, lambda feature, row: f"/{row}/{feature}")
        return self.contract.judge_request(table, caller="", now_seconds=NOW)

    def refuses(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The codes for which a row would be refused."""
        verdict = self.judge([row])
        return verdict.codes if verdict.would == "rejected" else ()


def infer(
    rows: Sequence[Mapping[str, Any]],
    *,
    lexical: bool = False,
    predictions: Sequence[str] = (),
    keys: Sequence[str] = (),
    ignored: Sequence[str] = (),
    chunk: int = 1000,
) -> Inferred:
    """Counted in chunks, guessed, written, loaded again."""
    profile = Profile(lexical=lexical)
    for begin in range(0, len(rows), chunk):
        profile.add(rows[begin : begin + chunk])
    table = guess_table(profile, Roles(frozenset(predictions), frozenset(keys), frozenset(ignored)))
    text = policy_text(Draft("tested", ["a test"], ["protocol: tfserving"], table.features, table.predictions))
    policy, findings = loaded(text)
    contract, _ = compile_contract(policy.contract)
    assert contract is not None
    return Inferred(profile, table, text, policy, contract, findings)


def loaded(text: str) -> tuple[Policy, tuple[Finding, ...]]:
    """A policy's text as `check` reads it; an error fails the test."""
    found = load([Path("-")], stdin=text.encode)
    assert not found.errors, ([(each.line, each.message) for each in found.findings], text)
    (policy,) = found.policies
    return policy, found.findings
