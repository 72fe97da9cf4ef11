"""A policy for one environment in the namespace of another: never ready, and no prediction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .load import INFER, row
from .processes import BENCH_POLICY, Model, Sidecar, eventually

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with Model(tmp_path_factory.mktemp("model")) as running:
        yield running


def serve(folder: Path, model: Model, claim: str, *flags: str, namespace: str = "", labels: str = "") -> Sidecar:
    """With the Downward API's facts of a pod."""
    config, info = folder / "sidecar.yaml", folder / "labels"
    config.write_text(f"api: v1\nenvironment: {claim}\n")
    info.write_text(f'app="credit"\n{labels}\n')
    pod = {"POD_NAMESPACE": namespace, "POD_LABELS_FILE": str(info)}
    given = ("--upstream", model.url, "--policy", str(BENCH_POLICY), "--config", str(config), *flags)
    return Sidecar(folder, *given, environ=pod)


@pytest.mark.parametrize(
    ("claim", "flags", "namespace", "labels", "says"),
    [
        ("staging", (), "credit-production", "", "the pod's namespace says credit-production"),
        ("staging", (), "credit", 'environment="production"', "the pod's label environment says production"),
        # one fact that agrees does not outweigh one that does not, and a flag cannot talk it away
        ("staging", (), "production", 'environment="staging"', "the pod's namespace says production"),
        ("staging", ("--environment", "staging"), "production", "", "the pod's namespace says production"),
        (
            "staging",
            ("--environment", "production"),
            "production",
            "",
            "--environment says production, the pod's namespace says production",
        ),
    ],
)
def test_a_staging_policy_in_production_answers_nobody(
    tmp_path: Path, model: Model, claim: str, flags: tuple[str, ...], namespace: str, labels: str, says: str
) -> None:
    with serve(tmp_path, model, claim, *flags, namespace=namespace, labels=labels) as sidecar:
        wrong = eventually(lambda: [reason for reason in sidecar.readyz()[1]["reasons"] if "environment" in reason])
        assert wrong == [f"wrong environment: sidecar.yaml is for staging, but {says}"]
        refused = httpx.post(
            sidecar.url + INFER, content=row(0.5), headers=JSON | {"accept": "application/problem+json"}, timeout=60
        )
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:sidecar:problem:wrong-environment")
        assert says in refused.text


def test_two_facts_that_agree_confirm_it_and_none_is_said(tmp_path: Path, model: Model) -> None:
    for facts in ({"namespace": "credit-prod", "labels": 'env="prod"'}, {}):
        folder = tmp_path / str(len(facts))
        folder.mkdir()
        with serve(folder, model, "production", **facts) as sidecar:
            sidecar.until_ready()
            body = sidecar.readyz()[1]
            assert body["environment"] == "production"
            assert any("nothing independent says so" in warning for warning in body["warnings"]) is not bool(facts)
            assert httpx.post(sidecar.url + INFER, content=row(0.5), headers=JSON, timeout=60).status_code == 200
