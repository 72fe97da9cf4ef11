"""`sidecar infer`, as its users meet it: a policy that passes `check`, accepts the data, refuses corruptions."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sidecar.cli import main
from sidecar.contract import Compiled, compile_contract
from sidecar.demo.model_server import find_mlserver
from sidecar.policy import Policy, load
from sidecar.rows import MISSING, Rows

from . import dirty


def infer(source: Path | str, *words: str, output: Path) -> Policy:
    assert main(["infer", str(source), *words, "-o", str(output)]) == 0
    return checked(output)


def checked(path: Path) -> Policy:
    loaded = load([path])
    assert loaded.findings == ()
    (policy,) = loaded.policies
    assert str(policy.contract.mode) == "observe"
    return policy


def codes(policy: Policy, **row: Any) -> set[str]:
    """Why this row would be refused, of the values given."""
    contract: Compiled | None = compile_contract(policy.contract)[0]
    assert contract is not None
    columns = {name: [row.get(name, MISSING)] for name in contract.features}
    verdict = contract.judge_request(Rows(1, columns, lambda *_: ""), caller="", now_seconds=1.8e9)
    return {each.code for each in verdict.violations if each.feature in row and each.applied in ("reject", "warn")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dirty table, and the policy inferred from it."""
    made = tmp_path_factory.mktemp("dirty")
    infer(dirty.write(made / "loans.csv"), output=made / "loans.yaml")
    return made


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return checked(folder / "loans.yaml")


def comment_on(name: str, text: str) -> str:
    """The comment above a feature, as one line."""
    lines = text.splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith(f"    # {name}: seen in "))
    told = takewhile(lambda line: line.startswith("    #"), lines[begin:])
    return " ".join(line.strip().removeprefix("#").strip() for line in told)


class TestDirtyData:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("application_id", "600 distinct values: it names something"),
            ("branch", "digits with leading zeros in 600 rows: identifiers, which stay text"),
            ("age", "-999 (12 rows)"),
            ("income", "999999999 (17 rows)"),
            ("salary", '"N/A" (30 rows)'),
            ("opened", "YYYY-MM-DD (400 rows), DD/MM/YYYY or MM/DD/YYYY (200 rows)"),
            ("updated_at", "RFC 3339 with a zone"),
            ("country", "constant: always DE"),
            ("email", "looks like e-mail addresses: no value is listed here"),
            ("size", "mixed: 514 rows like numbers, 86 do not, such as large"),
            ("occupation", "4 values"),
            ("comment: free", "nearly unique"),
        ],
    )
    def test_comments_say_what_was_seen(self, folder: Path, name: str, said: str) -> None:
        told = comment_on(name, (folder / "loans.yaml").read_text())
        assert "of 600 rows" in told
        assert said in told

    def test_the_text_has_no_personal_value(self, folder: Path) -> None:
        written = (folder / "loans.yaml").read_text() + (folder / "baselines" / "loans.json").read_text()
        assert "example.org" not in written

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            ({"age": -5}, "age.min"),
            ({"age": 41.5}, "age.type"),
            ({"age": "41"}, "age.type"),
            ({"income": 1e12}, "income.max"),
            ({"branch": 1}, "branch.type"),
            ({"branch": "1b"}, "branch.pattern"),
            ({"updated_at": "01/02/2026"}, "updated_at.type"),
            ({"occupation": "astronaut"}, "occupation.values"),
            ({"flag": "true"}, "flag.type"),
            ({"application_id": None}, "application_id.null"),
            ({"weight, kg": 7000.0}, "weight, kg.max"),
        ],
    )
    def test_planted_corruptions_are_refused(self, policy: Policy, row: dict[str, Any], code: str) -> None:
        assert codes(policy, **row) == {code}

    def test_sentinels_become_null_and_pass(self, policy: Policy) -> None:
        for row in ({"age": -999}, {"income": 999999999}, {"salary": "N/A"}, {"salary": None}):
            assert codes(policy, **row) == set()

    def test_the_baseline_counts_every_row(self, folder: Path, policy: Policy) -> None:
        assert policy.lineage is not None
        assert policy.lineage.baseline == "baselines/loans.json"
        baseline = json.loads((folder / policy.lineage.baseline).read_text())
        assert (baseline["format"], baseline["from"], baseline["rows"]) == ("sidecar-baseline/1", "loans.csv", 600)
        age = baseline["features"]["age"]
        assert (sum(age["bins"]), age["null"]) == (588, 12)
        assert baseline["features"]["email"]["kind"] == "opaque"

    @pytest.mark.parametrize(("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), ("|", "utf-8")])
    def test_dialects_and_byte_order_marks_are_seen(
        self, folder: Path, tmp_path: Path, delimiter: str, encoding: str
    ) -> None:
        path = dirty.write(tmp_path / "other.csv", delimiter=delimiter, encoding=encoding)
        again = infer(path, "--name", "loans", output=tmp_path / "other.yaml")
        assert again.contract.features == checked(folder / "loans.yaml").contract.features

    def test_the_same_from_a_packed_file(self, folder: Path) -> None:
        packed = folder / "loans.csv.gz"
        packed.write_bytes(gzip.compress((folder / "loans.csv").read_bytes()))
        assert infer(packed, output=folder / "packed.yaml").contract == checked(folder / "loans.yaml").contract

    def test_nothing_is_overwritten_unasked(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["infer", str(folder / "loans.csv"), "-o", str(folder / "loans.yaml")]
        assert main(words) == 2
        assert "--force" in capsys.readouterr().err
        assert main([*words, "--force"]) == 0


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data sets that scikit-learn ships, as CSV."""
    binaries = find_mlserver(None)
    if binaries is None:
        pytest.skip("scikit-learn is not installed: `make mlserver` installs it into .venvs/mlserver")
    folder = tmp_path_factory.mktemp("shipped")
    script = (
        "import sys; from sklearn import datasets\n"
        "for name in sys.argv[2:]:\n"
        "    getattr(datasets, 'load_' + name)(as_frame=True).frame.to_csv(f'{sys.argv[1]}/{name}.csv', index=False)\n"
    )
    subprocess.run([str(binaries / "python"), "-c", script, str(folder), *CORRUPTIONS], check=True, timeout=60)
    return folder


CORRUPTIONS: dict[str, dict[str, Any]] = {
    "iris": {"petal length (cm)": 140.0},  # in millimetres
    "diabetes": {"bmi": 31.0},  # not scaled as the others are
    "wine": {"alcohol": "13.2"},
    "breast_cancer": {"mean radius": -3.0},
}


class TestShippedDataSets:
    @pytest.mark.parametrize("name", CORRUPTIONS)
    def test_inferred_checked_accepting_and_refusing(self, shipped: Path, name: str) -> None:
        policy = infer(shipped / f"{name}.csv", "--prediction", "target", output=shipped / f"{name}.yaml")
        assert list(policy.contract.prediction) == ["target"]
        lines = (shipped / f"{name}.csv").read_text().splitlines()
        names = lines[0].split(",")
        kinds = {each: feature.type for each, feature in policy.contract.features.items()}
        assert set(kinds.values()) <= {"float", "int"}
        for line in lines[1:]:
            row = {each: float(cell) for each, cell in zip(names, line.split(","), strict=True)}
            row.pop("target")
            assert codes(policy, **row) == set()
        assert codes(policy, **CORRUPTIONS[name])
        assert f"of {len(lines) - 1} rows" in (shipped / f"{name}.yaml").read_text()
        assert main(["check", "--strict", str(shipped / f"{name}.yaml")]) == 0

    def test_one_matrix_for_a_model_on_mlserver(self, shipped: Path) -> None:
        words = ("--protocol", "oip", "--model", "iris", "--prediction", "target")
        policy = infer(shipped / "iris.csv", *words, output=shipped / "matrix.yaml")
        assert policy.model.name == "iris"
        assert [len(names) for names in policy.model.wire.columns.values()] == [4]  # type: ignore[union-attr]


ROWS = [{"age": 30 + index % 40, "job": ["clerk", "smith"][index % 2], "score": index / 100} for index in range(100)]


class TestOtherForms:
    def test_one_object_a_line_a_list_and_parquet_say_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
        (tmp_path / "rows.json").write_text(json.dumps(ROWS))
        pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
        made = [
            infer(tmp_path / f"rows.{form}", output=tmp_path / f"{form}.yaml").contract
            for form in ("jsonl", "json", "parquet")
        ]
        assert made[0] == made[1] == made[2]
        assert made[0].features["job"].type == "category"

    def test_parquet_times_and_bytes(self, tmp_path: Path) -> None:
        at = pa.array([1_700_000_000_000_000, None], pa.timestamp("us", tz="UTC"))
        local = pa.array([1_700_000_000_000_000, 0], pa.timestamp("us"))
        price = pa.array(["1.50", "2.25"]).cast(pa.decimal128(10, 2))
        vector = pa.array([[1.0, 2.0], [3.0, 4.0]])
        table = pa.table({"at": at, "local": local, "price": price, "vector": vector, "raw": pa.array([b"\xff", b""])})
        pq.write_table(table, tmp_path / "t.parquet")
        features = infer(tmp_path / "t.parquet", output=tmp_path / "t.yaml").contract.features
        assert {name: feature.type for name, feature in features.items()} == {
            "at": "timestamp", "local": "string", "price": "float", "vector": "float[2]", "raw": "json"
        }  # fmt: skip

    def test_lists_need_names(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "rows.json"
        path.write_text("[[1, 2.5], [2, 3.5]]")
        assert main(["infer", str(path)]) == 2
        assert "--columns a,b,c" in capsys.readouterr().err
        policy = infer(path, "--columns", "age, income", "--protocol", "json", output=tmp_path / "p.yaml")
        assert policy.model.wire.columns == ("age", "income")  # type: ignore[union-attr]

    def test_an_mlflow_model(self, tmp_path: Path) -> None:
        model = tmp_path / "model"
        model.mkdir()
        columns = [{"type": "long", "name": "age", "required": True}, {"type": "double", "name": "income"}]
        (model / "MLmodel").write_text(
            f"artifact_path: model\nsignature:\n  inputs: '{json.dumps(columns)}'\n  outputs: null\n"
        )
        policy = infer(model, "--name", "credit", output=tmp_path / "p.yaml")
        assert [(name, each.type) for name, each in policy.contract.features.items()] == [
            ("age", "int"),
            ("income", "float"),
        ]
        assert codes(policy, age=1.5, income=2.0) == {"age.type"}
        assert "the signature says long" in (tmp_path / "p.yaml").read_text()

    def test_an_exported_signature_comes_back(self, tmp_path: Path) -> None:
        (tmp_path / "rows.json").write_text(json.dumps(ROWS))
        before = infer(tmp_path / "rows.json", "--prediction", "score", output=tmp_path / "p.yaml")
        assert main(["export", str(tmp_path / "p.yaml"), "--to", "mlflow", "-o", str(tmp_path / "signature")]) == 0
        after = infer(tmp_path / "signature", "--as", "mlflow", output=tmp_path / "again.yaml")
        assert {name: each.type for name, each in after.contract.features.items()} == {"age": "int", "job": "string"}
        assert list(after.contract.prediction) == list(before.contract.prediction)

    def test_saved_metadata_and_a_json_schema(self, tmp_path: Path) -> None:
        saved = {"name": "m", "inputs": [{"name": "age", "datatype": "INT32", "shape": [-1]}], "outputs": []}
        (tmp_path / "m.json").write_text(json.dumps(saved))
        assert infer(tmp_path / "m.json", output=tmp_path / "m.yaml").model.protocol == "oip"
        schema = {"type": "object", "properties": {"age": {"type": "integer", "maximum": 120}}}
        (tmp_path / "s.json").write_text(json.dumps(schema))
        assert codes(infer(tmp_path / "s.json", output=tmp_path / "s.yaml"), age=121) == {"age.max"}

    @pytest.mark.parametrize(
        "body",
        [
            {"instances": [{"age": 30, "job": "a"}, {"age": 31, "job": "b"}]},
            {"dataframe_records": [{"age": 30, "job": "a"}, {"age": 31, "job": "b"}]},
            {"dataframe_split": {"columns": ["age", "job"], "data": [[30, "a"], [31, "b"]]}},
        ],
    )
    def test_a_request_body_is_rows_too(self, tmp_path: Path, body: dict[str, Any]) -> None:
        (tmp_path / "body.json").write_text(json.dumps(body))
        features = infer(tmp_path / "body.json", output=tmp_path / "p.yaml").contract.features
        assert {name: each.type for name, each in features.items()} == {"age": "int", "job": "string"}

    def test_the_guesses_as_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "rows.json").write_text(json.dumps(ROWS))
        assert main(["infer", str(tmp_path / "rows.json"), "--format", "json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["rows"] == 100
        assert answer["columns"][0]["keys"]["type"] == "int"
        assert answer["policy"].startswith("# Inferred from rows.json")


def given(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


class TestTrouble:
    def test_ragged_rows_are_left_out_with_their_lines(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given(monkeypatch, b'a,b\n1,"x\ny"\n3\n4,5,6\n\n7,8\n')
        assert main(["infer", "-"]) == 3
        said = capsys.readouterr()
        assert "  line 4: 1 fields where the header has 2\n  line 5: 3 fields where the header has 2" in said.err
        assert "# Inferred from <stdin>" in said.out
        assert "2 of 2 rows" in said.out
        assert "no baseline was written" in said.err

    @pytest.mark.parametrize(
        ("data", "words", "said"),
        [
            (b"", [], "has no rows"),
            (b"a,b\n", [], "has no rows"),
            (b"a,a\n1,2\n", [], "the header names 'a' twice"),
            (b"1,2\n3,4\n", [], "--columns a,b,c"),
            (b"a\n\xe9\n", [], "--encoding latin-1"),
            (b"a\n1\n", ["--encoding", "klingon"], "no such encoding"),
            (b"a\n1\n", ["--key", "b"], "there is no column 'b'"),
            (b"{nope", [], "is no JSON"),
            (b'{"hello": 1, "b": [1]}', [], "neither rows nor a signature"),
            (b'{"a": 1}\nnope', ["--as", "oip"], "is no JSON"),
            (b"PAR1", [], "cannot be read as Parquet"),
            (b"a\n1\n", ["--name", "a b"], "--name"),
        ],
    )
    def test_what_cannot_be_read_is_a_sentence(
        self,
        data: bytes,
        words: list[str],
        said: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        given(monkeypatch, data)
        assert main(["infer", "-", *words]) == 2
        assert said in capsys.readouterr().err

    def test_no_data_at_all(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["infer"]) == 2
        assert main(["infer", str(tmp_path / "absent.csv")]) == 2
        assert "is the path right?" in capsys.readouterr().err
