"""`sidecar probe` against a real HTTP server that fails where it is told to, and against a real MLServer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.demo.model_server import find_mlserver, start_mlserver
from sidecar.demo.ports import pick
from tests.kit.pages import NOT_FOUND, Asked, Page, answering, shown

POLICY = """
policy: credit
model: {protocol: tfserving, name: credit}
contract:
  features:
    age: {type: int, min: 0, max: 120}
    region: {type: category, values: [n, s], from: "header:x-region"}
  prediction:
    score: {type: float, min: 0, max: 1}
"""


class Model:
    """Answers age / 1000; falls over above 100; says no to a region it does not know. `callers`: their addresses."""

    def __init__(self) -> None:
        self.callers: list[tuple[str, int]] = []
        self.url = ""

    def answer(self, asked: Asked) -> Page:
        self.callers.append(asked.caller)
        ages = [row.get("age") for row in json.loads(asked.body)["instances"]]
        if asked.path != "/v1/models/credit:predict" or asked.headers.get("x-region") not in ("n", "s", None):
            return shown({}, 404)
        if any(isinstance(age, int) and age > 100 for age in ages):
            return shown({}, 500)
        return shown({"predictions": [(age or 0) / 1000 if not isinstance(age, str) else 0.5 for age in ages]})


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    with answering(made.answer) as made.url:
        yield made


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


def test_no_row_is_blamed_for_a_connection_that_the_row_before_it_broke(model: Model, policy: Path) -> None:
    main(["probe", model.url, "--policy", str(policy), "--pairs", "5"])
    assert len(set(model.callers)) == len(model.callers) > 20


def test_a_crash_is_found_shrunk_and_can_be_sent_again(
    model: Model, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", model.url, "--policy", str(policy), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (error,) = [each for each in found["findings"] if each["severity"] == "error"]
    assert (error["kind"], error["features"], error["row"]["age"]) == ("server_error", ["age"], 101)
    assert json.loads(error["body"])["instances"][0]["age"] == 101
    assert found["errors"] == 1


def test_a_person_reads_what_it_means(model: Model, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", model.url, "--policy", str(policy)]) == 1
    out = capsys.readouterr().out
    assert "error[server_error]: age: status 500" in out
    assert "the contract allows the row, the server fails on it" in out
    assert "\n1 error, " in out


def test_a_narrower_contract_makes_it_good(model: Model, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy.write_text(POLICY.replace("max: 120", "max: 100"))
    assert main(["probe", model.url, "--policy", str(policy), "--format", "json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["errors"], found["warnings"]) == (0, 1)  # it still falls over at 101, which the contract now forbids
    assert {each["kind"] for each in found["findings"] if each["severity"] == "warning"} == {"breaks_outside"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["http://127.0.0.1:1", "--policy", "POLICY"], "no answer"),
        (["ftp://x", "--policy", "POLICY"], "give the model server's URL"),
        (["http://127.0.0.1:1", "--policy", "/nowhere.yaml"], "nowhere.yaml"),
        (["http://127.0.0.1:1", "--policy", "POLICY", "--row", "[1]"], "JSON object"),
        (["http://127.0.0.1:1", "--policy", "POLICY", "--header", "x"], "write NAME:VALUE"),
        (["http://127.0.0.1:1", "--policy", "POLICY", "--model", "m"], "OpenAI requests alone name a model"),
    ],
)
def test_what_cannot_be_asked_is_said(
    words: list[str], message: str, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(policy) if word == "POLICY" else word for word in words]
    assert main(["probe", *given]) == 2
    assert message in capsys.readouterr().err


def test_the_route_comes_from_the_protocol_the_path_or_the_url(policy: Path) -> None:
    from sidecar.cli.probe import inference_url
    from sidecar.policy import load

    (credit,) = load([policy]).policies
    assert inference_url("http://m:1", credit) == "http://m:1/v1/models/credit:predict"
    assert inference_url("http://m:1/mine", credit) == "http://m:1/mine"
    policy.write_text("policy: p\nmodel: {protocol: json, path: /predict}\ncontract: {features: {a: {type: int}}}\n")
    (plain,) = load([policy]).policies
    assert inference_url("http://m:1/", plain) == "http://m:1/predict"


class Assistant:
    """Answers chat completions for models it lists, and refuses requests that name none of them, as vLLM does."""

    def __init__(self) -> None:
        self.models = ["org/small"]
        self.asked: list[dict[str, Any]] = []
        self.url = ""

    def answer(self, asked: Asked) -> Page:
        if asked.method == "GET":
            return shown({"data": [{"id": name} for name in self.models]}) if asked.path == "/v1/models" else NOT_FOUND
        body = json.loads(asked.body)
        self.asked.append(body)
        if asked.path != "/v1/chat/completions" or body.get("model") not in self.models:
            return shown({"error": {"message": "which model?"}}, 400)
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        return shown({"model": body["model"], "choices": [choice]})

    @property
    def named(self) -> set[str]:
        """The models that requests named."""
        return {body.get("model", "") for body in self.asked}


@pytest.fixture
def assistant() -> Iterator[Assistant]:
    made = Assistant()
    with answering(made.answer) as made.url:
        yield made


class TestOpenAi:
    """The body names the model: the policy's, --model, or the only one that the server lists."""

    @pytest.fixture
    def chat(self, tmp_path: Path) -> Path:
        file = tmp_path / "chat.yaml"
        file.write_text(
            "policy: chat\nmodel: {protocol: openai}\n"
            "contract: {unknown_features: reject, features: {max_tokens: {type: int, min: 1, max: 64}}}\n"
        )
        return file

    def test_the_only_model_of_the_server(self, assistant: Assistant, chat: Path) -> None:
        assert main(["probe", assistant.url, "--policy", str(chat)]) == 0
        assert assistant.named == {"org/small"}

    def test_one_of_several_is_chosen(
        self, assistant: Assistant, chat: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assistant.models.append("org/large")
        assert main(["probe", assistant.url, "--policy", str(chat)]) == 2
        assert "the server has org/small, org/large; choose one with --model NAME" in capsys.readouterr().err
        assert main(["probe", assistant.url, "--policy", str(chat), "--model", "org/large"]) == 0
        assert assistant.named == {"org/large"}

    def test_the_policys_model_and_the_examples_own_words(self, assistant: Assistant, chat: Path) -> None:
        chat.write_text(chat.read_text().replace("{protocol: openai}", "{protocol: openai, name: org/small}"))
        assistant.models.append("org/large")
        words = ["--row", '{"messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 8}']
        assert main(["probe", assistant.url, "--policy", str(chat), *words]) == 0
        assert assistant.named == {"org/small"}
        assert {body["messages"][0]["content"] for body in assistant.asked} == {"Who are you?"}

    def test_a_finding_can_be_sent_again(
        self, assistant: Assistant, chat: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["--policy", str(chat), "--model", "none", "--format", "json"]
        assert main(["probe", assistant.url, *words]) == 1
        (finding, *_) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["kind"], json.loads(finding["body"])["model"]) == ("refused", "none")


@pytest.mark.slow
def test_a_real_mlserver_keeps_the_promises_of_the_iris_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binaries = find_mlserver(None)
    if binaries is None:
        pytest.skip("MLServer is not installed: `make mlserver` installs it into .venvs/mlserver")
    port = pick(0)
    pace = threading.Event()

    def tick() -> None:
        pace.wait(0.05)

    model = start_mlserver(binaries, tmp_path, port, pick(0, {port}), tick)
    written = (Path(__file__).parents[2] / "policies" / "iris.yaml").read_text()
    open_, closed = tmp_path / "open.yaml", tmp_path / "closed.yaml"
    open_.write_text(written)
    closed.write_text(written.replace("contract:\n", "contract:\n  unknown_features: reject\n", 1))
    how = ["--format", "json", "--pairs", "30", "--timeout", "10"]
    try:
        assert main(["probe", f"http://127.0.0.1:{port}", "--policy", str(closed), *how]) in (0, 3)
        assert json.loads(capsys.readouterr().out)["errors"] == 0
        # MLServer answers no request with a tensor that the model does not have (some versions never, others by an
        # error): a contract must refuse those.
        assert main(["probe", f"http://127.0.0.1:{port}", "--policy", str(open_), *how]) == 1
        found = json.loads(capsys.readouterr().out)["findings"]
        errors = [(each["kind"], each["about"]) for each in found if each["severity"] == "error"]
        assert errors in ([("no_answer", "unknown")], [("refused", "unknown")])
    finally:
        model.stop()
