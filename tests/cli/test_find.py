"""`sidecar find` and `sidecar log export`: predictions of journal and archive together."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sidecar.cli import main
from tests.archive.desk import SECRET, Desk
from tests.kit.guards import CREDIT, policy


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    (made.data / "secret").write_bytes(SECRET)
    return made


def find(desk: Desk, *words: str) -> int:
    return main(["find", *words, "--data", str(desk.data)])


def test_ids_of_what_fits_in_journal_and_archive(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    first = desk.call([30, 300000.0], [31, 400000.0])
    desk.archive()
    second = desk.call([40, 250000.5])
    desk.call([40, 1.0])
    assert find(desk, "income > 200000 and caller == 'mobile'") == 0
    assert capsys.readouterr().out.split() == [first, second]


def test_whole_records_on_demand(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call([30, 1.0])
    refused = desk.call([130, 1.0])
    assert find(desk, "verdict == 'rejected' and violations == 'age.max'", "--format", "jsonl") == 0
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert (record["prediction_id"], record["features"]["age"]) == (refused, 130)


def test_nothing_fits(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call()
    assert find(desk, "age > 1000") == 1
    assert capsys.readouterr().out == ""


def test_a_misspelt_name_is_told_where_nothing_fits(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call()
    assert find(desk, "verdit == 'rejected' or agee > 1") == 1
    told = capsys.readouterr().err
    assert "no row had a feature `verdit`; did you mean `verdict`?" in told
    assert "no row had a feature `agee`; did you mean `age`?" in told
    assert find(desk, "age > 1000") == 1
    assert capsys.readouterr().err == ""


def test_what_a_hidden_value_can_be_asked_is_told_where_nothing_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, policy(CREDIT.replace("age: {", "age: {pii: true, ")))
    (desk.data / "secret").write_bytes(SECRET)
    name = desk.call()
    assert find(desk, "age > 1") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "`age` is hidden by its policy" in captured.err and 'age == "hash:…"' in captured.err
    assert find(desk, "income > 1e9") == 1
    assert capsys.readouterr().err == "", "of what was not asked nothing is said"
    assert find(desk, "income > 0", "--format", "jsonl") == 0
    shown = json.loads(capsys.readouterr().out)["features"]["age"]
    assert find(desk, f'age == "{shown}"') == 0
    assert capsys.readouterr().out.split() == [name]


def test_labels_can_be_asked_for(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = desk.call()
    desk.call()
    desk.label(prediction_id=name, label=False)
    assert find(desk, "label is not null and not label") == 0
    assert capsys.readouterr().out.split() == [name]


def test_a_condition_that_cannot_be_read_is_shown_with_its_place(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(desk, "status == '200'") == 2
    error = capsys.readouterr().err
    assert "`status` is a number" in error
    assert error.splitlines()[2].index("^") == error.splitlines()[1].index("'200'")


def test_times_choose(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.call()
    second = desk.call()
    assert find(desk, "age > 0", "--since", "2026-01-02T03:04:07Z", "--until", "2026-01-03T00:00:00Z") == 0
    assert capsys.readouterr().out.split() == [second]
    assert find(desk, "age > 0", "--since", "yesterday") == 2
    assert "is not a time" in capsys.readouterr().err


def test_an_export_has_every_row_of_both_once(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.many(6)
    desk.archive()
    desk.many(6)
    assert main(["log", "export", "--format", "jsonl", "--data", str(desk.data)]) == 0
    records = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == len(desk.wanted())
    assert {(record["prediction_id"], record["row"]) for record in records} == desk.wanted()
    assert "join_key" not in records[0]


def test_an_export_as_parquet_is_one_whole_file(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.many(6)
    desk.archive()
    name = desk.call()
    desk.label(prediction_id=name, label=7)
    out = desk.data / "out.parquet"
    assert main(["log", "export", "--format", "parquet", "--data", str(desk.data), "-o", str(out)]) == 0
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == 13
    assert {row["prediction_id"]: row["label"] for row in rows}[name] == "7"
    assert json.loads(rows[0]["features"]) == {"age": 30, "income": 1.0}
    assert main(["log", "export", "--format", "parquet", "--data", str(desk.data)]) == 2
    assert "say where: -o FILE" in capsys.readouterr().err
    assert main(["log", "export", "--format", "jsonl", "--kind", "gap", "--data", str(desk.data)]) == 2


def test_an_export_of_nothing_is_an_empty_file(desk: Desk) -> None:
    out = desk.data / "out.parquet"
    assert main(["log", "export", "--format", "parquet", "--data", str(desk.data), "-o", str(out)]) == 0
    assert pq.read_table(out).num_rows == 0


def test_parquet_that_cannot_be_written_is_refused_with_its_place(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.call([30, 1.0])
    nowhere = desk.data / "none" / "rows.parquet"
    export = ["log", "export", "--format", "parquet", "--data", str(desk.data)]
    assert main([*export, "-o", str(nowhere)]) == 2
    assert capsys.readouterr().err.endswith(f"cannot write {nowhere}: No such file or directory\n")
    assert main(export) == 2
    assert "written to a file, not to stdout" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["find", "age > 0"], ["log", "export", "--format", "jsonl"], ["report", "contract"]])
@pytest.mark.parametrize("keep", [0, 3, 500, None])
def test_a_damaged_file_of_the_archive_is_named_and_the_rest_is_read_without_it(
    desk: Desk, words: list[str], keep: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.call([30, 1.0])
    desk.archive()
    (file,) = (desk.data / "archive" / "predictions").rglob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:keep] if keep is not None else whole[: len(whole) // 2] + b"PAR1" * (len(whole) // 8))
    assert main([*words, "--data", str(desk.data)]) == 2
    said = capsys.readouterr().err
    assert f"{file} cannot be read (" in said and "move it away" in said
    assert "Traceback" not in said
    file.unlink()
    desk.call([31, 1.0])
    assert main([*words, "--data", str(desk.data)]) == 0
