"""Each policy of four lines before a server that people run: as written it only observes, enforced it refuses, and the
caller's own library understands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.demo.ports import pick

from .others import PEERS, enforced, mlserver, programs, serving, without_proxies
from .processes import ROOT, Sidecar

FOUR_LINES = ROOT / "policies" / "four-lines"
pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]


class Pair:
    """One server behind two sidecars: one with the policy as written, one that enforces it."""

    def __init__(self, observing: Sidecar, enforcing: Sidecar, server: str) -> None:
        self.observing, self.enforcing, self.server = observing.url, enforcing.url, server


def post(url: str, body: dict[str, Any], path: str) -> httpx.Response:
    return httpx.post(url + path, json=body, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("four-lines")


def pair(folder: Path, policy: str, server: str) -> Iterator[Pair]:
    written = FOUR_LINES / policy
    folder = folder / written.stem
    folder.mkdir()
    with (
        Sidecar(folder / "observing", "--upstream", server, "--policy", str(written)) as observing,
        Sidecar(folder / "enforcing", "--upstream", server, "--policy", str(enforced(written, folder))) as enforcing,
    ):
        observing.until_ready()
        enforcing.until_ready()
        yield Pair(observing, enforcing, server)
        assert "Traceback" not in observing.said() + enforcing.said()


# -- OIP, one matrix: scikit-learn on MLServer


@pytest.fixture(scope="module")
def matrix(folder: Path) -> Iterator[Pair]:
    with mlserver(folder) as server:
        yield from pair(folder, "credit-oip.yaml", server)


def credit(age: float) -> dict[str, Any]:
    return {"inputs": [{"name": "input-0", "shape": [1, 3], "datatype": "FP64", "data": [age, 30_000, 24]}]}


def test_a_matrix_for_scikit_learn_on_mlserver(matrix: Pair) -> None:
    path = "/v2/models/credit/infer"
    direct = post(matrix.server, credit(41), path)
    for url in (matrix.observing, matrix.enforcing):
        good = post(url, credit(41), path)
        assert (good.status_code, good.json()["outputs"]) == (200, direct.json()["outputs"])
        assert (good.headers["x-contract-verdict"], good.headers["x-model-version"]) == ("ok", "1")
    seen = post(matrix.observing, credit(150), path)
    assert (seen.status_code, seen.headers["x-contract-verdict"]) == (200, "observed;codes=age.max")
    refused = post(matrix.enforcing, credit(150), path)
    assert (refused.status_code, refused.headers["x-contract-verdict"]) == (422, "rejected")
    assert list(refused.json()) == ["error"]
    assert "age.max at /inputs/0/data/0" in refused.json()["error"]


# -- TensorFlow Serving's rows: KServe's own server


@pytest.fixture(scope="module")
def instances(folder: Path) -> Iterator[Pair]:
    binaries, port = programs("kserve"), pick(0)
    command = [binaries / "python", PEERS / "credit_kserve.py", "--http_port", port]
    with serving("KServe", command, folder / "kserve.log", port, "/v1/models/credit") as server:
        yield from pair(folder, "credit-tfserving.yaml", server)


def test_rows_for_kserve(instances: Pair) -> None:
    path = "/v1/models/credit:predict"
    for url in (instances.server, instances.observing, instances.enforcing):
        good = post(url, {"instances": [{"age": 41}, {"age": 50, "income": 3}]}, path)
        assert (good.status_code, good.json()) == (200, {"predictions": [0.41, 0.5]})
        assert good.headers.get("x-contract-verdict", "ok") == "ok"
    bad = {"instances": [{"age": 41}, {"age": 150}]}
    seen = post(instances.observing, bad, path)
    assert (seen.status_code, seen.headers["x-contract-verdict"]) == (200, "observed;codes=age.max")
    assert seen.json() == {"predictions": [0.41, 1.0]}
    refused = post(instances.enforcing, bad, path)
    assert (refused.status_code, list(refused.json())) == (422, ["error"])
    assert "age.max at /instances/1/age" in refused.json()["error"]
    for url in (instances.observing, instances.enforcing):
        listed = httpx.get(url + "/v1/models", timeout=60, trust_env=False)
        assert listed.json() == {"models": ["credit"]}


# -- plain JSON: a FastAPI app under uvicorn


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[Pair]:
    binaries, port = programs("servers"), pick(0)
    flags = ("--app-dir", PEERS, "--host", "127.0.0.1", "--port", port, "--log-level", "warning")
    command = [binaries / "python", "-m", "uvicorn", *flags, "iris_fastapi:app"]
    with serving("uvicorn", command, folder / "uvicorn.log", port, "/openapi.json") as server:
        yield from pair(folder, "iris-json.yaml", server)


def test_ones_own_fastapi(plain: Pair) -> None:
    good, bad = {"features": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}, {"features": [[5.1, 3.5, 14, 0.2]]}
    for url in (plain.observing, plain.enforcing):
        answer = post(url, good, "/predict")
        assert (answer.status_code, answer.json()) == (200, {"species": ["setosa", "virginica"]})
        assert answer.headers["x-contract-verdict"] == "ok"
    seen = post(plain.observing, bad, "/predict")
    assert (seen.status_code, seen.json()) == (200, {"species": ["virginica"]})
    assert seen.headers["x-contract-verdict"] == "observed;codes=petal_l.max"
    refused = post(plain.enforcing, bad, "/predict")
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
        ("#/features/0/2", "petal_l.max")
    ]


def test_what_fastapi_itself_refuses_is_its_own_answer(plain: Pair) -> None:
    wrong = {"features": [["a", 3.5, 1.4, 0.2]]}
    direct, through = post(plain.server, wrong, "/predict"), post(plain.enforcing, wrong, "/predict")
    assert (through.status_code, through.content) == (direct.status_code, direct.content) == (422, direct.content)
    assert httpx.get(plain.enforcing + "/docs", timeout=60, trust_env=False).status_code == 200


# -- OpenAI-compatible: a server without weights, OpenAI's own client

ECHO = """
version: 1
defaults: {fallback: deterministic_echo}
rules:
  - {name: greeting, when: {messages_contain: hello}, respond: {content: Good day to you}}
  - {name: busy, when: {messages_contain: hurry}, respond: {status: 429, error: Slow down}}
"""
MESSAGES = [{"role": "user", "content": "hello: you"}]


@pytest.fixture(scope="module")
def compatible(folder: Path) -> Iterator[str]:
    binaries, port = programs("servers"), pick(0)
    config = folder / "fakellm.yaml"
    config.write_text(ECHO)
    command = [binaries / "fakellm", "serve", "--port", port, "--config", config]
    with serving("fakellm", command, folder / "fakellm.log", port, "/_fakellm/stats") as server:
        yield server


@pytest.fixture(scope="module")
def assistant(folder: Path, compatible: str) -> Iterator[Pair]:
    yield from pair(folder, "assistant-openai.yaml", compatible)


def client(url: str, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What OpenAI's client returns or raises for each call."""
    lines = "".join(json.dumps({"call": call, "with": {"model": "gpt-x", **given}}) + "\n" for call, given in calls)
    command = [programs("servers") / "python", PEERS / "ask_openai.py", f"{url}/v1"]
    done = subprocess.run(
        [str(word) for word in command],
        input=lines,
        capture_output=True,
        text=True,
        timeout=90,
        env=without_proxies(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def chat(**given: Any) -> tuple[str, dict[str, Any]]:
    return "chat.completions", {"messages": MESSAGES, **given}


def streamed(answer: dict[str, Any]) -> str:
    return "".join(choice["delta"]["content"] or "" for piece in answer["pieces"] for choice in piece["choices"])


def test_openais_client_through_an_observing_policy(assistant: Pair) -> None:
    good, stream, bad = client(
        assistant.observing, chat(max_tokens=7), chat(max_tokens=7, stream=True), chat(max_tokens=9999)
    )
    assert good["answer"]["choices"][0]["message"]["content"] == "Good day to you"
    assert (good["headers"]["x-contract-verdict"], good["headers"]["x-model-version"]) == ("ok", "gpt-x")
    assert (streamed(stream), stream["headers"]["x-contract-verdict"]) == ("Good day to you", "ok")
    assert len(stream["pieces"]) > 2
    assert bad["answer"]["choices"][0]["message"]["content"] == "Good day to you"
    assert bad["headers"]["x-contract-verdict"] == "observed;codes=max_tokens.max"


def test_openais_client_raises_our_refusal_as_the_servers(assistant: Pair) -> None:
    busy = {"messages": [{"role": "user", "content": "hurry"}], "max_tokens": 7}
    good, stream, *refused, theirs = client(
        assistant.enforcing,
        chat(max_tokens=7, temperature=0.5),
        chat(max_tokens=7, stream=True),
        chat(max_tokens=9999),
        chat(max_tokens=9999, stream=True),
        ("chat.completions", busy),
    )
    assert good["answer"]["choices"][0]["finish_reason"] == "stop"
    assert streamed(stream) == "Good day to you"
    for error in refused:
        assert (error["raised"], error["status"]) == ("UnprocessableEntityError", 422)
        assert (error["type"], error["param"], error["code"]) == (
            "invalid_request_error",
            "max_tokens",
            "max_tokens.max",
        )
        assert error["body"]["codes"] == ["max_tokens.max"]
        assert "max_tokens.max at /max_tokens" in error["message"] and "9999" not in error["message"]
        assert error["headers"]["x-contract-verdict"] == "rejected"
    assert (theirs["raised"], theirs["status"]) == ("RateLimitError", 429)
    assert theirs["body"]["message"] == "Slow down"


FALLBACK = """policy: assistant
model: {protocol: openai}
contract:
  mode: enforce
  features: {user: {type: string, pattern: "[a-z]+", required: false, on_violation: fallback}}
  prediction: {content: {type: string, max_length: 500}}
  fallback: {on: [contract, upstream_error], values: {content: Please ask a person.}}
"""


def test_openais_client_takes_a_fallback_for_the_models_answer(tmp_path: Path, compatible: str) -> None:
    policy = tmp_path / "assistant.yaml"
    policy.write_text(FALLBACK)
    with Sidecar(tmp_path / "sidecar", "--upstream", compatible, "--policy", str(policy)) as sidecar:
        sidecar.until_ready()
        whole, stream, completion, response = client(
            sidecar.url,
            chat(user="U-7"),
            chat(user="U-7", stream=True),
            ("completions", {"prompt": "hello", "user": "U-7"}),
            ("responses", {"input": "hello", "user": "U-7"}),
        )
    for each in (whole, stream, completion, response):
        assert each["headers"]["x-contract-verdict"] == "fallback;rows=1"
    said = "Please ask a person."
    assert whole["answer"]["choices"][0]["message"]["content"] == said
    assert (streamed(stream), stream["pieces"][-1]["choices"][0]["finish_reason"]) == (said, "stop")
    assert completion["answer"]["choices"][0]["text"] == said
    assert response["answer"]["output"][0]["content"][0]["text"] == said
