"""Values: each change does one thing, and what cannot work is refused with what to do."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml

from sidecar import __version__

from .charts import CHART, Helm, merged, values_of

MINIMAL = {"upstream": "http://model:8080"}
SHARED = {"key": {"existingSecret": "sidecar-key"}}


def with_policy(text: str, **more: Any) -> dict[str, Any]:
    """Values with one policy."""
    return {**MINIMAL, "policies": {"files": {"a.yaml": text}, **more}}


def test_the_chart_is_for_this_version() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


def test_the_schema_is_draft_07_and_knows_every_default_and_no_other_key() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.Draft7Validator(schema).validate(defaults)
    assert schema["properties"].keys() - {"global"} == defaults.keys()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"upstreem": "http://model"}, "upstreem"),
        ({"gateway": {"worker": 2}}, "worker"),
        ({"replicaCount": "2"}, "replicaCount"),
        ({"networkPolicy": {"enabled": "yes"}}, "enabled"),
        ({"observers": {"accessLog": False}}, "accessLog"),  # `off` without quotes
        ({"upstream": "model:8080"}, "upstream"),
        ({"mode": "native"}, "mode"),
        ({"ports": {"http": 80}}, "http"),
        ({"volume": {"size": "2GiB"}}, "size"),
        ({"platform": {"journal": {"max_bytes": 1073741824}}}, "max_bytes"),
        ({"platform": {"archive": {"max_bytes": 5}}}, "max_bytes"),
        ({"policies": {"files": {"../a.yaml": "policy: a"}}}, "../a.yaml"),
        ({"key": {"value": "short"}}, "value"),
        ({"image": {"digest": "latest"}}, "digest"),
    ],
)
def test_what_the_schema_refuses(helm: Helm, wrong: dict[str, Any], said: str) -> None:
    assert said in helm.render(merged(MINIMAL, wrong)).refused


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"upstream": ""}, "set upstream"),
        ({"platform": {"journal": {"max_bytes": "2GiB"}}}, "volume.size: .* 2048 MiB.* 2Gi are 1843 MiB"),
        ({"platform": {"archive": {"to": "archive", "max_bytes": "1GiB"}}}, "volume.size: .* 2048 MiB"),
        ({"platform": {"journal": {"max_bytes": "1780MiB"}}}, "leaves 63 MiB of 2Gi for the archive"),
        ({"platform": {"archive": {"max_bytes": "1GiB"}}}, "volume.size: .* 2048 MiB"),
        ({"platform": {"archive": {"to": "archive"}}}, "archive.max_bytes"),
        ({"platform": {"archive": {"to": "/data/archive"}}}, "archive.max_bytes"),
        ({"shutdown": {"gracePeriodSeconds": 37}}, "gracePeriodSeconds: 37 is too short.* are 38"),
        ({"replicaCount": 2}, "shared key"),
        ({"podDisruptionBudget": {"enabled": True}}, "replicaCount"),
        ({"volume": {"type": "existingClaim"}}, "volume.existingClaim"),
        ({"volume": {"type": "existingClaim", "existingClaim": "c"}, "replicaCount": 2, **SHARED}, "one replica"),
        ({"key": {"existingSecret": "a", "value": "x" * 32}}, "keep one"),
        ({"policies": {"files": {"sidecar.yaml": "api: v1"}}}, "`platform`"),
        ({"policies": {"files": {"a.yaml": "#" * 1_000_000}}}, "ConfigMap holds"),
        ({"mode": "native-sidecar", "networkPolicy": {"enabled": True}}, "the pod is yours"),
    ],
)
def test_what_the_templates_refuse(helm: Helm, wrong: dict[str, Any], said: str) -> None:
    assert re.search(said, helm.render(merged(MINIMAL, wrong)).refused)


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("policy: a", "a"),
        ("# upstream: http://m:1\npolicy: a\nmodel: {protocol: oip}\n", "a"),
        ("policy: a\nupstream: {url: 'http://m:1'}\n---\npolicy: b\n", "b"),
        ("policy: a\nshadow: {candidates: {c: {upstream: 'http://m:1'}}}", "a"),
        ("policy: a\nupstream: {url: 'http://m:1'}", ""),
        ("policy: a\nmodel: {protocol: oip, upstream: 'http://m:1'}", ""),
        ("features: {age: {type: int}}", ""),  # no policy: what policies share
        ("policy: [", ""),  # the sidecar says where
    ],
)
def test_a_policy_whose_model_nobody_names_is_refused_before_its_pod_would_not_start(
    helm: Helm, text: str, lacking: str
) -> None:
    values = {"upstream": "", "policies": {"files": {"a.yaml": text}}}
    refused = helm.render(values).refused
    assert (f"the policy {lacking} in a.yaml" in refused) if lacking else refused == ""
    assert helm.render({**values, "upstream": "http://model:8080"}).refused == ""
    assert helm.render({**values, "platform": {"upstream": {"url": "http://model:8080"}}}).refused == ""
    elsewhere = {"environments": {"production": {"upstream": "http://model:8080"}}}
    assert helm.render({**values, "platform": elsewhere}).refused == ""


def test_the_shortest_grace_period_and_the_largest_journal_are_taken(helm: Helm) -> None:
    most = {"shutdown": {"gracePeriodSeconds": 38}, "platform": {"journal": {"max_bytes": "1779MiB"}}}
    assert helm.render(merged(MINIMAL, most)).refused == ""


@pytest.mark.parametrize(
    ("platform", "archive"),
    [
        ({}, {"to": "archive", "max_bytes": "819MiB"}),
        ({"journal": {"max_bytes": "843MiB"}}, {"to": "archive", "max_bytes": "1000MiB"}),
        ({"archive": {"every": "5s"}}, {"every": "5s", "to": "archive", "max_bytes": "819MiB"}),
        ({"archive": {"max_bytes": "100MiB"}}, {"to": "archive", "max_bytes": "100MiB"}),
        ({"archive": {"to": "/mnt/archive"}}, {"to": "/mnt/archive"}),
    ],
)
def test_the_archive_gets_what_the_journal_leaves_where_nothing_is_said_of_it(
    helm: Helm, platform: dict[str, Any], archive: dict[str, Any]
) -> None:
    """Rows are archived in any case, up to 5 GiB: more than the volume has, and a full volume evicts the pod."""
    data = helm.render(merged(MINIMAL, {"platform": platform})).of("ConfigMap")["data"]
    assert yaml.safe_load(data["sidecar.yaml"])["archive"] == archive


def test_other_policies_are_another_configmap_and_the_old_one_stays(helm: Helm) -> None:
    one, same, other = (helm.render(with_policy(text)) for text in ("policy: a", "policy: a", "policy: b"))
    names = [each.of("ConfigMap")["metadata"]["name"] for each in (one, same, other)]
    assert names[0] == names[1] != names[2]
    assert one.of("ConfigMap")["immutable"] is True
    assert one.of("ConfigMap")["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert one.pod != other.pod  # the pods roll
    assert names[0] in json.dumps(one.pod)


def test_other_platform_settings_are_another_configmap_too(helm: Helm) -> None:
    one, other = helm.render(MINIMAL), helm.render({**MINIMAL, "platform": {"journal": {"max_bytes": "1MiB"}}})
    assert one.of("ConfigMap")["metadata"]["name"] != other.of("ConfigMap")["metadata"]["name"]


def test_hot_policies_change_in_place(helm: Helm) -> None:
    one, other = (helm.render(with_policy(text, rollout="hot")) for text in ("policy: a", "policy: b"))
    assert one.pod == other.pod
    assert one.of("ConfigMap")["metadata"]["name"] == other.of("ConfigMap")["metadata"]["name"]
    assert "immutable" not in one.of("ConfigMap")
    mounts = one.containers["sidecar-gateway"]["volumeMounts"]
    assert [each for each in mounts if "subPath" in each] == []  # a subPath never sees a change


@pytest.mark.parametrize("text", ["a: <b> & 'c' \"d\"\n", "{{ not: a template }}", "é\t\\n\n\n", "a: |\n  b\n\n"])
def test_a_policy_arrives_as_it_was_written(helm: Helm, text: str) -> None:
    assert helm.render(with_policy(text)).of("ConfigMap")["data"]["a.yaml"] == text


def test_without_an_admin_token_the_admin_port_stays_in_the_pod(helm: Helm) -> None:
    assert "admin" not in {each["name"] for each in helm.render(MINIMAL).of("Service")["spec"]["ports"]}


def test_monitors_ask_the_richest_port_with_its_token(helm: Helm) -> None:
    full = helm.render(values_of("full"))
    assert full.of("ServiceMonitor")["spec"]["endpoints"] == [
        {
            "port": "admin",
            "path": "/metrics",
            "interval": "15s",
            "authorization": {"type": "Bearer", "credentials": {"name": "sidecar-tokens", "key": "admin"}},
        }
    ]
    assert full.of("ServiceMonitor")["spec"]["selector"]["matchLabels"].items() <= (
        full.of("Service")["metadata"]["labels"].items()
    )
    bare = helm.render(merged(MINIMAL, {"podMonitor": {"enabled": True}}))
    assert bare.of("PodMonitor")["spec"]["podMetricsEndpoints"] == [
        {"port": "health", "path": "/metrics", "interval": "30s"}
    ]


def test_the_network_lets_callers_monitoring_and_the_test_in(helm: Helm) -> None:
    data, inner = helm.render(values_of("full")).of("NetworkPolicy")["spec"]["ingress"]
    assert [each["port"] for each in data["ports"]] == [8600]
    assert data["from"] == [{"podSelector": {"matchLabels": {"app": "frontend"}}}]
    assert [each["port"] for each in inner["ports"]] == [8601, 8602]
    asks = helm.render(values_of("full")).of("Pod")["metadata"]["labels"].items()
    assert any(each.get("podSelector", {}).get("matchLabels", {}).items() == asks for each in inner["from"])


def test_helm_test_asks_whether_the_service_is_ready(helm: Helm) -> None:
    made = helm.render(MINIMAL)
    pod = made.of("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["args"] == ["status", "--health=http://demo-sidecar:8601"]
    assert made.of("Service")["metadata"]["name"] == "demo-sidecar"


def test_the_notes_name_what_was_made(helm: Helm) -> None:
    made = helm.render(MINIMAL)
    assert "http://demo-sidecar.ml.svc:8600" in made.notes
    assert "There is no policy" in made.notes
    assert "There is no policy" not in helm.render(with_policy("policy: a")).notes


def test_a_long_name_fits(helm: Helm) -> None:
    made = helm.render(MINIMAL, name="a" * 53)
    assert max(len(each["metadata"]["name"]) for each in made.documents) <= 63
