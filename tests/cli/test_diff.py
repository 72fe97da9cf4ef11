"""`sidecar diff`, as its users meet it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from tests.archive.desk import SECRET, Desk
from tests.kit.guards import CREDIT, policy

POLICIES = Path(__file__).parents[2] / "policies"
EXAMPLES = [POLICIES / name for name in ("credit-risk.yaml", "diabetes.yaml", "iris.yaml")]
IRIS = (POLICIES / "iris.yaml").read_text()


def file(folder: Path, text: str, name: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def two(folder: Path, old: str, new: str) -> list[str]:
    return ["diff", file(folder, old, "old.yaml"), file(folder, new, "new.yaml")]


def variant(*changes: tuple[str, str], text: str = IRIS) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


NARROWER = variant(("min: 4, max: 8", "min: 4, max: 7"))
WIDER = variant(("min: 4, max: 8", "min: 4, max: 9"))


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("path", [POLICIES, *EXAMPLES], ids=lambda path: path.name)
def test_an_example_differs_in_nothing_from_itself(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(path), str(path)]) == 0
    assert capsys.readouterr().out.count("no change") >= 1


@pytest.mark.parametrize(
    ("new", "code", "word"),
    [
        (
            NARROWER,
            1,
            "BREAKING without a major bump; asks for a major bump, the version is the same: say version 2.0.0",
        ),
        (variant(("version: 1.0.0", "version: 1.9.0"), text=NARROWER), 1, "this is a minor one: say version 2.0.0"),
        (variant(("version: 1.0.0", "version: 2.0.0"), text=NARROWER), 0, "asks for a major bump, this is a major one"),
        (WIDER, 3, "needs evidence or an owner's look; asks for a minor bump"),
        (variant(("of an iris", "of any iris")), 0, "asks for a patch bump"),
        (variant(('["1"]', '["2"]')), 0, "the author decides the bump"),
    ],
)
def test_exit_codes_and_the_headline(
    new: str, code: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(two(tmp_path, IRIS, new)) == code
    assert word in capsys.readouterr().out.splitlines()[0]


def test_text_shows_each_change_its_views_why_and_who(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = variant(('["1"]', '["2"]'), ("of an iris", "of any iris"), text=NARROWER)
    main(two(tmp_path, IRIS, new))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  Identity",
        "    model.version: [1] -> [2]",
        "      callers safe, model identity, monitor -, bump author decides, owner flowers",
        "      Another model may answer: judge it as such.",
        "  Contract",
        "    contract.features.sepal_length.max: 8 -> 7",
        "      callers breaking, model safe, monitor -, bump major, owner flowers",
        "      Narrower range (its high end): rows that were within it are now refused.",
        "  Monitoring and text",
        "    purpose: The species of an iris from four lengths. -> The species of any iris from four lengths.",
        "      callers safe, model safe, monitor -, bump patch, owner flowers",
        "      For readers.",
    ]


def test_json_is_stable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*two(tmp_path, IRIS, NARROWER), "--format", "json"]) == 1
    document = said(capsys)
    assert {key: document[key] for key in ("outcome", "exit_code", "mode")} == {
        "outcome": "breaking", "exit_code": 1, "mode": "backward"
    }  # fmt: skip
    (found,) = document["policies"]
    assert list(found) == ["policy", "old", "new", "outcome", "bump", "notes", "changes", "replay"]
    assert found["bump"] == {"required": "major", "actual": "none", "sufficient": False, "advised": "2.0.0"}
    assert found["changes"] == [
        {
            "path": "contract.features.sepal_length.max",
            "old": "8",
            "new": "7",
            "direction": "backward",
            "caller": "breaking",
            "model": "safe",
            "monitor": "-",
            "bump": "major",
            "why": "Narrower range (its high end): rows that were within it are now refused.",
            "owner": "flowers",
            "evidence": None,
        }
    ]


def test_markdown_is_a_comment_on_a_pull_request(tmp_path: Path) -> None:
    new = variant(("of an iris", "of <any> iris | @all"), text=NARROWER)
    out = tmp_path / "comment.md"
    assert main([*two(tmp_path, IRIS, new), "--format", "markdown", "-o", str(out)]) == 1
    text = out.read_text()
    assert text.startswith("### ❌ `iris` 1.0.0 → 1.0.0\n")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(line.replace(r"\|", "").split("|")) for line in tables} == {10}
    assert "| `contract.features.sepal_length.max` | `8` | `7` | **breaking** | safe | - | major | flowers |" in tables
    assert text.count("<details>") == text.count("</details>") == 2
    assert r'`"The species of <any> iris \| @all from four lengths."`' in text  # in code nobody is called


def test_junit_fails_the_breaking_change_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = variant(("min: 0.5, max: 8", "min: 0.5, max: 9"), text=NARROWER)
    assert main([*two(tmp_path, IRIS, new), "--format", "junit"]) == 1
    suites = ET.fromstring(capsys.readouterr().out)
    (suite,) = suites
    assert {key: suite.get(key) for key in ("tests", "failures", "skipped")} == {
        "tests": "2", "failures": "1", "skipped": "1"
    }  # fmt: skip
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {
        "contract.features.sepal_length.max": ["failure"],
        "contract.features.petal_length.max": ["skipped"],
    }


def test_what_is_invalid_is_exit_2_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(two(tmp_path, IRIS, variant(("mode: enforce", "mode: enfroce")))) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "new.yaml:14:" in shown.err
    assert main(["diff", str(tmp_path / "absent.yaml"), str(tmp_path / "old.yaml")]) == 2


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old_new = two(tmp_path, IRIS, IRIS)
    assert main([*old_new, "--transitive"]) == 2
    assert "is none" in capsys.readouterr().err
    assert main([*old_new, "--where", "age > 3"]) == 2
    assert main([*old_new, "--since", "2h"]) == 2
    assert "--replay" in capsys.readouterr().err
    assert main([*old_new, "--replay", "rows.jsonl", "--data", "x"]) == 2
    assert main([*old_new, "-o", str(tmp_path / "no" / "where")]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["diff", str(tmp_path / "empty"), old_new[1]]) == 2
    assert "there is no policy" in capsys.readouterr().err


def test_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = two(tmp_path, IRIS, WIDER)
    assert main([*words, "--mode", "backward"]) == 3
    assert main([*words, "--mode", "forward"]) == 1
    capsys.readouterr()
    assert main([*words, "--mode", "full", "--format", "json"]) == 1
    changes = said(capsys)["policies"][0]["changes"]
    assert [(each["direction"], each["caller"], each["old"], each["new"]) for each in changes] == [
        ("forward", "breaking", "8", "9"),
        ("backward", "safe", "8", "9"),
    ]


def test_every_past_version_or_the_latest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released = tmp_path / "released"
    file(released, WIDER, "a.yaml")
    file(released, variant(("1.0.0", "1.10.0")), "b.yaml")
    file(released, variant(("1.0.0", "1.9.0")), "c.yaml")
    new = file(tmp_path, variant(("1.0.0", "1.11.0")), "new.yaml")
    assert main(["diff", str(released), new, "--format", "json"]) == 0
    assert [each["old"]["version"] for each in said(capsys)["policies"]] == ["1.10.0"]
    assert main(["diff", str(released), new, "--transitive", "--format", "json"]) == 1
    found = said(capsys)["policies"]
    assert [(each["old"]["version"], each["outcome"]) for each in found] == [
        ("1.0.0", "breaking"),
        ("1.9.0", "safe"),
        ("1.10.0", "safe"),
    ]


def test_documents_of_one_file_are_paired_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = variant(("policy: iris", "policy: rose"), ("name: iris", "name: rose"))
    old = IRIS + "---\n" + other
    new = other + "---\n" + NARROWER
    assert main([*two(tmp_path, old, new), "--format", "json"]) == 1
    found = said(capsys)["policies"]
    assert [(each["policy"], each["outcome"]) for each in found] == [("rose", "safe"), ("iris", "breaking")]


def test_a_policy_that_is_gone_breaks_and_a_new_one_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = variant(("policy: iris", "policy: rose"), ("name: iris", "name: rose"))
    both = IRIS + "---\n" + other
    assert main(two(tmp_path, both, IRIS)) == 1
    assert "rose 1.0.0 -> no version: gone" in capsys.readouterr().out
    assert main(two(tmp_path, IRIS, both)) == 0
    assert "rose no version -> 1.0.0: new" in capsys.readouterr().out


# -- replay


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    (made.data / "secret").write_bytes(SECRET)
    return made


OLD = policy(CREDIT)


def replayed(desk: Desk, new: str, *words: str) -> int:
    folder = desk.data.parent
    names = [file(folder, OLD, "old.yaml"), file(folder, new, "new.yaml")]
    return main(["diff", *names, "--format", "json", "--replay", *words])


def test_rows_of_journal_and_archive_as_they_were_received(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([110, 1.0])
    desk.archive()
    desk.call([110, 2_000_000.0], [30, 2_000_000.0])
    desk.call([130, 1.0])
    new = variant(("max: 120", "max: 100"), ("max: 1000000", "max: 3000000"), text=OLD)
    assert replayed(desk, new, "--data", str(desk.data)) == 1
    (found,) = said(capsys)["policies"]
    replay = found["replay"]
    assert (replay["rows"], replay["calls"], replay["refused"]) == (4, 3, 2)
    moved = {(each["from"], each["to"]): each["rows"] for each in replay["transitions"]}
    assert moved == {("ok", "rejected"): 1, ("repaired", "rejected"): 1, ("repaired", "ok"): 1}
    assert replay["callers"] == {"mobile": {"rows": 4, "changed": 3}}
    evidence = {each["path"].split(".")[2]: each["evidence"] for each in found["changes"]}
    assert (evidence["age"]["changed"], evidence["age"]["refused"]) == (2, 2)
    assert (evidence["income"]["rows"], evidence["income"]["changed"]) == (4, 2)


def test_evidence_settles_a_widening(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    wider = variant(("max: 120", "max: 140"), ("version: 1.2.0", "version: 1.3.0"), text=OLD)
    assert replayed(desk, wider, "--data", str(desk.data)) == 3  # nothing was recorded
    refused = desk.call([130, 1.0])
    assert replayed(desk, wider, "--data", str(desk.data)) == 0
    document = json.loads(capsys.readouterr().out.partition("\n}\n")[2])
    (transition,) = document["policies"][0]["replay"]["transitions"]
    assert (transition["from"], transition["to"], transition["examples"]) == ("rejected", "ok", [refused])


def test_times_choose_the_rows(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.many(3)
    new = variant(("max: 120", "max: 10"), text=OLD)
    replayed(desk, new, "--from", str(desk.data), "--since", "2026-01-02T03:04:08Z")
    assert said(capsys)["policies"][0]["replay"]["calls"] == 1


def test_a_condition_chooses_the_rows(tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([110, 1.0])
    desk.call([110, 9.0])
    new = variant(("max: 120", "max: 10"), text=OLD)
    replayed(desk, new, "--data", str(desk.data), "--where", "income > 5")
    assert said(capsys)["policies"][0]["replay"]["rows"] == 1
    rows = file(tmp_path, '{"age": 1, "income": 1}\n{"age": 1, "income": 9}\n', "rows.jsonl")
    replayed(desk, new, rows, "--where", "income > 5")
    assert said(capsys)["policies"][0]["replay"]["rows"] == 1
    assert replayed(desk, new, rows, "--where", "income >") == 2


def test_what_the_record_hides_is_not_judged_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hiding = OLD + "capture: {hide: {age: drop}}\n"
    desk = Desk(tmp_path / "hiding", hiding)
    (desk.data / "secret").write_bytes(SECRET)
    desk.call([30, 1.0])
    new = variant(("max: 120", "max: 10"), text=hiding)
    names = [file(tmp_path, hiding, "old.yaml"), file(tmp_path, new, "new.yaml")]
    assert main(["diff", *names, "--replay", "--data", str(desk.data)]) == 1
    out = capsys.readouterr().out
    assert "age is hidden in 1 row: it was not judged there" in out
    assert "evidence: no recorded row tells" in out


def test_lines_of_plain_rows(tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    rows = file(tmp_path, '{"age": 30, "income": 1}\n\n{"age": 110, "income": 1}\n{"income": 1}\n', "rows.jsonl")
    assert replayed(desk, variant(("max: 120", "max: 100"), text=OLD), rows) == 1
    replay = said(capsys)["policies"][0]["replay"]
    assert (replay["rows"], replay["changed"]) == (3, 1)
    assert replay["transitions"][0]["examples"] == ["line 3"]


def test_an_export_replays_as_its_source_does(tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([110, 2_000_000.0])
    desk.call([30, 1.0])
    export = tmp_path / "rows.jsonl"
    assert main(["log", "export", "--format", "jsonl", "--data", str(desk.data), "-o", str(export)]) == 0
    new = variant(("max: 120", "max: 100"), text=OLD)
    replayed(desk, new, str(export))
    of_file = said(capsys)["policies"][0]["replay"]
    replayed(desk, new, "--data", str(desk.data))
    assert said(capsys)["policies"][0]["replay"] == of_file
    assert of_file["transitions"][0]["from"] == "repaired"


def test_slices_of_the_new_policy(tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    new = variant(("max: 120", "max: 100"), text=OLD)
    new += "slices: [{name: rich, where: income > 500}, {name: age, by: age}]\n"
    rows = file(tmp_path, '{"age": 110, "income": 1}\n{"age": 110, "income": 1000}\n', "rows.jsonl")
    replayed(desk, new, rows)
    replay = said(capsys)["policies"][0]["replay"]
    assert replay["slices"] == {"age=110": {"rows": 2, "changed": 2}, "rich": {"rows": 1, "changed": 1}}


@pytest.mark.parametrize(("line", "word"), [("{", "not JSON"), ("[1]", "a JSON object")])
def test_a_line_that_is_no_row_is_said_with_its_number(
    line: str, word: str, tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = file(tmp_path, f"{{}}\n{line}\n", "rows.jsonl")
    assert replayed(desk, OLD, rows) == 2
    error = capsys.readouterr().err
    assert "rows.jsonl:2:" in error
    assert word in error


def test_replay_in_text_and_markdown(tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([110, 1.0])
    names = [file(tmp_path, OLD, "old.yaml"), file(tmp_path, variant(("max: 120", "max: 100"), text=OLD), "new.yaml")]
    assert main(["diff", *names, "--replay", "--data", str(desk.data)]) == 1
    out = capsys.readouterr().out
    assert "Replay of 1 row (1 call): 1 change verdict" in out
    assert "input: ok -> rejected: 1 row of 1 call" in out
    assert "callers: mobile 1" in out
    assert main(["diff", *names, "--format", "markdown", "--replay", "--data", str(desk.data)]) == 1
    assert "| input | ok | rejected | 1 | 1 | age.max 1 | mobile 1 |  |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sidecar.yaml", "platform.yaml"])
def test_a_platform_file_is_no_side_of_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    platform = file(tmp_path, "environment: production\n", name)
    assert main(["diff", platform, file(tmp_path, IRIS, "new.yaml")]) == 2
    told = capsys.readouterr().err
    assert "platform file, not a policy" in told
    assert f"pass it with --config {platform}" in told
