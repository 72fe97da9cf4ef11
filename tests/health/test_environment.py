"""The claim against facts that have another source; never against itself."""

from __future__ import annotations

import pytest

from sidecar.health.environment import EnvironmentCheck, check_environment, parse_labels


def check(
    claim: str = "",
    chosen: str = "",
    by: str = "--environment",
    overrides: tuple[str, ...] = (),
    upstream: str = "http://127.0.0.1:8080",
    of_a_policy: str = "",
    labels: dict[str, str] | None = None,
    **environ: str,
) -> EnvironmentCheck:
    return check_environment(
        file_claim=claim,
        file_environments=overrides,
        chosen=chosen,
        chosen_by=by,
        environ=environ,
        labels=labels or {},
        upstreams=[upstream, of_a_policy],
    )


@pytest.mark.parametrize(
    ("state", "given"),
    [
        ("unstated", {"claim": "production"}),
        ("match", {"claim": "production", "POD_NAMESPACE": "production"}),
        ("match", {"claim": "production", "POD_NAMESPACE": "credit-prod"}),
        ("match", {"claim": "prod", "labels": {"environment": "production"}}),
        ("mismatch", {"claim": "production", "POD_NAMESPACE": "ml-staging"}),
        ("mismatch", {"claim": "production", "labels": {"env": "dev"}}),
        ("mismatch", {"claim": "production", "chosen": "staging"}),
        ("match", {"claim": "production", "chosen": "production"}),
        ("unstated", {"claim": "production", "POD_NAMESPACE": "credit"}),
        ("unstated", {"claim": "production", "POD_NAMESPACE": "latest-reproducible"}),
        ("mismatch", {"claim": "blue", "overrides": ("green",), "POD_NAMESPACE": "team-green"}),
        ("mismatch", {"claim": "production", "upstream": "http://credit.staging.svc.cluster.local:80"}),
        ("match", {"claim": "production", "upstream": "http://credit.prod.svc:80"}),
        ("mismatch", {"claim": "production", "of_a_policy": "http://credit.staging.svc.cluster.local:80"}),
        # one that disagrees is enough
        ("mismatch", {"claim": "production", "POD_NAMESPACE": "prod", "labels": {"env": "test"}}),
        # chosen from the files' own overrides: the flag is the claim, and is not its own witness
        ("unstated", {"claim": "production", "overrides": ("staging",), "chosen": "staging"}),
        ("mismatch", {"claim": "production", "overrides": ("staging",), "chosen": "staging", "POD_NAMESPACE": "prod"}),
        ("match", {"claim": "production", "overrides": ("staging",), "chosen": "staging", "POD_NAMESPACE": "stage"}),
        # no file claims anything: the flag does
        ("unstated", {"chosen": "production"}),
        ("mismatch", {"chosen": "production", "POD_NAMESPACE": "dev"}),
        ("mismatch", {"chosen": "production", "SIDECAR_ENVIRONMENT": "staging"}),
        ("unstated", {"chosen": "production", "by": "SIDECAR_ENVIRONMENT", "SIDECAR_ENVIRONMENT": "production"}),
        ("unstated", {}),
        ("unstated", {"POD_NAMESPACE": "staging"}),
    ],
)
def test_states(state: str, given: dict[str, str]) -> None:
    found = check(**given)  # type: ignore[arg-type]
    assert found.state == state
    assert bool(found.wrong) is (state == "mismatch")


def test_the_sentence_names_both_sides() -> None:
    found = check("production", chosen="staging", POD_NAMESPACE="dev")
    assert found.wrong == (
        "sidecar.yaml is for production, but --environment says staging, the pod's namespace says dev"
    )


def test_labels_file() -> None:
    text = 'app="credit"\nenvironment="pro\\"d"\n\nbroken\nteam="a=b"\n'
    assert parse_labels(text) == {"app": "credit", "environment": 'pro"d', "team": "a=b"}
