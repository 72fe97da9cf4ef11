"""A policy beside what the model's server states: each disagreement has its code, its key, and a way to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.policy import Policy, load
from sidecar.policy.metadata import Stated, against, not_compared, stated_by_names, stated_by_oip, versions_in_index
from sidecar.yamldoc import Finding

MATRIX = "{protocol: oip, name: credit, version: '3', columns: {input-0: [age, income]}}"
NAMED = "{protocol: oip, name: credit}"
FEATURES = "age: {type: int, min: 0, max: 300}\n    income: {type: float}"
SCORE = "\n  prediction:\n    score: {type: float}"


def policy(folder: Path, model: str = MATRIX, features: str = FEATURES, more: str = SCORE) -> Policy:
    file = folder / "policy.yaml"
    file.write_text(f"policy: credit\nmodel: {model}\ncontract:\n  features:\n    {features}{more}\n")
    loaded = load([file])
    assert not loaded.errors, loaded.findings
    return loaded.policies[0]


def document(inputs: list[Any], outputs: list[Any] | None = None, versions: list[str] | None = None) -> dict[str, Any]:
    return {"name": "credit", "versions": versions or ["3"], "inputs": inputs, "outputs": outputs or []}


def tensor(name: str, datatype: str = "FP64", shape: tuple[int, ...] = (-1, 2)) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def found(policy: Policy, said: dict[str, Any]) -> dict[str, Finding]:
    return {finding.code: finding for finding in against(policy, stated_by_oip(said))}


def test_what_agrees_gives_no_finding(tmp_path: Path) -> None:
    said = document([tensor("input-0")], [tensor("score", shape=(-1, 1))])
    assert found(policy(tmp_path), said) == {}


def test_a_server_that_states_nothing_is_believed_in_nothing(tmp_path: Path) -> None:
    assert found(policy(tmp_path), {"name": "credit", "inputs": [], "outputs": []}) == {}
    assert list(against(policy(tmp_path), stated_by_oip("nonsense"))) == []


def test_silence_is_not_taken_for_agreement(tmp_path: Path) -> None:
    mlserver = stated_by_oip({"name": "credit", "versions": [], "inputs": [], "outputs": []})
    (finding,) = not_compared(policy(tmp_path), mlserver)
    assert (finding.code, finding.severity) == ("model.unstated", "warning")
    assert finding.message == "the server states no version, no inputs, no outputs of this model: not compared"
    unpinned = policy(tmp_path, NAMED, more="")
    assert "no inputs of this model" in next(not_compared(unpinned, mlserver)).message
    assert list(not_compared(policy(tmp_path), stated_by_oip(document([tensor("input-0")], [tensor("score")])))) == []


def test_another_version(tmp_path: Path) -> None:
    (finding,) = found(policy(tmp_path), document([tensor("input-0")], versions=["4", "5"])).values()
    assert (finding.code, finding.path) == ("model.version-not-served", ("model", "version"))
    assert "states version 4, 5, the policy expects 3" in finding.message


def test_versions_of_the_repository(tmp_path: Path) -> None:
    index = [
        {"name": "credit", "version": "14", "state": "READY"},
        {"name": "credit", "version": "15", "state": "UNAVAILABLE"},
        {"name": "other", "version": "1", "state": "READY"},
        {"name": "credit", "version": None, "state": "READY"},
        None,
    ]
    assert versions_in_index(index, "credit") == ("14",)
    assert versions_in_index(index, "third") is None
    assert versions_in_index({"error": "not found"}, "credit") is None


def test_a_matrix_of_another_width_or_name(tmp_path: Path) -> None:
    wide = found(policy(tmp_path), document([tensor("input-0", shape=(-1, 3))]))["model.input-shape"]
    assert wide.message == "`input-0` has 3 columns at the server and 2 here"
    other = found(policy(tmp_path), document([tensor("input_0")]))
    assert other["model.input-not-served"].hint == "did you mean `input_0`?"
    assert other["model.input-unnamed"].severity == "warning"


def test_named_tensors_are_features(tmp_path: Path) -> None:
    said = document([tensor("age", "INT8", (-1, 1)), tensor("incomes", "FP32", (-1, 1))])
    assert found(policy(tmp_path, NAMED), said)["model.input-not-served"].path == ("contract", "features", "income")
    outside = found(policy(tmp_path, NAMED), said)["model.input-range"]
    assert (outside.path, outside.hint) == (("contract", "features", "age", "max"), "set max: 127")


def test_types_that_cannot_be_sent(tmp_path: Path) -> None:
    said = document([tensor("age", "BYTES", (-1, 1)), tensor("income", "INT64", (-1, 1))])
    types = [each for each in against(policy(tmp_path, NAMED), stated_by_oip(said)) if each.code == "model.input-type"]
    assert [(each.path[2], each.severity) for each in types] == [("age", "error"), ("income", "warning")]


def test_an_output_nobody_states(tmp_path: Path) -> None:
    one = document([tensor("input-0")], [tensor("predict", shape=(-1, 1))])
    assert found(policy(tmp_path), one) == {}  # one prediction and one output are each other's
    two = document([tensor("input-0")], [tensor("scores"), tensor("classes")])
    assert found(policy(tmp_path), two)["model.output-not-served"].hint == "did you mean `scores`?"


def test_headers_are_nothing_of_the_models(tmp_path: Path) -> None:
    features = FEATURES + "\n    region: {type: string, from: 'header:x-region', role: slice_only}"
    assert found(policy(tmp_path, features=features), document([tensor("input-0")])) == {}


def test_servers_that_only_name_their_inputs(tmp_path: Path) -> None:
    named = policy(tmp_path, "{protocol: tfserving, name: credit}")
    codes = [each.code for each in against(named, stated_by_names(["age", "incom"]))]
    assert codes == ["model.input-not-served", "model.input-unnamed"]
    assert list(against(named, stated_by_names([]))) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.sampled_from(["name", "shape", "FP32"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "inputs", "outputs", "versions", "shape", "datatype"]), inner)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy(tmp_path_factory.mktemp("fixed"))


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_any_document_is_read_or_left(fixed: Policy, said: Any) -> None:
    stated = stated_by_oip(said)
    assert isinstance(stated, Stated)
    list(against(fixed, stated))
