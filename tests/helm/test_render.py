"""What the chart makes is what a cluster takes, and what the sidecar reads."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar import policy
from sidecar.health.environment import LABELS_FILE
from sidecar.runtime.settings import SETTINGS, resolve

from ..documentation import parser_of
from .charts import CHART, VALUES, Helm, Rendered, program, values_of

FILES = sorted(path.stem for path in VALUES.glob("*.yaml"))
STANDALONE = [name for name in FILES if name != "native"]
OF_AN_OPERATOR = ("ServiceMonitor", "PodMonitor")
OLDEST, NEWEST = "1.29.0", "1.37.0"  # the oldest is Chart.yaml's


def kubernetes_refuses(documents: list[dict[str, Any]], folder: Path, version: str = NEWEST) -> str:
    """What the schemas of one version's API server say of these, "" when nothing."""
    (folder / "made.yaml").write_text(yaml.safe_dump_all(documents))
    judged = subprocess.run(
        [program("python"), program("kubernetes-validate"), "--strict", "-k", version, folder / "made.yaml"],
        capture_output=True,
        text=True,
    )
    return judged.stdout + judged.stderr if judged.returncode else ""


@pytest.fixture(params=[*FILES, "the example"])
def rendered(request: pytest.FixtureRequest, helm: Helm, example: Path) -> Rendered:
    """Each values file, and the chart that includes ours."""
    made = helm.render({}, chart=example) if request.param == "the example" else helm.render(values_of(request.param))
    assert made.refused == ""
    return made


@pytest.fixture(params=[*STANDALONE, "the example"])
def deployed(request: pytest.FixtureRequest, helm: Helm, example: Path) -> Rendered:
    """Those that have a pod."""
    return helm.render({}, chart=example) if request.param == "the example" else helm.render(values_of(request.param))


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_cluster_takes_it(rendered: Rendered, tmp_path: Path, version: str) -> None:
    ours = [each for each in rendered.documents if each["kind"] not in OF_AN_OPERATOR]
    assert kubernetes_refuses(ours, tmp_path, version) == ""


def test_the_oldest_cluster_is_the_one_the_chart_names() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={OLDEST}-0"


def test_the_judge_sees_a_misspelt_field(helm: Helm, tmp_path: Path) -> None:
    made = helm.render(values_of("minimal"))
    made.containers["sidecar-gateway"]["readynessProbe"] = {}
    assert "readynessProbe" in kubernetes_refuses([made.of("Deployment")], tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_lint_finds_nothing(helm: Helm, name: str) -> None:
    found = helm.lint(CHART, values_of(name))
    assert [each for each in found if each["severity"] > 1] == []  # 1: an icon is recommended


def test_lint_finds_nothing_in_the_example(helm: Helm, example: Path) -> None:
    assert [each for each in helm.lint(example, {}) if each["severity"] > 1] == []


def test_lint_sees_what_is_wrong(helm: Helm) -> None:
    assert max(each["severity"] for each in helm.lint(CHART, {"upstream": "http://m", "mode": "odd"})) == 3


def test_names_are_unique_and_selectors_find_the_pod(rendered: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.documents]
    assert len(set(names)) == len(names)
    for deployment in rendered.all("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"].items()
        selectors = [deployment["spec"]["selector"]["matchLabels"]]
        selectors += [each["spec"]["selector"] for each in rendered.all("Service")]
        selectors += [each["spec"]["selector"]["matchLabels"] for each in rendered.all("PodDisruptionBudget")]
        selectors += [each["spec"]["selector"]["matchLabels"] for each in rendered.all("PodMonitor")]
        selectors += [each["spec"]["podSelector"]["matchLabels"] for each in rendered.all("NetworkPolicy")]
        assert [each for each in selectors if not each.items() <= labels] == []


def test_the_containers_can_do_nothing_but_their_work(deployed: Rendered) -> None:
    assert deployed.pod["automountServiceAccountToken"] is False
    assert deployed.pod["enableServiceLinks"] is False
    assert deployed.pod["securityContext"]["fsGroup"] == 65532
    assert deployed.containers.keys() == {"sidecar-gateway", "sidecar-observers"}
    for container in deployed.containers.values():
        assert container["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["resources"]["requests"]["memory"]
        assert container["resources"]["limits"]["memory"]
        writable = [each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")]
        assert writable in (["/data"], ["/data", "/mnt/archive"])  # the second is of claim.yaml


def test_every_mount_has_its_volume_and_the_other_way_round(deployed: Rendered) -> None:
    mounted = {each["name"] for one in deployed.containers.values() for each in one["volumeMounts"]}
    volumes = {each["name"]: each for each in deployed.pod["volumes"]}
    assert mounted == volumes.keys()
    secrets = [each["secret"] for each in volumes.values() if "secret" in each]
    assert [each for each in secrets if each["defaultMode"] != 0o400] == []
    given = {(each["kind"], each["metadata"]["name"]) for each in deployed.documents}
    assert ("ConfigMap", volumes["sidecar-policies"]["configMap"]["name"]) in given


def test_the_flags_exist_and_name_what_is_mounted(deployed: Rendered) -> None:
    for container, command in (("sidecar-gateway", "serve"), ("sidecar-observers", "observe")):
        args = deployed.containers[container]["args"]
        assert args[0] == command
        read = vars(parser_of(command).parse_args(args[1:]))
        mounts = [each["mountPath"] for each in deployed.containers[container]["volumeMounts"]]
        paths = [value for value in map(str, read.values()) if value.startswith("/")]
        paths += read.get("policy") or []
        assert [path for path in paths if not any(f"{path}/".startswith(f"{at}/") for at in mounts)] == []
        assert read["data"] == "/data"


def test_ports_are_those_that_are_listened_on_and_probed(deployed: Rendered) -> None:
    gateway, observers = (deployed.containers[f"sidecar-{half}"] for half in ("gateway", "observers"))
    serve = parser_of("serve").parse_args(gateway["args"][1:])
    ports = {each["name"]: each["containerPort"] for each in gateway["ports"]}
    assert ports == {"http": int(serve.listen.rpartition(":")[2]), "health": int(serve.health.rpartition(":")[2])}
    assert gateway["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert gateway["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert gateway["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert not {"startupProbe", "livenessProbe", "readinessProbe"} & observers.keys()
    admin = {each["name"]: each["containerPort"] for each in observers.get("ports", [])}
    told = parser_of("observe").parse_args(observers["args"][1:]).admin
    assert told == (f":{admin['admin']}" if admin else "127.0.0.1:8602")
    exposed = {each["targetPort"] for each in deployed.of("Service")["spec"]["ports"]}
    assert exposed == ports.keys() | admin.keys()


def test_the_pod_says_where_it_is(deployed: Rendered) -> None:
    env = {each["name"]: each for each in deployed.containers["sidecar-gateway"]["env"]}
    fields = {name: each["valueFrom"]["fieldRef"]["fieldPath"] for name, each in env.items() if "valueFrom" in each}
    assert fields == {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    volumes = {each["name"]: each for each in deployed.pod["volumes"]}
    at = {each["name"]: each["mountPath"] for each in deployed.containers["sidecar-gateway"]["volumeMounts"]}
    (item,) = volumes["sidecar-podinfo"]["downwardAPI"]["items"]
    assert f"{at['sidecar-podinfo']}/{item['path']}" == LABELS_FILE
    assert item["fieldRef"] == {"fieldPath": "metadata.labels"}


def test_the_observers_stop_after_the_gateway_and_the_grace_period_holds_both(deployed: Rendered) -> None:
    order = [each["name"] for each in deployed.pod["initContainers"]]
    assert order[0] == "sidecar-observers"
    assert {each.get("restartPolicy") for each in deployed.pod["initContainers"]} == {"Always"}
    serve = resolve(flags_of(deployed), {})
    observe = parser_of("observe").parse_args(deployed.containers["sidecar-observers"]["args"][1:])
    needed = serve.pre_stop + serve.drain_timeout + float(observe.flush_timeout.removesuffix("s"))
    needed += sum(
        each["lifecycle"]["preStop"]["sleep"]["seconds"] for each in deployed.pod["containers"] if "lifecycle" in each
    )
    assert deployed.pod["terminationGracePeriodSeconds"] > needed


def flags_of(deployed: Rendered) -> dict[str, Any]:
    """The gateway's flags, without those that name files, which are not here."""
    args = deployed.containers["sidecar-gateway"]["args"][1:]
    read = vars(parser_of("serve").parse_args(args))
    return {each.name: None if "FILE" in each.metavar else read[each.name] for each in SETTINGS}


def test_serve_takes_the_values_of_the_flags(deployed: Rendered) -> None:
    settings = resolve(flags_of(deployed), {})
    assert settings.observers == "off"
    assert settings.admin is None
    assert settings.data == "/data"


def test_the_policies_in_the_cluster_are_the_files(rendered: Rendered, tmp_path: Path) -> None:
    data = rendered.of("ConfigMap")["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text)
    loaded = policy.load([tmp_path], upstream="http://model:8080")
    assert [finding for finding in loaded.findings if finding.severity == "error"] == []
    assert loaded.documents == len(data)
