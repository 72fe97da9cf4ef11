"""A policy with ten mistakes and more: each is one finding at its line and column, with what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.policy.codes import CODES, see
from tests.policy.written import Folder

MISTAKES = """\
policy: credit
owner: {team: risk, contct: "#risk"}
model:
  protocol: opi
  columns: {input-0: [age, income]}
contract:
  mode: enforced
  features:
    age: {type: integer, min: 0}
    income: {type: float, min: 9, max: 3}
    postcode: {type: string, pattern: "(?=a)b"}
    tenure: {type: int, min: 0, default: -1}
    region: {type: string, role: slices}
    salary: {type: float, required: no, min: "3"}
    ratio: {type: int, max: 1e5x}
    ratio: {type: float}
    score: {type: float, on_violation: clamp}
    email: {type: string, format: emial, pii: true}
    balance_at: {type: timestamp, max_age: 48}
    job: {type: category, values: [a, b], on_violation: {replace: c}}
    code: {use: "shared.yaml#/features/coed"}
    total: {type: float}
  rules:
    - {id: small, expect: totel < 100}
capture: {sample: 150%}
"""

# (line, column, code, words of the message or the hint)
FINDINGS = [
    (2, 21, "key.unknown", "did you mean `contact`?"),
    (4, 13, "value.choice", "did you mean `oip`?"),
    (7, 9, "value.choice", "did you mean `enforce`?"),
    (9, 17, "unknown-type", "did you mean `int`?"),
    (10, 40, "contradictory-bounds", "no value is within these bounds"),
    (11, 39, "bad-pattern", "look-around, which RE2 does not run"),
    (12, 42, "breaks-own-checks", "`default` must be at least 0"),
    (13, 34, "value.choice", "did you mean `slice_only`?"),
    (14, 37, "value.type", "write false"),
    (14, 46, "bad-value", "remove the quotes"),
    (15, 29, "bad-value", "`max` must be a number, written like 12, -0.5 or 1e6"),
    (16, 5, "yaml.duplicate-key", "first in line 15"),
    (17, 40, "clamp-without-bounds", "add min or max"),
    (18, 35, "value.choice", "did you mean `email`?"),
    (19, 44, "value.type", "a duration with its unit, like 48s"),
    (20, 67, "breaks-own-checks", "`replace` must be one of a, b"),
    (21, 17, "use.unknown", "did you mean `code`?"),
    (24, 27, "bad-expression", "did you mean `total`?"),
    (25, 19, "value.type", "150%"),
]


@pytest.fixture
def shared(folder: Folder) -> Folder:
    folder.write("shared.yaml", "features: {code: {type: string}}\n")
    return folder


def test_each_mistake_is_one_finding_at_its_place(shared: Folder) -> None:
    loaded = shared.load(MISTAKES)
    errors = [finding for finding in loaded.findings if finding.severity == "error"]
    assert [(finding.line, finding.column, finding.code) for finding in errors] == [
        (line, column, code) for line, column, code, _ in FINDINGS
    ]
    assert {Path(finding.file).name for finding in errors} == {"p0.yaml"}


@pytest.mark.parametrize("expected", FINDINGS, ids=lambda expected: f"line {expected[0]}: {expected[2]}")
def test_each_says_what_was_probably_meant_and_where_to_read_on(
    shared: Folder, expected: tuple[int, int, str, str]
) -> None:
    line, column, code, words = expected
    found = {(finding.line, finding.column): finding for finding in shared.load(MISTAKES).findings}[line, column]
    assert words in f"{found.message} {found.hint}"
    assert code in CODES
    assert see(found).startswith(f"policies/README.md#finding-{code.replace('.', '-')}")


def test_the_same_policy_mended_has_no_finding(shared: Folder) -> None:
    mended = MISTAKES
    for wrong, right in [
        ("contct", "contact"),
        ("opi", "oip"),
        ("enforced", "enforce"),
        ("integer", "int"),
        ("max: 3}", "max: 30}"),
        ('"(?=a)b"', '"b"'),
        ("default: -1", "default: 1"),
        ("role: slices", "role: slice_only"),
        ('required: no, min: "3"', "required: false, min: 3"),
        ("1e5x", "100000"),
        ("    ratio: {type: float}\n", ""),
        ("type: float, on_violation: clamp", "type: float, min: 0, on_violation: clamp"),
        ("emial", "email"),
        ("max_age: 48", "max_age: 48h"),
        ("replace: c", "replace: b"),
        ("coed", "code"),
        ("totel", "total"),
        ("150%", "50%"),
    ]:
        assert mended.count(wrong) == 1, wrong
        mended = mended.replace(wrong, right)
    assert shared.load(mended).findings == ()
