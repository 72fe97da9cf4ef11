"""Names that lead nowhere, fallbacks that nobody uses, observing rules that nobody will look at."""

from __future__ import annotations

import pytest

from sidecar.yamldoc import Finding
from tests.policy.written import FEATURES, Folder, policy

LINTED = {"mapping.near", "reference.unknown", "fallback.unused", "rule.unreviewed"}
SCORE = "contract: {features: {age: {type: int}}, prediction: {score: {type: float}}%s}"


def lint(folder: Folder, *lines: str, features: str = FEATURES) -> list[Finding]:
    loaded = folder.load(policy("credit", *lines, features=features))
    assert [finding.message for finding in loaded.findings if finding.severity == "error"] == []
    return [finding for finding in loaded.findings if finding.code in LINTED]


@pytest.mark.parametrize(
    ("features", "lines", "code", "says"),
    [
        ("contract: {features: {agee: {type: int}}}", [], "mapping.near", "did you mean `agee`?"),
        (FEATURES, ["slices: [{name: s, by: agee}]"], "reference.unknown", "did you mean `age`?"),
        (FEATURES, ["feedback: {entity: ag}"], "reference.unknown", "did you mean `age`?"),
        (FEATURES, ["feedback: {entity: zzz}"], "reference.unknown", "right if the model has a feature"),
        (FEATURES, ["feedback: {label: {name: y, of: scor, key: age}}"], "reference.unknown", "a prediction"),
        (FEATURES, ["feedback: {perturb: {field: score, sigma: 1}}"], "reference.unknown", "a prediction"),
        (SCORE % ", fallback: {values: {score: 1}}", [], "fallback.unused", "nothing asks for this fallback"),
        (SCORE % ", rules: [{id: r, expect: age > 1, mode: observe}]", [], "rule.unreviewed", "no day is set"),
    ],
)
def test_what_leads_nowhere_is_told(folder: Folder, features: str, lines: list[str], code: str, says: str) -> None:
    (finding,) = lint(folder, *lines, features=features)
    assert (finding.code, finding.severity) == (code, "warning")
    assert says in f"{finding.message} {finding.hint}"
    assert finding.line


@pytest.mark.parametrize(
    ("features", "lines"),
    [
        ("contract: {features: {other: {type: int}}}", []),
        ("contract: {features: {agee: {type: int, from: 'input-0[0]'}}}", []),
        (SCORE % ", fallback: {on: [contract, timeout], values: {score: 1}}", []),
        (SCORE % ", on_bad_rows: fallback, fallback: {values: {score: 1}}", []),
        (SCORE % ", fallback: {values: {score: 1}}", ["feedback: {holdout: {share: 1%}}"]),
        (
            SCORE % ", rules: [{id: r, expect: age > 1, mode: observe}]",
            ["lineage: {review_by: 2999-01-01}"],
        ),
        (SCORE % ", rules: [{id: r, expect: age > 1}]", []),
        (SCORE % "", ["feedback: {entity: age, label: {name: y, of: score, key: age}}"]),
    ],
)
def test_what_can_be_meant_is_not(folder: Folder, features: str, lines: list[str]) -> None:
    assert lint(folder, *lines, features=features) == []


ASSISTANT = """policy: a
model: {protocol: openai}
contract:
  features: {user: {type: string, required: false}}
  prediction: {%stotal_tokens: {type: int}}
  fallback: {on: [timeout], values: %s}
"""


def test_a_fallback_that_makes_no_answer(folder: Folder) -> None:
    found = folder.load(ASSISTANT % ("", "{total_tokens: 0}")).findings
    assert [
        (each.line, "give `content` or `embedding`" in each.hint) for each in found if each.severity == "error"
    ] == [(6, True)], found
    assert folder.load(ASSISTANT % ("content: {type: string}, ", "{content: Ask later, total_tokens: 0}")).errors == 0
