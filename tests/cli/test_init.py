"""`sidecar init`: what a server says of itself, or nothing, as a policy that passes `check`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.policy import Policy, load
from tests.inference.test_signature import FASTAPI, TRITON
from tests.kit.pages import NOT_FOUND, Asked, Page, answering, shown


@contextmanager
def serving(pages: Mapping[str, Any]) -> Iterator[str]:
    """A server with these JSON pages (`POST /…` names what is asked so) and nothing else; its URL."""

    def answer(asked: Asked) -> Page:
        page = None
        if asked.method == "GET":
            page = pages.get(asked.path)
        elif json.loads(asked.body) == {}:
            page = pages.get(f"POST {asked.path}")
        return NOT_FOUND if page is None else shown(page)

    with answering(answer) as url:
        yield url


def init(output: Path, *words: str) -> Policy:
    assert main(["init", "-o", str(output), *words]) == 0
    loaded = load([output])
    assert loaded.findings == ()
    (policy,) = loaded.policies
    assert str(policy.contract.mode) == "observe"
    return policy


@pytest.mark.parametrize("protocol", ["", "oip", "tfserving", "json", "opaque"])
def test_without_a_server_it_is_a_skeleton(tmp_path: Path, protocol: str) -> None:
    policy = init(tmp_path / "mine.yaml", *(["--protocol", protocol] if protocol else []))
    assert policy.model.protocol == (protocol or "json")
    assert policy.name == "mine"
    assert not policy.contract.features


def test_to_stdout_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert "policy: my-model" in capsys.readouterr().out
    assert main(["init", "--protocol", "oip", "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["protocol"], answer["features"]) == ("oip", {})
    assert "protocol: oip" in answer["policy"]


def test_a_file_is_not_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.yaml"
    init(path)
    assert main(["init", "-o", str(path)]) == 2
    assert "--force overwrites it" in capsys.readouterr().err
    init(path, "--force")


def test_an_oip_server_with_named_tensors(tmp_path: Path) -> None:
    pages = {"/v2/health/ready": {}, "/v2/models/credit": TRITON}
    with serving(pages) as url:
        policy = init(tmp_path / "p.yaml", "--upstream", url, "--model", "credit")
    assert (policy.model.protocol, policy.model.name) == ("oip", "credit")
    assert policy.contract.features["embedding"].type == "float[64,]"
    assert "the server states age INT64 [-1, 1]" in (tmp_path / "p.yaml").read_text()


def test_the_only_model_that_a_server_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = {"/v2": {}, "/v2/models": {"models": ["credit"]}, "/v2/models/credit": TRITON}
    with serving(pages) as url:
        assert init(tmp_path / "p.yaml", "--upstream", url).model.name == "credit"
    with serving({**pages, "/v2/models": {"models": ["credit", "fraud"]}}) as url:
        assert main(["init", "--upstream", url]) == 2
    assert "credit, fraud; choose one with --model NAME" in capsys.readouterr().err


def indexed(*models: tuple[str, str]) -> dict[str, Any]:
    """An MLServer or Triton: models by name and state in the repository's index."""
    index = [{"name": name, "version": "1", "state": state, "reason": ""} for name, state in models]
    return {"/v2": {}, "POST /v2/repository/index": index, "/v2/models/credit": TRITON}


@pytest.mark.parametrize("others", [(), (("credit", "READY"),), (("fraud", "UNAVAILABLE"),)])
def test_the_only_model_of_a_repository(tmp_path: Path, others: tuple[tuple[str, str], ...]) -> None:
    with serving(indexed(("credit", "READY"), *others)) as url:
        assert init(tmp_path / "p.yaml", "--upstream", url).model.name == "credit"


def test_one_of_several_in_a_repository_is_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(indexed(("credit", "READY"), ("fraud", "READY"))) as url:
        assert main(["init", "--upstream", url]) == 2
        assert "the server has credit, fraud; choose one with --model NAME" in capsys.readouterr().err
        assert init(tmp_path / "p.yaml", "--upstream", url, "--model", "credit").model.name == "credit"
        assert main(["init", "--upstream", url, "--model", "cerdit"]) == 2
        assert "does not have the model 'cerdit'; it has credit, fraud" in capsys.readouterr().err


@pytest.mark.parametrize("index", [[], {}, [5], [{"name": ""}]])
def test_a_repository_that_lists_nothing(tmp_path: Path, index: Any) -> None:
    with serving({"/v2": {}, "POST /v2/repository/index": index}) as url:
        assert init(tmp_path / "p.yaml", "--upstream", url).model.name is None
    assert "does not list its models; name yours: --model NAME" in (tmp_path / "p.yaml").read_text()


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({"/v2": {}}) as url:
        assert main(["init", "--upstream", url, "--model", "credit"]) == 2
    said = capsys.readouterr().err
    assert said.rstrip().endswith("does not have the model 'credit'")


def test_tf_serving(tmp_path: Path) -> None:
    tensor = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}
    metadata = {"signature_def": {"signature_def": {"serving_default": {"inputs": {"age": tensor}, "outputs": {}}}}}
    pages = {"/v1/models/m": {"model_version_status": []}, "/v1/models/m/metadata": {"metadata": metadata}}
    with serving(pages) as url:
        policy = init(tmp_path / "p.yaml", "--upstream", url, "--model", "m")
    assert (policy.model.protocol, list(policy.contract.features)) == ("tfserving", ["age"])
    with serving({"/v1/models/m": {"ready": "True"}}) as url:
        assert init(tmp_path / "kserve.yaml", "--upstream", url, "--model", "m").model.protocol == "tfserving"


def test_fastapi(tmp_path: Path) -> None:
    with serving({"/openapi.json": FASTAPI}) as url:
        policy = init(tmp_path / "p.yaml", "--upstream", url)
        said = init(tmp_path / "q.yaml", "--upstream", url, "--protocol", "json", "--path", "/score")
    assert (policy.model.protocol, policy.model.path) == ("json", "/predict")
    assert policy.contract.features["job"].type == "category"
    assert said.model.path == "/score"


def test_a_server_that_speaks_none_of_these(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({}) as url:
        assert main(["init", "--upstream", url]) == 2
    assert "say what it speaks: --protocol json" in capsys.readouterr().err


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({}) as url:
        pass
    assert main(["init", "--upstream", url]) == 2
    assert "is the server running?" in capsys.readouterr().err
    assert main(["init", "--upstream", "localhost:1"]) == 2
    assert "write http://host:port" in capsys.readouterr().err


def test_named_tensors_that_the_data_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("age,id\n30,7\n40,8\n")
    tensors = [{"name": name, "datatype": "FP32", "shape": [-1, 1]} for name in ("age", "income")]
    with serving({"/v2": {}, "/v2/models/m": {"name": "m", "inputs": tensors}}) as url:
        words = ["--upstream", url, "--model", "m", "-o", str(tmp_path / "p.yaml")]
        assert main(["infer", str(tmp_path / "rows.csv"), *words]) == 0
    text = (tmp_path / "p.yaml").read_text()
    assert "The server states no tensor for id: --ignore what the model does not get." in text
    assert "The data has no column for the server's income." in text
    (policy,) = load([tmp_path / "p.yaml"]).policies
    assert policy.model.wire.columns == {}  # type: ignore[union-attr]


def test_ranges_from_data_and_the_matrix_from_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matrix = {**TRITON, "inputs": [{"name": "input-0", "datatype": "FP32", "shape": [-1, 2]}]}
    (tmp_path / "rows.csv").write_text("age,income,score\n30,2.5,1\n40,3.5,0\n")
    pages = {"/v2": {}, "/v2/models/credit": matrix}
    words = ["infer", str(tmp_path / "rows.csv"), "-o", str(tmp_path / "p.yaml"), "--model", "credit"]
    with serving(pages) as url:
        assert main([*words, "--upstream", url]) == 2
        assert "input-0 has 2 columns, the data has 3: --prediction or --ignore some" in capsys.readouterr().err
        assert main([*words, "--upstream", url, "--prediction", "score"]) == 0
    (policy,) = load([tmp_path / "p.yaml"]).policies
    assert policy.model.wire.columns == {"input-0": ("age", "income")}  # type: ignore[union-attr]
    assert policy.contract.features["age"].max is not None
