"""What the tests of this room say things with: a bench from a policy's text, a suite from a test file's."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from sidecar.guard import Guard
from sidecar.policy import Policy
from sidecar.policytest import Asked, Bench, Result, Suite, read_suite, run_case
from sidecar.policytest.compose import request_of
from sidecar.rows import Value
from sidecar.runtime.compile import compile_guard
from sidecar.timestamps import seconds_of
from sidecar.yamldoc import parse

NOON = "2026-09-01T12:00:00Z"
MODELS = {
    "oip": "{name: credit, protocol: oip}",
    "matrix": "{name: credit, protocol: oip, columns: {input-0: [age, income]}}",
    "tfserving": "{name: credit, protocol: tfserving}",
    "json": "{protocol: json, path: /predict, rows: /rows, predictions: /scores}",
}
CREDIT = """
on_bad_rows: reject_request
unknown_features: warn
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 5000000, missing_values: [-999], nullable: true, on_violation: clamp}
  job: {type: category, values: [employed, other], required: false, on_violation: {replace: other}}
  region: {type: category, values: [n, s], from: "header:x-region", role: slice_only, required: false}
rules:
  - {id: adults-only, when: job == 'employed', expect: age >= 15}
prediction:
  score: {type: float, min: 0, max: 1, on_violation: fallback}
fallback: {values: {score: 0.5}}
"""


def policy(contract: str = CREDIT, *, model: str = "json", more: str = "") -> Policy:
    """A policy from the text of its contract; `more` are further sections."""
    indented = "\n".join(f"  {line}" for line in dedent(contract).strip().splitlines())
    text = f"policy: credit\nmodel: {MODELS[model]}\n{dedent(more)}\ncontract:\n{indented}\n"
    parsed = parse(text, Policy, file="policy.yaml")
    assert parsed.value is not None, [(finding.line, finding.message) for finding in parsed.findings]
    return parsed.value


def bench(contract: str = CREDIT, *, model: str = "json", more: str = "") -> Bench:
    return Bench(policy(contract, model=model, more=more), compile_guard)


def suite(text: str) -> Suite:
    """A suite that must be one."""
    found, findings = read_suite(dedent(text).encode(), "credit.test.yaml")
    assert found is not None, [(finding.line, finding.message) for finding in findings]
    return found.suite


BASE = "{age: 41, income: 52000, job: employed, region: n}"


def run(case: str, *, on: Bench | None = None, base: str = BASE, more: str = "") -> Result:
    """One case, from the flow mapping that a line of `tests:` is, without its name."""
    text = f"contract: policy.yaml\nbase: {base}\nprediction: {{score: 0.2}}\n{more}\n"
    made = suite(f"{text}tests:\n  - {{name: it is so, {case}}}\n")
    return run_case(on or bench(), made, 0)


def differences(result: Result) -> dict[str, tuple[str, str]]:
    """What → (expected, actual)."""
    assert not result.error, result.error
    return {failure.what: (failure.expected, failure.actual) for failure in result.failures}


def asked(guard: Guard, *rows: Mapping[str, Value], caller: str = "") -> Asked:
    """A request with these rows, at noon."""
    body, headers = request_of(guard, rows)
    now = seconds_of(NOON)
    assert now is not None
    return Asked(body, headers, caller, now)
