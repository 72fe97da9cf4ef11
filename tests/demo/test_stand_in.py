"""The stand-in answers as the scikit-learn models do, over the same protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from sidecar.demo.stand_in import CANDIDATE, MODELS, Handler, answer, diabetes, iris
from sidecar.demo.story import PATIENT, SETOSA, VIRGINICA, WARD, matrix
from tests.kit.pages import listening


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with listening(Handler) as url, httpx.Client(base_url=url, trust_env=False, timeout=60) as caller:
        yield caller


def test_the_flowers_are_told_apart() -> None:
    assert [iris(list(SETOSA)), iris([5.9, 2.8, 4.3, 1.3]), iris(list(VIRGINICA))] == [0, 1, 2]


def test_the_regression_is_on_the_scale_of_its_training_data() -> None:
    assert 200 < diabetes(list(PATIENT.values())) < 220


def test_a_batch_keeps_its_order() -> None:
    reply = answer("iris", json.loads(matrix([VIRGINICA, SETOSA])))
    assert reply["outputs"] == [{"name": "predict", "shape": [2, 1], "datatype": "INT64", "data": [2, 0]}]
    assert reply["model_version"] == MODELS["iris"][0]


def test_the_candidate_agrees_about_most_patients_and_not_about_all() -> None:
    both = [answer("diabetes", json.loads(matrix(WARD)), models) for models in (MODELS, CANDIDATE)]
    assert [reply["model_version"] for reply in both] == ["3", "4"]
    pairs = zip(*(reply["outputs"][0]["data"] for reply in both), strict=True)
    assert sum(abs(one - other) <= 16 for one, other in pairs) == 18


def test_it_is_ready_and_knows_its_models(client: httpx.Client) -> None:
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2/models/iris").json()["name"] == "iris"
    assert client.get("/v2/models/rose").status_code == 404


def test_it_answers_over_http(client: httpx.Client) -> None:
    reply = client.post("/v2/models/iris/infer", content=matrix([SETOSA]))
    assert reply.status_code == 200
    assert reply.json()["outputs"][0]["data"] == [0]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", matrix([SETOSA[:3]]), matrix([("a", "b", "c", "d")])])
def test_what_it_cannot_use_is_a_500_as_with_mlserver(client: httpx.Client, body: bytes) -> None:
    assert client.post("/v2/models/iris/infer", content=body).status_code == 500


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/models/rose/infer", "/v2/models/iris/explain"])
def test_other_paths_are_unknown(client: httpx.Client, path: str) -> None:
    assert client.post(path, content=b"{}").status_code == 404
