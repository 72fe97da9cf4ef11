"""What model servers say of themselves, and what it means for a policy."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.health.probe import Probe, Prober, judge_identity
from sidecar.runtime.messages import PolicyFacts
from sidecar.upstream.address import parse_address
from tests.kit.pages import Asked, Page, answering

Answers = dict[str, tuple[int, Any]]


def policy(protocol: str = "oip", **facts: Any) -> PolicyFacts:
    known = {"name": "p", "digest": "d", "canonical": "{}", "model_name": "m", **facts}
    return PolicyFacts(protocol=protocol, **known)


def look(answers: Answers | Callable[[str], tuple[int, bytes]], *policies: PolicyFacts) -> Probe:
    """One look at a server that answers like that."""

    def answer(asked: Asked) -> Page:
        assert asked.body == (b"{}" if asked.method == "POST" else b"")
        if callable(answers):
            return Page(*answers(asked.path))
        status, document = answers.get(asked.path, (404, {"error": "no"}))
        headers = {"location": "/v2/models/m/else"} if status == 302 else {}
        return Page(status, json.dumps(document).encode(), headers)

    with answering(answer) as url:
        return ask(url, *policies)


def ask(url: str, *policies: PolicyFacts, timeout_seconds: float = 60.0) -> Probe:
    async def conversation() -> Probe:
        prober = Prober(parse_address(url), timeout_seconds=timeout_seconds)
        try:
            return await prober.look(policies)
        finally:
            await prober.close()

    return asyncio.run(conversation())


READY: Answers = {"/v2/health/ready": (200, ""), "/v2/models/m/ready": (200, "")}


def test_open_inference_protocol() -> None:
    answers = {**READY, "/v2/models/m": (200, {"name": "m", "versions": ["14"]})}
    probe = look(answers, policy(model_versions=("14",)))
    assert probe.ready
    assert (probe.models["p"].identity, probe.models["p"].version) == ("match", "14")


@pytest.mark.parametrize(
    ("answers", "ready", "said"),
    [
        ({"/v2/health/ready": (400, "")}, False, "GET /v2/health/ready answered 400"),
        ({"/v2/health/ready": (503, {"ready": False})}, False, "503"),
        ({"/v2/health/ready": (302, "")}, False, "302"),  # redirects are never followed
        ({}, True, ""),  # no such routes: that it answers is all there is
    ],
)
def test_server_ready(answers: Answers, ready: bool, said: str) -> None:
    probe = look(answers, policy())
    assert probe.ready is ready
    assert said in probe.detail


@pytest.mark.parametrize(
    ("answers", "model_ready", "identity", "said"),
    [
        ({"/v2/health/ready": (200, "")}, False, "unstated", "does not have the model 'm'"),
        ({**READY, "/v2/models/m/ready": (400, "")}, False, "unstated", "/v2/models/m/ready answered 400"),
        ({**READY, "/v2/models/m": (200, {"name": "other"})}, True, "mismatch", "calls it 'other'"),
        ({**READY, "/v2/models/m": (200, {"name": "m"})}, True, "unstated", "states no version"),
        ({**READY, "/v2/models/m": (200, [1, 2])}, True, "unstated", "without metadata"),
        ({**READY, "/v2/models/m": (500, {})}, True, "unstated", "answered 500"),
        ({**READY, "/v2/models/m": (200, {"name": "m", "versions": ["15"]})}, True, "mismatch", "pinned: 14"),
        ({**READY, "/v2/models/m": (200, {"name": "m", "versions": "14"})}, True, "unstated", "no version"),
        ({}, True, "unstated", "no metadata routes"),
    ],
)
def test_open_inference_models(answers: Answers, model_ready: bool, identity: str, said: str) -> None:
    answer = look(answers, policy(model_versions=("14",))).models["p"]
    assert (answer.ready, answer.identity) == (model_ready, identity)
    assert said in answer.detail


MLSERVER = {"name": "m", "versions": [], "platform": "", "inputs": [], "outputs": [], "parameters": {}}
READY_14 = {"name": "m", "version": "14", "state": "READY", "reason": ""}


@pytest.mark.parametrize(
    ("metadata", "index", "identity", "version"),
    [
        (MLSERVER, (200, [{**READY_14, "name": "n", "version": "9"}, READY_14]), "match", "14"),
        (MLSERVER, (200, [{**READY_14, "version": "13"}]), "mismatch", "13"),
        (MLSERVER, (200, [{**READY_14, "version": "13", "state": "UNAVAILABLE"}, READY_14]), "match", "14"),
        (MLSERVER, (200, [{**READY_14, "version": "13"}, READY_14]), "unstated", ""),
        (MLSERVER, (200, [{**READY_14, "version": ""}, {"name": "m"}, 3, None]), "unstated", ""),
        (MLSERVER, (200, {"models": []}), "unstated", ""),
        (MLSERVER, (404, {"error": "no"}), "unstated", ""),
        ({"name": "m", "versions": None}, (405, ""), "unstated", ""),  # KServe: no version, no index
        ({"name": "m", "versions": ["14"], "platform": "onnxruntime_onnx"}, (200, [{**READY_14, "version": "13"}]),
         "match", "14"),  # Triton: its metadata speak for themselves
    ],
)  # fmt: skip
def test_the_repositorys_index_states_what_metadata_do_not(
    metadata: object, index: tuple[int, Any], identity: str, version: str
) -> None:
    answers: Answers = {**READY, "/v2/models/m": (200, metadata), "/v2/repository/index": index}
    answer = look(answers, policy(model_versions=("14",))).models["p"]
    assert (answer.ready, answer.identity, answer.version) == (True, identity, version)


@pytest.mark.parametrize(
    ("document", "model_ready", "identity"),
    [
        ({"model_version_status": [{"version": "14", "state": "AVAILABLE"}]}, True, "match"),
        ({"model_version_status": [{"version": "13", "state": "AVAILABLE"}]}, True, "mismatch"),
        ({"model_version_status": [{"version": "14", "state": "LOADING"}]}, False, "unstated"),
        ({"model_version_status": [{"version": "14"}, {"version": "13", "state": "AVAILABLE"}]}, True, "mismatch"),
        ({"name": "m", "ready": True}, True, "unstated"),
        ({"name": "m", "ready": "False"}, False, "unstated"),
    ],
)
def test_tensorflow_serving(document: object, model_ready: bool, identity: str) -> None:
    answer = look({"/v1/models/m": (200, document)}, policy("tfserving", model_versions=("14",))).models["p"]
    assert (answer.ready, answer.identity) == (model_ready, identity)


def test_tensorflow_serving_without_the_model() -> None:
    answer = look({}, policy("tfserving")).models["p"]
    assert not answer.ready
    assert "does not have the model" in answer.detail


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False), (404, True)])
def test_ping(status: int, ready: bool) -> None:
    assert look({"/ping": (status, "")}, policy("mlflow")).ready is ready


def test_others_are_ready_when_they_accept() -> None:
    probe = look({}, policy("json"))
    assert probe.ready
    assert probe.models["p"].identity == "unstated"


def test_nobody_there_and_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        probe = ask(f"http://127.0.0.1:{port}", policy(), timeout_seconds=0.2)
        assert not probe.ready
        assert "no answer in time" in probe.detail
    probe = ask(f"http://127.0.0.1:{port}", policy())
    assert not probe.ready
    assert "refused" in probe.detail


def test_endless_and_hostile_answers_are_bounded() -> None:
    def answers(path: str) -> tuple[int, bytes]:
        return 200, b"[" * 2_000_000 if path == "/v2/models/m" else b""

    assert look(answers, policy()).models["p"].identity == "unstated"
    deep = look({**READY, "/v2/models/m": (200, {"name": ["m"], "versions": [["14"], {}, None, True, 14]})}, policy())
    assert deep.models["p"].version == "14"


@pytest.mark.parametrize(
    ("pinned", "digest", "served", "stated", "identity", "version"),
    [
        ((), "", ("14",), "", "unstated", "14"),
        (("14",), "", ("14",), "", "match", "14"),
        (("14", "15"), "", ("14",), "", "match", "14"),
        (("14", "15"), "", ("14", "15"), "", "match", ""),
        (("14",), "", ("13", "14"), "", "unstated", ""),
        (("14",), "", ("13",), "", "mismatch", "13"),
        (("14",), "", (), "", "unstated", ""),
        (("14",), "sha256:aa", (), "sha256:aa", "match", ""),
        (("14",), "sha256:aa", ("14",), "sha256:bb", "mismatch", "14"),
        ((), "sha256:aa", ("1",), "sha256:aa", "match", "1"),
        ((), "sha256:aa", ("1",), "", "unstated", "1"),
    ],
)
def test_identity(
    pinned: tuple[str, ...], digest: str, served: tuple[str, ...], stated: str, identity: str, version: str
) -> None:
    answer = judge_identity(policy(model_versions=pinned, model_digest=digest), served, stated)
    assert (answer.identity, answer.version) == (identity, version)
