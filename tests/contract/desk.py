"""What the tests of this room say things with: a contract from YAML, rows from columns, one call to judge them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.contract import Compiled, PolicyContract, compile_contract
from sidecar.rows import MISSING, Rows, Value
from sidecar.verdict import Verdict
from sidecar.yamldoc import Finding, parse

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def section(source: str | Mapping[str, Any]) -> PolicyContract:
    """A contract section from its YAML text, or from a mapping."""
    text = source if isinstance(source, str) else json.dumps(source)
    parsed = parse(text, PolicyContract, file="contract.yaml")
    assert parsed.value is not None, [finding.message for finding in parsed.findings]
    return parsed.value


def compiled(source: str | Mapping[str, Any]) -> Compiled:
    """A contract that must compile."""
    contract, findings = compile_contract(section(source))
    assert contract is not None, [(finding.path, finding.message) for finding in findings]
    return contract


def findings(source: str | Mapping[str, Any]) -> list[Finding]:
    """What compiling says."""
    return compile_contract(section(source))[1]


def one_feature(feature: str | Mapping[str, Any], mode: str = "enforce") -> Compiled:
    """An enforced contract over the feature `x`, with fallback values for `score`."""
    keys = feature if isinstance(feature, str) else json.dumps(feature)
    return compiled(f"{{mode: {mode}, features: {{x: {keys}}}, fallback: {{values: {{score: 0.5}}}}}}")


def rows(unknown: Mapping[str, Sequence[int]] | None = None, **columns: Sequence[Value]) -> Rows:
    """Rows as a codec would read them; `f.g` names are written with two underscores nowhere: plain names only."""
    counts = {len(column) for column in columns.values()}
    assert len(counts) == 1
    return Rows(counts.pop(), columns, lambda feature, row: f"/rows/{row}/{feature}", unknown or {})


def judge(contract: Compiled, table: Rows, *, caller: str = "") -> Verdict:
    return contract.judge_request(table, caller=caller, now_seconds=NOW)


def answer(contract: Compiled, table: Rows, *, sent: int | None = None, caller: str = "") -> Verdict:
    sent_rows = table.count if sent is None else sent
    return contract.judge_reply(table, sent_rows=sent_rows, caller=caller, now_seconds=NOW)


def table_of(contract: Compiled, records: Sequence[Mapping[str, Value]]) -> Rows:
    """Rows from row dicts: what a dict has not is MISSING, what the contract has not is unknown."""
    columns = {name: [record.get(name, MISSING) for record in records] for name in contract.features}
    unknown: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        for name in record:
            if name not in columns:
                unknown.setdefault(name, []).append(row)
    return Rows(len(records), columns, lambda feature, row: f"/rows/{row}/{feature}", unknown)
