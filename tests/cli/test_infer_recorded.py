"""`sidecar infer` from what was recorded: journal and archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.cli import main
from tests.archive.desk import SECRET, Desk
from tests.kit.guards import policy

from .test_infer import codes, infer


def test_what_was_recorded_under_the_protocol_it_was_recorded_with(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (desk.data / "secret").write_bytes(SECRET)
    for index in range(30):
        desk.call([20 + index, 1000.0 + index])
    desk.archive()
    desk.call([55, 99.5])
    refused = desk.call([500, 1.0])
    policy = infer(desk.data, output=tmp_path / "learnt.yaml")
    assert policy.model.protocol == desk.policy.model.protocol
    assert policy.model.wire == desk.policy.model.wire
    assert codes(policy, age=20, income=1000.0) == set()
    assert codes(policy, age=500) == {"age.max"}, refused
    assert "seen in 31 of 31 rows" in (tmp_path / "learnt.yaml").read_text()
    assert policy.contract.prediction["score"].type == "float"


def test_an_archive_alone_and_a_stretch_of_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path)
    (desk.data / "secret").write_bytes(SECRET)
    desk.many(12)
    desk.archive()
    assert main(["infer", "--from", str(desk.root), "-o", str(tmp_path / "p.yaml")]) == 0
    assert "of 24 rows" in (tmp_path / "p.yaml").read_text()
    assert main(["infer", "--from", str(desk.root), "--since", "2026-01-02T03:04:07Z"]) == 0
    assert "of 24 rows" not in capsys.readouterr().out
    assert main(["infer", "--from", str(desk.root), "--model", "fraud"]) == 2
    assert "no prediction was recorded" in capsys.readouterr().err


def test_a_lone_sentinel_is_told_apart_whatever_the_source(tmp_path: Path) -> None:
    rows = [(20 + index % 60, 1000.5 + 250 * index) for index in range(120)]
    rows[7], rows[60] = (-999, 1000.5), (30, -999)
    desk = Desk(tmp_path, policy("features: {age: {type: int}, income: {type: float}}"))
    (desk.data / "secret").write_bytes(SECRET)
    for row in rows:
        desk.call(list(row))
    (tmp_path / "t.csv").write_text("age,income\n" + "".join(f"{age},{income}\n" for age, income in rows))
    lines = (json.dumps({"age": age, "income": income}) for age, income in rows)
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    made = [infer(source, output=tmp_path / f"{source.name}.yaml") for source in (desk.data, tmp_path / "t.csv")]
    made.append(infer(tmp_path / "t.jsonl", output=tmp_path / "lines.yaml"))
    desk.archive()
    made.append(infer(desk.root, output=tmp_path / "archived.yaml"))
    for learnt in made:
        assert learnt.contract.features == made[0].contract.features
        for name in ("age", "income"):
            assert [value.text for value in learnt.contract.features[name].missing_values] == ["-999"]
        assert codes(learnt, age=-5, income=-5.0) == {"age.min", "income.min"}


def test_hidden_values_are_not_learnt(tmp_path: Path) -> None:
    text = "policy: credit\nmodel: {protocol: oip, name: credit, columns: {input-0: [age, income]}}\n"
    desk = Desk(tmp_path, text + "contract: {features: {age: {type: int, pii: true}, income: {type: float}}}\n")
    (desk.data / "secret").write_bytes(SECRET)
    for index in range(30):
        desk.call([20 + index, 1000.0 + index])
    policy = infer(desk.data, output=tmp_path / "learnt.yaml")
    assert (policy.contract.features["age"].type, policy.contract.features["age"].pii) == ("json", True)
    assert policy.contract.features["income"].type == "float"
    assert "hidden by the policy it was recorded under" in (tmp_path / "learnt.yaml").read_text()


def test_exported_records_are_not_mistaken_for_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path)
    (desk.data / "secret").write_bytes(SECRET)
    desk.call([20, 1000.0])
    out = tmp_path / "records.jsonl"
    assert main(["log", "export", "--format", "jsonl", "--data", str(desk.data), "-o", str(out)]) == 0
    assert main(["infer", str(out)]) == 2
    assert "sidecar infer DIR" in capsys.readouterr().err


def test_nothing_recorded_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path)
    assert main(["infer", str(desk.data)]) == 2
    assert "no prediction was recorded" in capsys.readouterr().err
