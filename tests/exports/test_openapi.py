"""The fragment is a valid OpenAPI 3.1 component section: its schemas are JSON Schema 2020-12."""

from __future__ import annotations

from jsonschema import Draft202012Validator

from sidecar.exports import Options, targets

from .desk import policy


def test_rows_and_predictions_are_schemas_to_refer_to() -> None:
    subject = policy("{features: {age: {type: int, min: 0}}, prediction: {score: {type: float, max: 1}}}")
    document = targets()["openapi"].export(subject, Options()).document
    schemas = document["components"]["schemas"]
    assert (document["openapi"], list(schemas)) == ("3.1.0", ["CreditRiskRow", "CreditRiskPrediction"])
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schemas["CreditRiskRow"]).is_valid({"age": 3})
    assert not Draft202012Validator(schemas["CreditRiskPrediction"]).is_valid({"score": 2})


def test_targets_say_what_they_are() -> None:
    assert list(targets()) == ["json-schema", "mlflow", "openapi"]
