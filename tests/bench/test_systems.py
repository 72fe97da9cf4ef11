"""Every member of the family: listed, described, and what it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bench import payload
from bench.environments import ROOT
from bench.nginx import model_server
from bench.stage import DIRECT, REFERENCE, kinds
from bench.systems import Place, System
from bench.systems.envoy_duties import EnvoyDuties
from bench.systems.sidecar_fsync import SidecarFsync
from sidecar.families import members, summary


def test_the_references_are_members() -> None:
    assert {DIRECT, REFERENCE, "sidecar", "sidecar-fsync"} <= set(kinds())


@pytest.mark.parametrize("kind", kinds())
def test_a_member_says_what_it_is_in_a_line(kind: str) -> None:
    assert len(summary(members("bench.systems")[kind])) > 20


def test_the_body_has_the_size_and_the_row_it_claims() -> None:
    assert len(payload.REQUEST) == payload.REQUEST_BYTES == len(payload.BAD_REQUEST)
    data = json.loads(payload.REQUEST)["inputs"][0]["data"]
    assert len(data) == len(payload.FEATURES)
    assert all(payload.FEATURE_MIN <= value <= payload.FEATURE_MAX for value in data)
    assert json.loads(payload.BAD_REQUEST)["inputs"][0]["data"][0] > payload.FEATURE_MAX


def test_the_policy_is_the_contract_of_the_payload() -> None:
    policy = yaml.safe_load((ROOT / "bench" / "policy.yaml").read_text())
    assert policy["model"]["columns"] == {"input-0": list(payload.FEATURES)}
    bounds = {"type": "float", "min": payload.FEATURE_MIN, "max": payload.FEATURE_MAX}
    assert policy["contract"]["features"] == dict.fromkeys(payload.FEATURES, bounds)
    assert policy["model"]["name"] == payload.MODEL


def place(folder: Path) -> Place:
    return Place(port=7001, upstream_port=7002, mirror_port=7003, spare_ports=(7004, 7005), folder=folder)


def test_the_sidecar_is_started_as_users_start_it(tmp_path: Path) -> None:
    launch = SidecarFsync().launch(place(tmp_path))
    assert launch is not None
    command = " ".join(launch.argv)
    assert "-m sidecar serve" in command
    assert "--upstream http://127.0.0.1:7002 --listen 127.0.0.1:7001 --health 127.0.0.1:7004" in command
    assert yaml.safe_load((tmp_path / "policy.yaml").read_text())["journal"] == {"durability": "fsync"}


def test_envoy_mirrors_a_tenth_to_the_candidate(tmp_path: Path) -> None:
    system: System = EnvoyDuties()
    pytest.importorskip("envoy")
    system.launch(place(tmp_path))
    document = json.loads((tmp_path / "envoy.json").read_text())
    listener, clusters = document["static_resources"]["listeners"][0], document["static_resources"]["clusters"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    mirror = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["request_mirror_policies"][0]
    assert mirror["cluster"] in [cluster["name"] for cluster in clusters]
    assert mirror["runtime_fraction"]["default_value"]["numerator"] == 10
    assert manager["access_log"]


def test_the_model_server_answers_with_the_answer(tmp_path: Path) -> None:
    assert payload.ANSWER.decode() in model_server(tmp_path, (1, 2))
