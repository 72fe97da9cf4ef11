"""A test file says every mistake with its place."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.policytest import read_suite
from sidecar.yamldoc import Finding


def findings(text: str) -> list[tuple[int, int, str]]:
    found, said = read_suite(dedent(text).encode(), "t.test.yaml")
    assert found is None
    return [(finding.line, finding.column, finding.code) for finding in said]


def test_the_file_of_the_documentation_is_read() -> None:
    text = """\
        contract: credit-risk.yaml
        base: {application_id: a1, age: 41, income: 52000, occupation: employed, salary: 4300, loan_amount: 9000}
        tests:
          - {name: negative age is refused, row: {age: -3}, expect: {verdict: reject, codes: [age.min]}}
          - name: unknown job becomes other
            row: {occupation: astronaut}
            expect: {verdict: repaired, sent: {occupation: other}}
          - {name: score above one falls back, prediction: {score: 1.7}, expect: {verdict: fallback}}
          - {name: feature freezes, series: {income: "52000x600"}, after: 4h, expect: {alerts: [income.frozen]}}
        """
    found, said = read_suite(dedent(text).encode(), "t.test.yaml")
    assert said == ()
    assert found is not None
    assert [case.name for case in found.suite.tests][3] == "feature freezes"
    assert found.suite.tests[3].after == 4 * 3600
    assert found.place("tests", 1, "expect", "sent") == (7, 33)


CASE = "tests: [{name: a, expect: {verdict: ok}}]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CASE, [(1, 1, "test.policy")]),
        ("policy: a\nmodel: {protocol: oip}", [(1, 1, "test.kind")]),
        ("contract: {features: {}}", [(1, 1, "test.kind")]),
        ("hosts: [here]", [(1, 1, "test.kind")]),
        (f"contract: a.yaml\npolicy: b.yaml\n{CASE}", [(2, 9, "test.policy")]),
        (f"contract: a.yaml\nbaze: {{}}\n{CASE}", [(2, 1, "key.unknown")]),
        (f"contract: a.yaml\nnow: yesterday\n{CASE}", [(2, 6, "test.now")]),
        ("contract: a.yaml\ntests: []", [(2, 1, "test.empty")]),
        ("contract: a.yaml\ntests: [{name: a}]", [(2, 9, "key.missing")]),
        ("contract: a.yaml\ntests: [{name: a, expect: {verdict: refused}}]", [(2, 37, "value.choice")]),
        ("contract: a.yaml\ntests: [{name: a, expect: {status: 42}}]", [(2, 36, "value.range")]),
        ("contract: a.yaml\ntests: [{name: a, row: {}, body: x, expect: {}}]", [(2, 34, "test.case")]),
        ("contract: a.yaml\ntests: [{name: a, prediction: {}, answer: x, expect: {}}]", [(2, 43, "test.case")]),
        ("contract: a.yaml\ntests: [{name: a, rows: [], expect: {}}]", [(2, 19, "test.case")]),
        ("contract: a.yaml\ntests: [{name: a, rows: [{}, {}], expect: {rows: [ok]}}]", [(2, 44, "test.expect")]),
        ("contract: a.yaml\ntests: [{name: a, expect: {alerts: [x.frozen]}}]", [(2, 28, "test.expect")]),
        ("contract: a.yaml\ntests: [{name: a, series: {x: 1x3}, expect: {status: 200}}]", [(2, 54, "test.expect")]),
        ("contract: a.yaml\ntests: [{name: a, series: {x: 1x3, y: 1x4}, expect: {}}]", [(2, 19, "test.series")]),
        (
            "contract: a.yaml\ntests: [{name: a, expect: {delivered: {}, prediction: {}}}]",
            [(2, 43, "test.expect")],
        ),
        (
            "contract: a.yaml\ntests: [{name: a, expect: {}}, {name: a, expect: {}}]",
            [(2, 39, "test.name")],
        ),
        (f"contract: a.yaml\n{CASE}\n---\n{CASE}", [(4, 1, "yaml.documents")]),
        ("", [(1, 1, "yaml.empty")]),
    ],
)
def test_mistakes_have_a_place(text: str, said: list[tuple[int, int, str]]) -> None:
    assert findings(text) == said


def test_an_empty_file_is_told_what_a_test_file_begins_with() -> None:
    _, (finding,) = read_suite(b"# later\n", "t.test.yaml")
    assert finding.hint == "a test file begins with `contract: FILE`, the policy under test; `sidecar test` runs it"


def test_a_prediction_without_its_name_is_told_the_form_with_it() -> None:
    _, said = read_suite(b"contract: a.yaml\ntests: [{name: a, predictions: [0.1, 0.2], expect: {}}]", "t.test.yaml")
    assert [finding.hint for finding in said] == ["write {NAME: 0.1}", "write {NAME: 0.2}"]


def test_all_mistakes_are_told_at_once() -> None:
    text = "contract: a.yaml\ntests:\n  - {name: a, expect: {verdikt: ok}}\n  - {nam: b, expect: {codes: age.min}}\n"
    assert {line for line, _, _ in findings(text)} == {3, 4}


@given(st.text(max_size=200) | st.text("{}[]:, abtestsnamxpc\n-~'\"", max_size=120))
@settings(max_examples=150, deadline=None)
def test_no_text_raises(text: str) -> None:
    found, said = read_suite(text.encode(errors="surrogatepass"), "t.test.yaml")
    assert (found is None) == any(finding.severity == "error" for finding in said)
    assert all(isinstance(finding, Finding) for finding in said)
