"""What models say of themselves, as features: OIP, TF Serving, MLflow, JSON Schema, OpenAPI."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.inference import Draft, policy_text
from sidecar.inference.jsonschema import from_json_schema, from_openapi
from sidecar.inference.models import Asked, model_lines, stated
from sidecar.inference.signature import Signature, from_mlflow, from_oip, from_tfserving

from .desk import loaded

TRITON = {
    "name": "credit",
    "versions": ["3"],
    "platform": "onnxruntime_onnx",
    "inputs": [
        {"name": "age", "datatype": "INT64", "shape": [-1, 1]},
        {"name": "job", "datatype": "BYTES", "shape": [-1]},
        {"name": "embedding", "datatype": "FP32", "shape": [-1, 64, -1]},
    ],
    "outputs": [{"name": "score", "datatype": "FP32", "shape": [-1, 1]}],
}
MLSERVER = {
    "name": "iris",
    "versions": [],
    "platform": "",
    "inputs": [{"name": "input-0", "datatype": "FP64", "shape": [-1, 4]}],
    "outputs": [{"name": "predict", "datatype": "INT64", "shape": [-1]}],
}
ML_MODEL = """
artifact_path: model
flavors: {python_function: {loader_module: mlflow.sklearn}}
signature:
  inputs: '[{"type": "long", "name": "age", "required": true}, {"type": "double", "name": "income", "required": false},
    {"type": "string", "name": "job", "required": true}, {"type": "datetime", "name": "at", "required": true},
    {"type": "array", "items": {"type": "double"}, "name": "history", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: null
"""
FASTAPI = {
    "openapi": "3.1.0",
    "paths": {
        "/health": {"get": {}},
        "/predict": {
            "post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Row"}}}}}
        },
    },
    "components": {
        "schemas": {
            "Row": {
                "type": "object",
                "required": ["age", "job"],
                "properties": {
                    "age": {"type": "integer", "minimum": 18, "maximum": 120.0},
                    "job": {"type": "string", "enum": ["clerk", "no", "a: b"]},
                    "income": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
                    "at": {"type": "string", "format": "date-time", "description": "When: # it was"},
                },
            }
        }
    },
}


def written(signature: Signature, **asked: Any) -> Any:
    """The policy of a signature, as `check` reads it."""
    whole = stated(signature, Asked(**asked))
    lines = model_lines(whole, signature.features, signature.predictions)
    policy, findings = loaded(
        policy_text(Draft("p", list(signature.notes), lines, signature.features, signature.predictions))
    )
    assert findings == ()
    return policy


def types(signature: Signature) -> dict[str, str]:
    return {each.name: each.type for each in signature.features}


class TestOip:
    def test_named_tensors_are_features(self) -> None:
        signature = from_oip(TRITON)
        assert types(signature) == {"age": "int", "job": "string", "embedding": "float[64,]"}
        policy = written(signature)
        assert (policy.model.protocol, policy.model.name) == ("oip", "credit")
        assert policy.contract.prediction["score"].type == "float"
        assert any("version 3" in note for note in signature.notes)

    def test_numbers_that_are_tensors_of_their_own_are_no_matrix(self) -> None:
        tensors = [{"name": name, "datatype": "FP32", "shape": [-1, 1]} for name in ("age", "income")]
        policy = written(from_oip({"name": "m", "inputs": tensors, "outputs": []}))
        assert policy.model.wire.columns == {}

    def test_one_matrix_is_columns_to_be_named(self) -> None:
        signature = from_oip(MLSERVER)
        assert types(signature) == dict.fromkeys(["x0", "x1", "x2", "x3"], "float")
        assert written(signature).model.wire.columns == {"input-0": ("x0", "x1", "x2", "x3")}
        assert any("rename x0" in note for note in signature.notes)

    def test_a_server_that_states_nothing(self) -> None:
        signature = from_oip({"name": "iris", "versions": [], "platform": "", "inputs": [], "outputs": []})
        assert signature.features == ()
        assert "states no input tensors" in signature.notes[0]
        written(signature)

    def test_something_else_is_refused(self) -> None:
        with pytest.raises(ValueError, match="OIP"):
            from_oip({"models": []})


class TestTfServing:
    def test_the_serving_signature(self) -> None:
        age = {"dtype": "DT_INT64", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "1"}]}}
        vector = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "8"}]}}
        definition = {"serving_default": {"inputs": {"age": age, "v": vector}, "outputs": {"score": vector}}}
        document = {"model_spec": {"name": "m"}, "metadata": {"signature_def": {"signature_def": definition}}}
        signature = from_tfserving(document)
        assert types(signature) == {"age": "int", "v": "float[8]"}
        assert written(signature).model.protocol == "tfserving"


class TestMlflow:
    def test_columns_of_a_logged_model(self) -> None:
        signature = from_mlflow(yaml.safe_load(ML_MODEL))
        assert types(signature) == {
            "age": "int", "income": "float", "job": "string", "at": "string", "history": "float[]"
        }  # fmt: skip
        policy = written(signature)
        assert policy.contract.features["income"].required is False
        assert (policy.model.path, policy.model.wire.rows) == ("/invocations", "/dataframe_records")
        assert policy.contract.prediction["output"].type == "float"

    def test_as_mlserver_asks_it(self) -> None:
        policy = written(from_mlflow(yaml.safe_load(ML_MODEL)), protocol="oip", model="credit")
        assert policy.model.protocol == "oip"

    @pytest.mark.parametrize("document", [{}, [], None, {"signature": {"inputs": "["}}, {"signature": {"inputs": 3}}])
    def test_a_model_without_signature_is_told(self, document: Any) -> None:
        with pytest.raises(ValueError, match="signature"):
            from_mlflow(document)


class TestJsonSchema:
    def test_bounds_sets_and_nulls_are_taken_over(self) -> None:
        features = {each.name: dict(each.keys) for each in from_json_schema(FASTAPI["components"]["schemas"]["Row"])}  # type: ignore[index]
        assert features["age"] == {"type": "int", "min": "18", "max": "120"}
        assert features["job"]["values"] == '[clerk, "no", "a: b"]'
        assert features["income"] == {"type": "float", "exclusive_min": "0", "nullable": "true", "required": "false"}
        assert features["at"]["type"] == "timestamp"

    def test_one_row_a_request(self) -> None:
        policy = written(from_openapi(FASTAPI))
        assert (policy.model.protocol, policy.model.path, policy.model.wire.rows) == ("json", "/predict", None)
        assert policy.contract.features["age"].min.text == "18"

    def test_rows_under_a_key(self) -> None:
        document: dict[str, Any] = json.loads(json.dumps(FASTAPI))
        batch = {
            "type": "object",
            "properties": {"rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}},
        }
        document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"] = batch
        assert written(from_openapi(document)).model.wire.rows == "/rows"

    def test_of_several_routes_the_one_that_is_asked_for(self) -> None:
        document: dict[str, Any] = json.loads(json.dumps(FASTAPI))
        other = {"type": "object", "properties": {"pixels": {"type": "array", "items": {"type": "number"}}}}
        body = {"requestBody": {"content": {"application/json": {"schema": other}}}}
        document["paths"]["/score"] = {"post": body}
        score = from_openapi(document, "/score")
        assert (score.path, [each.name for each in score.features]) == ("/score", ["pixels"])
        first = from_openapi(document)
        assert first.path == "/predict" and "/score, too: choose with --path" in first.notes[-1]
        with pytest.raises(ValueError, match="POST /rate; it has /predict, /score"):
            from_openapi(document, "/rate")

    def test_references_in_a_circle_end(self) -> None:
        with pytest.raises(ValueError, match="properties"):
            from_json_schema({"$ref": "#/a", "a": {"$ref": "#/a"}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "inputs", "outputs", "shape", "datatype", "type", "properties", "items", "signature",
                         "paths", "post", "$ref", "enum", "tensor-spec", "required", "anyOf", "minimum"]),
        inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(JSON, st.sampled_from([from_oip, from_tfserving, from_mlflow, from_openapi]))
def test_whatever_a_server_says_is_a_policy_or_a_sentence(document: Any, reader: Any) -> None:
    try:
        signature = reader(document)
    except ValueError as error:
        assert str(error)
    else:
        loaded(
            policy_text(Draft("p", signature.notes, ["protocol: tfserving"], signature.features, signature.predictions))
        )


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), JSON)
def test_whatever_a_schema_says_is_a_policy(properties: dict[str, Any], required: Any) -> None:
    features = from_json_schema({"properties": properties, "required": required})
    loaded(policy_text(Draft("p", [], ["protocol: tfserving"], features)))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.text(max_size=5), "datatype": JSON, "shape": st.lists(st.integers(-2, 600), max_size=4)}
        ),
        max_size=4,
    )
)
def test_whatever_tensors_are_called(tensors: list[dict[str, Any]]) -> None:
    signature = from_oip({"name": "m", "inputs": tensors, "outputs": tensors})
    lines = model_lines(stated(signature, Asked()), signature.features, signature.predictions)
    loaded(policy_text(Draft("p", signature.notes, lines, signature.features, signature.predictions)))
