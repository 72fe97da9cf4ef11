"""`sidecar check`, as its users meet it: findings, forms, exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.policy import digest, load
from tests.kit.pages import NOT_FOUND, Asked, Page, answering, shown

GOOD = "policy: credit\nowner: {team: t}\nmodel: {protocol: oip, columns: {input-0: [age]}}\n"
POLICIES = Path(__file__).parents[2] / "policies"

TEN_MISTAKES = """policy: credit risk
version: [1]
owner: {taem: risk}
model: {protocol: oip, columns: {input-0: [age]}, on_mismatch: halt, nmae: x}
contract:
  mode: enforced
  features:
    age: {type: int, min: 9, max: 3}
    income: {type: float, required: yes}
    age: {type: int}
  fallback: {on: [contract, timout], values: {score: 1}}
watch: {window: 3600}
capture: {sample: 50}
"""


def file(folder: Path, text: str, name: str = "p.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_good_policy_is_a_line_and_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", file(tmp_path, GOOD)]) == 0
    assert capsys.readouterr().out == "1 document, 0 errors, 0 warnings: good\n"


def test_ten_mistakes_are_ten_findings_each_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--format", "json", file(tmp_path, TEN_MISTAKES)]) == 1
    findings = [finding for finding in json.loads(capsys.readouterr().out) if finding["severity"] == "error"]
    assert [finding["line"] for finding in findings] == [1, 2, 3, 4, 4, 6, 8, 9, 10, 11, 12, 13]
    for finding in findings:
        assert list(finding) == ["file", "line", "column", "code", "severity", "message", "hint"]
        assert finding["column"] >= 1


def test_text_is_a_finding_its_hint_and_where_to_read_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, GOOD + "contrct: {}\n")
    assert main(["check", path]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{path}:4:1: error[key.unknown]: the document has no key `contrct`",
        "    hint: did you mean `contract`?",
        "    see: policies/README.md#finding-key-unknown",
        "1 document, 1 error, 0 warnings: not good",
    ]


def test_warnings_count_when_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, GOOD + "watch: {bias: {max_gap: 5%}}\n")
    assert main(["check", path]) == 0
    assert "warning[not-acted-on]" in capsys.readouterr().out
    assert main(["check", "--strict", path]) == 3


def test_errors_come_before_strictness(tmp_path: Path) -> None:
    assert main(["check", "--strict", file(tmp_path, GOOD + "watch: {window: 1}\n")]) == 1


@pytest.mark.parametrize(
    "arguments", [[], ["absent.yaml"], ["--config", "absent.yaml"], ["--format", "xml"], ["--nope"]]
)
def test_what_cannot_be_answered_is_exit_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = [str(tmp_path / argument) if argument.endswith(".yaml") else argument for argument in arguments]
    try:
        code = main(["check", *here])
    except SystemExit as left:
        code = left.code  # type: ignore[assignment]
    assert code == 2
    said = capsys.readouterr()
    assert said.out or said.err


def test_a_policy_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"policy: [")))
    assert main(["check", "-"]) == 1
    assert capsys.readouterr().out.startswith("<stdin>:1:")


def test_the_effective_policy_checks_again_to_the_same_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = file(tmp_path, "upstream: {url: http://m:1}\ndefaults: {contract: {unknown_features: warn}}\n", "s.yaml")
    path = file(tmp_path, GOOD)
    assert main(["check", "--print-effective", "--config", config, path]) == 0
    said = capsys.readouterr()
    assert "unknown_features: warn" in said.out
    assert "first_byte: 30s" in said.out
    assert said.err.endswith("good\n")
    (before,) = load([Path(path)], config=Path(config)).policies
    (after,) = load([Path(file(tmp_path, said.out, "effective.yaml"))]).policies
    assert digest(after) == digest(before)
    assert digest(before) in said.out


def test_the_whole_example_folder_can_be_printed(tmp_path: Path) -> None:
    output = tmp_path / "effective.yaml"
    assert main(["check", "--print-effective", "-o", str(output), str(POLICIES)]) == 0
    before = {policy.name: digest(policy) for policy in load([POLICIES]).policies}
    after = {policy.name: digest(policy) for policy in load([output]).policies}
    assert before == after
    assert len(before) >= 3


def test_a_report_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report.json"
    assert main(["check", "--format", "json", "-o", str(output), file(tmp_path, GOOD)]) == 0
    assert json.loads(output.read_text()) == []
    assert capsys.readouterr().out == ""
    assert main(["check", "-o", str(tmp_path / "no" / "such"), file(tmp_path, GOOD)]) == 2


def test_environment_and_upstream_are_those_of_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, GOOD + "environment: production\n")
    assert main(["check", "--environment", "staging", path]) == 1
    assert "environment.unknown" in capsys.readouterr().out
    assert main(["check", "--upstream", "localhost:1", path]) == 1
    assert "command line: error[value.text]" in capsys.readouterr().out


def server(asked: Asked) -> Page:
    """States one OIP model, and of another what MLServer states of it: its version is in the index alone."""
    model = {"platform": "x", "inputs": [{"name": "input-0", "datatype": "FP64", "shape": [-1, 3]}], "outputs": []}
    pages = {
        "GET /v2/health/live": {},
        "GET /v2/models/credit": {"name": "credit", "versions": ["4"], **model},
        "GET /v2/models/quiet": {"name": "quiet", "versions": [], "platform": "", "inputs": [], "outputs": []},
        "POST /v2/repository/index": [{"name": "quiet", "version": "14", "state": "READY"}],
    }
    page = pages.get(f"{asked.method} {asked.path}")
    return NOT_FOUND if page is None else shown(page)


BESIDE = """policy: credit
owner: {team: risk}
model: {protocol: oip, name: credit, version: '3', columns: {input-0: [age, income]}}
contract: {features: {age: {type: int}, income: {type: float}}}
"""


def test_a_policy_is_held_beside_what_the_server_states(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "credit.yaml"
    file.write_text(BESIDE)
    with answering(server) as url:
        assert main(["check", str(file), "--upstream", url, "--format", "json"]) == 1
        found = {each["code"]: each for each in json.loads(capsys.readouterr().out)}
        assert (found["model.version-not-served"]["line"], found["model.input-shape"]["line"]) == (3, 3)
        file.write_text(BESIDE.replace("'3'", "'4'").replace("[age, income]", "[age, income, rest]"))
        assert main(["check", str(file), "--upstream", url]) == 0
        capsys.readouterr()
        file.write_text(BESIDE.replace("credit, v", "quiet, v"))
        assert main(["check", str(file), "--upstream", url, "--format", "json"]) == 1
        found = {each["code"]: each for each in json.loads(capsys.readouterr().out)}
        assert "version 14" in found["model.version-not-served"]["message"]
        assert "no inputs of this model: not compared" in found["model.unstated"]["message"]
        file.write_text(BESIDE.replace("credit, v", "other, v"))
        assert main(["check", str(file), "--upstream", url]) == 2
        assert "does not have the model 'other'" in capsys.readouterr().out
    assert main(["check", str(file), "--upstream", "http://127.0.0.1:1"]) == 2


def test_a_policy_without_a_model_name_is_not_called_good_beside_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "credit.yaml"
    file.write_text("policy: credit\nmodel: {protocol: oip}\ncontract: {features: {age: {type: int}}}\n")
    assert main(["check", str(file), "--upstream", "http://127.0.0.1:1"]) == 2
    assert "does not say which model of the server is meant" in capsys.readouterr().out
