"""`sidecar test`, as a person and a CI system run it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from sidecar.cli import main

POLICIES = Path(__file__).parents[2] / "policies"
POLICY = """\
policy: credit
model: {protocol: tfserving}
contract:
  features: {age: {type: int, min: 0}}
"""
TESTS = """\
contract: credit.yaml
base: {age: 41}
tests:
  - {name: a grown-up passes, expect: {verdict: ok}}
  - {name: nobody is negative, row: {age: -3}, expect: {verdict: reject, codes: [age.min]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "credit.yaml").write_text(POLICY)
    (tmp_path / "credit.test.yaml").write_text(TESTS)
    return tmp_path


def test_the_policies_of_this_repository_hold_what_they_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(POLICIES), "--require-coverage"]) == 0
    out = capsys.readouterr().out
    for name in ("iris", "diabetes", "credit-risk"):
        assert f"{name}.test.yaml ({name})" in out


def test_a_folder_is_searched_for_tests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(folder)]) == 0
    assert "2 of 2 passed" in capsys.readouterr().out


def test_a_change_of_the_policy_breaks_its_test(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "credit.yaml").write_text(POLICY.replace("min: 0", "min: -10"))
    assert main(["test", str(folder / "credit.test.yaml")]) == 1
    out = capsys.readouterr().out
    assert f"{folder}/credit.test.yaml:5:66: verdict" in out
    assert "expected  reject\n          actual    ok" in out


def test_json_and_junit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit, out = folder / "report.xml", folder / "report.json"
    assert main(["test", str(folder), "--format", "json", "-o", str(out), "--junit", str(junit)]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(out.read_text())["passed"] == 2
    assert ElementTree.parse(junit).getroot().get("tests") == "2"
    assert main(["test", str(folder), "--junit", str(folder / "no" / "report.xml")]) == 2


def test_coverage_is_asked_for_and_added_up_over_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = TESTS.splitlines(keepends=True)[-2:]
    head = TESTS.removesuffix(first + second)
    (folder / "credit.test.yaml").write_text(head + first)
    assert main(["test", str(folder)]) == 0
    assert main(["test", str(folder), "--require-coverage"]) == 3
    out = capsys.readouterr().out
    assert "check    age.min                   never broken" in out
    assert re.search(
        r"and [1-9][0-9]* implied checks \(type, required, null, finite\) that no test breaks or holds", out
    )
    (folder / "more.test.yaml").write_text(head + second)
    assert main(["test", str(folder), "--require-coverage"]) == 0
    assert main(["test", str(folder), "--require-coverage", "all"]) == 3
    assert "implied  age.type" in capsys.readouterr().out


def test_one_policy_of_a_file_with_several(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = POLICY.replace("credit", "other").replace("model: {", "model: {name: other, ")
    (folder / "credit.yaml").write_text(f"{POLICY.replace('model: {', 'model: {name: credit, ')}---\n{other}")
    assert main(["test", str(folder)]) == 2
    assert "name one: credit.yaml#NAME, of credit, other" in capsys.readouterr().out
    (folder / "credit.test.yaml").write_text(TESTS.replace("credit.yaml", "credit.yaml#other"))
    assert main(["test", str(folder)]) == 0
    assert "credit.test.yaml (other)" in capsys.readouterr().out
    (folder / "credit.test.yaml").write_text(TESTS.replace("credit.yaml", "credit.yaml#third"))
    assert main(["test", str(folder)]) == 2
    assert "has no policy `third`" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tests", "policy", "said"),
    [
        (TESTS.replace("credit.yaml", "nowhere.yaml"), POLICY, "credit.test.yaml:1:11: error[file.unreadable]"),
        (TESTS.replace("verdict: ok", "verdikt: ok"), POLICY, "credit.test.yaml:4:40: error[key.unknown]"),
        (TESTS, POLICY.replace("min: 0", "min: zero"), "credit.yaml:4:36: error[bad-value]"),
        (TESTS, POLICY.replace("tfserving", "sagemaker"), "credit.test.yaml:1:11: error[test.policy]"),
    ],
)
def test_what_cannot_be_run_is_two(
    folder: Path, capsys: pytest.CaptureFixture[str], tests: str, policy: str, said: str
) -> None:
    (folder / "credit.test.yaml").write_text(tests)
    (folder / "credit.yaml").write_text(policy)
    assert main(["test", str(folder)]) == 2
    assert said in capsys.readouterr().out


def test_nothing_to_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(tmp_path)]) == 2
    assert "write one beside the policy" in capsys.readouterr().err
    assert main(["test", str(tmp_path / "no.test.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().out


def test_policy_loaders_take_no_notice_of_tests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder)]) == 0
    assert "1 document, 0 errors" in capsys.readouterr().out
    shutil.copytree(POLICIES, folder / "policies")
    assert main(["check", str(folder / "policies")]) == 0


def test_the_help_is_a_file_that_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["test", "--help"])
    page = capsys.readouterr().out
    text = dedent(page.partition("a test file:\n")[2].partition("\nCases are")[0])
    (folder / "credit.yaml").write_text(
        dedent(
            """\
            policy: credit
            model: {protocol: tfserving}
            contract:
              features:
                age: {type: int, min: 0}
                income: {type: float}
                occupation: {type: category, values: [employed, other], on_violation: {replace: other}}
              prediction: {score: {type: float, max: 1, on_violation: fallback}}
              fallback: {values: {score: 0.5}}
            watch: {frozen_after: 3h}
            """
        )
    )
    (folder / "credit.test.yaml").write_text(text)
    assert main(["test", str(folder)]) == 0, capsys.readouterr().out
