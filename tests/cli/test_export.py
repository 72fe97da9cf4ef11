"""`sidecar export`: the document on stdout, what it cannot say on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from sidecar.cli import main

POLICIES = Path(__file__).parents[2] / "policies"
CREDIT = str(POLICIES / "credit-risk.yaml")


@pytest.mark.parametrize(("draft", "validator"), [("2020-12", Draft202012Validator), ("draft-07", Draft7Validator)])
def test_json_schema(draft: str, validator: type[Draft7Validator], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", CREDIT, "--to", "json-schema", "--draft", draft]) == 0
    out, err = capsys.readouterr()
    schema = json.loads(out)
    validator.check_schema(schema)
    assert schema["$schema"] == validator.META_SCHEMA["$id"]
    assert "not expressed: rule.loan-within-reach (a condition over several features)" in err
    assert len(err.splitlines()) == len(schema["x-sidecar-not-expressed"])


def test_mlflow(tmp_path: Path) -> None:
    out = tmp_path / "signature.json"
    assert main(["export", CREDIT, "--to", "mlflow", "-o", str(out)]) == 0
    assert json.loads(json.loads(out.read_text())["outputs"]) == [{"type": "double", "name": "score", "required": True}]


def test_what_cannot_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "no.yaml"), "--to", "mlflow"]) == 2
    assert "cannot be read" in capsys.readouterr().err
    platform = tmp_path / "sidecar.yaml"
    platform.write_text("environment: production\n")
    assert main(["export", str(platform), "--to", "mlflow"]) == 2
    assert f"pass it with --config {platform}" in capsys.readouterr().err
    assert main(["export", CREDIT, "--to", "mlflow", "-o", str(tmp_path / "no" / "x")]) == 2
    with pytest.raises(SystemExit) as refused:
        main(["export", CREDIT, "--to", "avro"])
    assert refused.value.code == 2
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "json-schema" in capsys.readouterr().out
