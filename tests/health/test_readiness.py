"""One answer from many facts."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.health.environment import EnvironmentCheck, Fact
from sidecar.health.probe import ModelAnswer, Probe
from sidecar.health.readiness import Facts, JournalStanding, WorkersStanding, judge
from sidecar.runtime.messages import PolicyFacts

WORKERS = WorkersStanding(configured=1, ready=1, restarts=0, in_flight=0)
JOURNAL = JournalStanding(refusing=False, bytes=0, max_bytes=1, when_full="refuse_traffic", full_in_seconds=None)
URL = "http://m"


def policy(name: str = "p", **facts: Any) -> PolicyFacts:
    return PolicyFacts(name=name, digest="d", canonical="{}", **facts)


def facts(**given: Any) -> Facts:
    defaults: dict[str, Any] = {"workers": WORKERS, "journal": JOURNAL, "upstream": URL, "probes": {URL: Probe(True)}}
    return Facts(**{**defaults, **given})


WRONG = EnvironmentCheck("production", "sidecar.yaml", (Fact("the pod's namespace", "dev", "mismatch"),))


def test_ready() -> None:
    now = judge(facts())
    assert now.ready
    assert now.observing_only


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"draining": True}, "draining"),
        ({"workers": WorkersStanding(configured=2, ready=0, restarts=9, in_flight=0)}, "no worker is ready"),
        ({"probes": {}}, "has not been asked yet"),
        ({"probes": {URL: Probe(False, "refused")}}, "the model server is not ready: refused"),
        ({"environment": WRONG}, "the pod's namespace says dev"),
        ({"journal": JournalStanding(refusing=True, bytes=1, max_bytes=1, when_full="", full_in_seconds=0)}, "journal"),
        (
            {
                "policies": [policy()],
                "probes": {URL: Probe(True, "", {"p": ModelAnswer(True, "mismatch", "9", "why")})},
            },
            "policy p: another model than the policy is for: why",
        ),
        (
            {"policies": [policy()], "probes": {URL: Probe(True, "", {"p": ModelAnswer(False, detail="loading")})}},
            "policy p: loading",
        ),
        (
            {"policies": [policy()], "probes": {URL: Probe(True, "", {"p": ModelAnswer(False)})}},
            "policy p: the model is not ready",
        ),
    ],
)
def test_not_ready(given: dict[str, Any], reason: str) -> None:
    now = judge(facts(**given))
    assert not now.ready
    assert any(reason in said for said in now.reasons)


def test_one_stopped_policy_of_two_stops_only_itself() -> None:
    models = {"a": ModelAnswer(), "b": ModelAnswer(False, detail="not loaded")}
    now = judge(facts(policies=[policy("a", mode="enforce"), policy("b")], probes={URL: Probe(True, "", models)}))
    assert now.ready
    assert not now.observing_only
    assert [standing.ready for standing in now.policies] == [True, False]
    assert now.of("c") is None


def test_upstream_of_one_policy_is_down() -> None:
    policies = [policy("a"), policy("b", upstream="http://other")]
    now = judge(facts(policies=policies, probes={URL: Probe(True), "http://other": Probe(False, "refused")}))
    assert now.ready
    assert now.upstreams == {URL: True, "http://other": False}
    assert [standing.ready for standing in now.policies] == [True, False]


def test_a_refused_reload_warns_and_stays_ready() -> None:
    now = judge(facts(reload_refused="p.yaml:3:1: error"))
    assert now.ready
    assert "p.yaml:3:1" in now.warnings[0]


@pytest.mark.parametrize(
    ("answer", "pinned", "stop", "warned"),
    [
        (ModelAnswer(True, "unstated", "", "states no version"), ("14",), True, True),
        (ModelAnswer(True, "unstated"), (), True, False),
        (ModelAnswer(True, "match", "14"), ("14",), True, False),
        (ModelAnswer(True, "mismatch", "15", "other"), ("14",), False, True),
    ],
)
def test_identity_warnings(answer: ModelAnswer, pinned: tuple[str, ...], stop: bool, warned: bool) -> None:
    policies = [policy(model_versions=pinned, stop_on_mismatch=stop)]
    now = judge(facts(policies=policies, probes={URL: Probe(True, "", {"p": answer})}))
    assert now.ready
    assert bool(now.warnings) is warned


def test_a_claim_nobody_confirms_is_told() -> None:
    now = judge(facts(environment=EnvironmentCheck("production", "sidecar.yaml")))
    assert now.ready
    assert "nothing independent says so" in now.warnings[0]
