"""Reports for people, programs and CI systems."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from sidecar.policytest import read_suite, report, run_case
from sidecar.policytest.report import Covered, FileReport
from sidecar.yamldoc import Finding

from .desk import BASE, bench

TEXT = f"""\
contract: policy.yaml
base: {BASE}
tests:
  - {{name: good, expect: {{verdict: ok}}}}
  - {{name: "bad & <odd>", row: {{age: -3}}, expect: {{verdict: ok, codes: [age.max]}}}}
"""
BROKEN = FileReport("b.test.yaml", findings=(Finding("key.unknown", "no key `x`", "hm", file="b.test.yaml", line=3),))


def reports() -> tuple[list[FileReport], list[Covered]]:
    subject = bench()
    text, _ = read_suite(TEXT.encode(), "a.test.yaml")
    assert text is not None
    results = tuple(run_case(subject, text.suite, position) for position in range(2))
    files = [FileReport("a.test.yaml", text, "credit", results, (0.5, 0.25)), BROKEN]
    return files, [Covered("credit", "policy.yaml", subject.tally.coverage())]


def test_text_has_the_difference_and_its_place() -> None:
    text = report.as_text(*reports(), everything=False)
    assert "  ok    good" in text
    assert "  FAIL  bad & <odd>" in text
    assert (
        "a.test.yaml:5:61: verdict\n          expected  ok\n          actual    rejected   (because of age.min)" in text
    )
    assert "b.test.yaml:3:0: error[key.unknown]: no key `x`\n      hint: hm" in text
    assert "coverage of credit: 1 of 16" not in text
    assert "  check    age.max " in text
    assert text.endswith("1 of 2 passed, 1 file not run\n")


def test_json_is_for_programs() -> None:
    document = json.loads(report.as_json(*reports(), everything=False))
    assert (document["passed"], document["failed"]) == (1, 1)
    first, second = document["files"]
    assert first["tests"][1]["failures"][0] == {
        "what": "verdict", "expected": "ok", "actual": "rejected", "hint": "because of age.min",
        "line": 5, "column": 61,
    }  # fmt: skip
    assert second["findings"][0]["line"] == 3
    (coverage,) = document["coverage"]
    assert coverage["of"] == sum(item["kind"] != "implied" for item in coverage["items"])
    assert {
        "kind": "check",
        "code": "age.max",
        "held": 2,
        "broken": 0,
        "covered": False,
        "missing": "never broken",
    } in (coverage["items"])


def test_junit_is_what_ci_reads() -> None:
    files, _ = reports()
    root = ElementTree.fromstring(report.as_junit(files))
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "3", "1", "1")
    cases = list(root.iter("testcase"))
    assert [(case.get("name"), [child.tag for child in case]) for case in cases] == [
        ("good", []),
        ("bad & <odd>", ["failure"]),
        ("the file can be run", ["error"]),
    ]
    assert cases[0].get("time") == "0.500000"
    failure = cases[1][0]
    assert failure.get("message") == "verdict: expected ok, actual rejected"
    assert failure.text is not None
    assert "a.test.yaml:5:65: codes: expected [age.max], actual [age.min]" in failure.text


def test_junit_counts_in_numbers_a_file_that_cannot_be_run() -> None:
    unread = FileReport("p.test.yaml", findings=(Finding("key.unknown", "no key `rwo`"),))
    for suite in ElementTree.fromstring(report.as_junit([unread])).iter("testsuite"):
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "1")


def test_junit_takes_any_text() -> None:
    odd = FileReport("a\x00\x1b.test.yaml", findings=(Finding("x", "]]> & \ud800 \x07", file="a"),))
    ElementTree.fromstring(report.as_junit([odd]))
