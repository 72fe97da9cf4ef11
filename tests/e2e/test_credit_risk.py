"""The two long examples, credit-risk.yaml under sidecar.yaml, before a runtime of one's own on MLServer: slices from
headers, repairs, rules, fallbacks, each seen by the caller, by the model and in the record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from .others import mlserver
from .processes import ROOT, Sidecar, eventually, sidecar_command

POLICIES = ROOT / "policies"
INFER = "/v2/models/credit-risk/infer"
HOUR = timedelta(hours=1)
BROKEN_LOAN, WILD_LOAN = 500.0, 600.0  # the model of peers/credit_mlserver.py fails, or answers nonsense
pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("credit-risk")
    with mlserver(folder) as server:
        flags = ("--config", str(POLICIES / "sidecar.yaml"), "--policy", str(POLICIES / "credit-risk.yaml"))
        with Sidecar(folder / "sidecar", *flags, "--upstream", server) as running:
            running.until_ready()
            yield running
            assert "Traceback" not in running.said()


def row(**changed: Any) -> dict[str, Any]:
    """A good one, or what becomes of it."""
    good: dict[str, Any] = {
        "application_id": "a-1",
        "age": 41,
        "income": 50_000.0,
        "tenure_months": 18,
        "occupation": "employed",
        "postcode": "12043",
        "balance_at": (datetime.now(UTC) - HOUR).isoformat(),
        "salary": 4300.0,
        "loan_amount": 9000.0,
        "profile": [0.5] * 64,
    }
    return {**good, **changed}


def body(*rows: dict[str, Any]) -> dict[str, Any]:
    """As a caller of a model with a matrix and named tensors writes it."""
    count = len(rows)
    matrix = [each[name] for each in rows for name in ("age", "income", "tenure_months")]
    inputs = [{"name": "input-0", "shape": [count, 3], "datatype": "FP64", "data": matrix}]
    for name in ("application_id", "occupation", "postcode", "balance_at"):
        inputs.append({"name": name, "shape": [count], "datatype": "BYTES", "data": [each[name] for each in rows]})
    for name in ("salary", "loan_amount"):
        inputs.append({"name": name, "shape": [count], "datatype": "FP64", "data": [each[name] for each in rows]})
    profiles = [value for each in rows for value in each["profile"]]
    inputs.append({"name": "profile", "shape": [count, 64], "datatype": "FP64", "data": profiles})
    return {"id": "r", "inputs": inputs}


def ask(sidecar: Sidecar, *rows: dict[str, Any], **headers: str) -> httpx.Response:
    given = {"x-region": "n", "x-caller": "mobile"} | {name.replace("_", "-"): text for name, text in headers.items()}
    sent = {name: text for name, text in given.items() if text}
    return httpx.post(sidecar.url + INFER, json=body(*rows), headers=sent, timeout=60, trust_env=False)


def scores(answer: httpx.Response) -> list[float]:
    return [score for output in answer.json()["outputs"] if output["name"] == "score" for score in output["data"]]


def seen(answer: httpx.Response) -> dict[str, Any]:
    """What the model says it was sent."""
    (told,) = [output["data"][0] for output in answer.json()["outputs"] if output["name"] == "seen"]
    found: dict[str, Any] = json.loads(told)
    return found


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["x-contract-verdict"]


def test_both_examples_pass_check() -> None:
    for files in (("credit-risk.yaml",), ("sidecar.yaml",), ("credit-risk.yaml", "sidecar.yaml")):
        done = sidecar_command("check", *(str(POLICIES / file) for file in files))
        assert (done.returncode, "0 errors" in done.stderr + done.stdout) == (0, True), done.stdout


def test_the_server_is_the_model_that_the_policy_pins(sidecar: Sidecar) -> None:
    (policy,) = eventually(lambda: sidecar.readyz()[1]["policies"])
    assert (policy["name"], policy["identity"], policy["model_version"]) == ("credit-risk", "match", "14")


def test_a_good_row_reaches_the_model_without_the_slice_that_is_not_for_it(sidecar: Sidecar) -> None:
    answer = ask(sidecar, row())
    assert (*told(answer), scores(answer)) == (200, "ok", [0.5])
    assert answer.headers["x-model-version"] == "14"
    assert answer.headers["x-policy"].startswith("credit-risk@2.3.0;digest=")
    model = seen(answer)
    assert model["inputs"]["input-0"] == [41, 50_000, 18]
    assert "x-caller" in model["headers"] and "x-region" not in model["headers"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"age": 130}, "age.max at /inputs/0/data/0"),
        ({"loan_amount": 50.0}, "loan_amount.min at /inputs/6/data/0"),
        ({"occupation": "retired"}, "rule.retired-earns-no-salary"),
        ({"income": -999}, "income.null at /inputs/0/data/1"),
    ],
)
def test_what_is_refused(sidecar: Sidecar, changed: dict[str, Any], code: str) -> None:
    answer = ask(sidecar, row(**changed))
    assert told(answer) == (422, "rejected")
    assert code in answer.json()["error"] and "ask #risk-ml-oncall" in answer.json()["error"]


@pytest.mark.parametrize(
    ("changed", "name", "sent"),
    [
        ({"income": 9_000_000.0}, "input-0", [41, 5_000_000, 18]),
        ({"tenure_months": None}, "input-0", [41, 50_000, 0]),
        ({"occupation": "astronaut"}, "occupation", ["other"]),
    ],
)
def test_what_is_repaired_arrives_repaired(
    sidecar: Sidecar, changed: dict[str, Any], name: str, sent: list[Any]
) -> None:
    answer = ask(sidecar, row(**changed))
    assert told(answer) == (200, "repaired;rows=1")
    assert seen(answer)["inputs"][name] == sent


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"postcode": "1204"}, "postcode.pattern"),
        ({"balance_at": (datetime.now(UTC) - 90 * HOUR).isoformat()}, "balance_at.max_age"),
        ({"income": 800.0}, "rule.loan-within-reach"),
        ({"salary": None}, ""),
        ({"occupation": "retired", "salary": None}, ""),
    ],
)
def test_what_is_only_told(sidecar: Sidecar, changed: dict[str, Any], codes: str) -> None:
    assert told(ask(sidecar, row(**changed))) == (200, f"observed;codes={codes}" if codes else "ok")


@pytest.mark.parametrize(("region", "code"), [("", "region.required"), ("north", "region.values")])
def test_a_slice_alone_refuses_nobody(sidecar: Sidecar, region: str, code: str) -> None:
    answer = ask(sidecar, row(), x_region=region)
    assert told(answer) == (200, f"observed;codes={code}")
    assert "x-region" not in seen(answer)["headers"]


def test_nonsense_and_failures_of_the_model_are_answered_by_the_fallback(sidecar: Sidecar) -> None:
    wild = ask(sidecar, row(), row(application_id="a-2", loan_amount=WILD_LOAN))
    assert (*told(wild), scores(wild)) == (200, "fallback;rows=1", [0.5, 0.5])
    half = ask(sidecar, row(income=150_000.0), row(application_id="a-2", loan_amount=WILD_LOAN))
    assert scores(half) == [0.25, 0.5]
    broken = ask(sidecar, row(), row(application_id="a-2", loan_amount=BROKEN_LOAN))
    assert (*told(broken), scores(broken)) == (200, "fallback;rows=2", [0.5, 0.5])
    assert (broken.json()["id"], broken.json()["model_name"]) == ("r", "credit-risk")


def test_the_record_has_slices_and_hides_what_is_to_be_hidden(sidecar: Sidecar) -> None:
    answer = ask(sidecar, row(age=70, income=9_000_000.0, application_id="told"))
    prediction = answer.headers["x-prediction-id"]

    def look() -> dict[str, Any] | None:
        done = sidecar_command("log", "export", "--data", str(sidecar.data), "--format", "jsonl")
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return next((each for each in found if each["prediction_id"] == prediction), None)

    record = eventually(look)
    assert (record["caller"], record["model"], record["verdict"]) == (
        "mobile",
        {"name": "credit-risk", "version": "14"},
        "repaired",
    )
    assert record["slices"]["seniors"] is True and "region" not in record["slices"]
    assert (record["features"]["income"], record["raw_features"]["income"]) == (5_000_000, 9_000_000)
    assert "region" not in record["features"] and record["features"]["postcode"] != "12043"
    assert record["entity"] == "told" and record["environment"] == "production"
