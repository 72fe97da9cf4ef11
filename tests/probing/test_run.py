"""Probing finds the faults that are planted, names the features that matter, and finds nothing in a good model."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.policy import load
from sidecar.probing import Plan, ProbeError, Reply, Severity, probe
from sidecar.probing.answers import said
from sidecar.runtime.compile import compile_guard
from tests.probing.desk import NOW, Desk, Status, kinds

CONTRACT = """
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000000}
  job: {type: category, values: [employed, retired, student]}
prediction:
  score: {type: float, min: 0, max: 1}
"""


def score(row: Mapping[str, Any]) -> float:
    """A model that uses all three, and answers anything."""
    jobs = {"employed": 0.1, "retired": 0.2, "student": 0.3}
    age = row["age"] if isinstance(row.get("age"), int | float) else 0
    income = row["income"] if isinstance(row.get("income"), int | float) else 0
    value = age / 1000 + income / 1e7 + jobs.get(str(row.get("job")), 0.0)
    return min(max(value, 0.0), 1.0)


def test_a_model_that_keeps_its_promises_has_only_notes(tmp_path: Path) -> None:
    desk = Desk(tmp_path, CONTRACT, score)
    probed = desk.probe()
    assert probed.count(Severity.ERROR) == probed.count(Severity.WARNING) == 0
    assert {finding.kind.value for finding in probed.findings} == {"answers_outside"}
    assert probed.asked["boundary"] > 5 and probed.asked["pairwise"] > 5 and probed.asked["batch"] == 1
    sent = [row for rows in desk.asked for row in rows]
    assert {0, 120} <= {row.get("age") for row in sent}
    assert {"employed", "retired", "student"} <= {row.get("job") for row in sent}


def test_a_server_error_is_shrunk_to_the_value_where_it_begins(tmp_path: Path) -> None:
    def model(row: Mapping[str, Any]) -> object:
        return Status(500) if row.get("age", 0) > 97 else score(row)

    found = kinds(Desk(tmp_path, CONTRACT, model).probe())["server_error"]
    assert found.features == ("age",)
    assert found.row["age"] == 98


def test_a_pair_that_fails_together_is_named_as_a_pair(tmp_path: Path) -> None:
    def model(row: Mapping[str, Any]) -> object:
        return Status(500) if row.get("job") == "student" and row.get("age", 0) >= 100 else score(row)

    found = kinds(Desk(tmp_path, CONTRACT, model).probe())["server_error"]
    assert set(found.features) == {"age", "job"}
    assert (found.row["age"], found.row["job"]) == (100, "student")


def test_a_refused_good_row_and_a_prediction_out_of_contract(tmp_path: Path) -> None:
    def model(row: Mapping[str, Any]) -> object:
        if row.get("job") == "retired":
            return Status(400)
        return 1.7 if row.get("income") == 0 else score(row)

    found = kinds(Desk(tmp_path, CONTRACT, model).probe())
    assert found["refused"].features == ("job",)
    assert found["output"].detail == "prediction.score.max"
    assert found["output"].features == ("income",)


def test_an_answer_that_changes_and_one_that_never_does(tmp_path: Path) -> None:
    draw = random.Random(1)
    found = kinds(Desk(tmp_path, CONTRACT, lambda row: draw.random()).probe())
    assert found["non_deterministic"].severity is Severity.WARNING
    assert "no_effect" not in found  # nothing can be said of a model that answers at random
    dead = Desk(tmp_path, CONTRACT, lambda row: score({**row, "income": 5.0})).probe()
    assert kinds(dead)["no_effect"].features == ("income",)


def test_what_a_batch_changes_is_seen(tmp_path: Path) -> None:
    desk = Desk(tmp_path, CONTRACT, score)
    real = desk.ask

    def ask(body: bytes, rows: object) -> object:
        reply = real(body, rows)  # type: ignore[arg-type]
        return reply if len(desk.asked[-1]) == 1 else type(reply)(200, b'{"predictions": [' + b"0.5," * 7 + b"0.5]}")

    desk.ask = ask  # type: ignore[method-assign,assignment]
    assert "batch" in kinds(desk.probe())


def test_what_is_missing_or_out_of_range_must_not_bring_the_server_down(tmp_path: Path) -> None:
    def model(row: Mapping[str, Any]) -> object:
        if "age" not in row or row["age"] is None:
            return Status(500)
        return Status(422) if not isinstance(row["age"], int) else score(row)

    found = [each for each in Desk(tmp_path, CONTRACT, model).probe().findings if each.kind.value == "breaks_outside"]
    assert {each.features for each in found} == {("age",)}
    assert found[0].severity is Severity.WARNING


def test_one_cause_is_one_finding_however_many_rows_meet_it(tmp_path: Path) -> None:
    wide = CONTRACT + "".join(f"  f{number}: {{type: int, min: 0, max: 9}}\n" for number in range(12))
    contract = (
        wide.replace("prediction:\n  score: {type: float, min: 0, max: 1}\n", "") + CONTRACT[CONTRACT.index("pred") :]
    )

    def model(row: Mapping[str, Any]) -> object:
        return Status(500) if row.get("age", 0) > 97 or row.get("job") == "student" else score(row)

    errors = [each for each in Desk(tmp_path, contract, model).probe().findings if each.kind.value == "server_error"]
    assert sorted(each.features for each in errors) == [("age",), ("job",)]


def test_a_usual_row_that_fails_explains_all_that_fail_alike(tmp_path: Path) -> None:
    (finding,) = Desk(tmp_path, CONTRACT, lambda row: Status(422)).probe().findings
    assert (finding.kind.value, finding.features) == ("refused", ())


@pytest.mark.parametrize(("status", "words"), [(404, "the inference route"), (401, "--header"), (405, "route")])
def test_an_answer_that_says_nothing_of_the_row_ends_it(tmp_path: Path, status: int, words: str) -> None:
    with pytest.raises(ProbeError, match=f"status {status} to a good row: .*{words}"):
        Desk(tmp_path, CONTRACT, lambda row: Status(status)).probe()


def test_a_refusal_is_told_in_the_servers_words() -> None:
    assert said(Reply(400, b'{"error":\n  "age?"}')) == ': {"error": "age?"}'
    assert said(Reply(400, b"{}")) == ""
    assert len(said(Reply(500, b"x" * 9999))) < 200


def test_an_unknown_name_may_be_ignored_refused_or_matter(tmp_path: Path) -> None:
    assert "unknown_matters" not in kinds(Desk(tmp_path, CONTRACT, score).probe())
    matters = Desk(tmp_path, CONTRACT, lambda row: min(score(row) + 0.01 * len(row), 1.0)).probe()
    assert kinds(matters)["unknown_matters"].features == ("never_heard_of",)
    strict = Desk(tmp_path, CONTRACT, lambda row: Status(400) if "never_heard_of" in row else score(row)).probe()
    assert kinds(strict)["refused"].features == ("never_heard_of",)
    assert "unknown_features: strip or reject" in kinds(strict)["refused"].means


def test_an_optional_value_is_left_out_and_its_default_is_what_is_sent(tmp_path: Path) -> None:
    contract = "features:\n  age: {type: int, min: 0, max: 9, required: false, default: 4}\n"
    desk = Desk(tmp_path, contract, lambda row: row["age"] / 10)
    assert desk.probe().asked["missing"] == 1
    assert [{"age": 4}] in desk.asked


def test_a_pattern_or_a_rule_that_nothing_fits_asks_for_a_row(tmp_path: Path) -> None:
    contract = 'features:\n  code: {type: string, pattern: "(?i)[^a-z]{3}x"}\n'
    with pytest.raises(ProbeError, match="no good value for `code`"):
        Desk(tmp_path, contract, lambda row: 0.5).probe()
    probed = Desk(tmp_path, contract, lambda row: 0.5).probe({"code": "123X"})
    assert probed.count(Severity.ERROR) == 0


def test_no_answer_at_all_is_no_finding_but_a_failure_to_ask(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="connection reset"):
        Desk(tmp_path, CONTRACT, lambda row: Status(0)).probe()


def test_it_stops_when_it_was_told_to(tmp_path: Path) -> None:
    desk = Desk(tmp_path, CONTRACT, score)
    probed = desk.probe(most_requests=12)
    assert probed.stopped and probed.requests == len(desk.asked) == 12


def test_the_same_seed_asks_the_same_rows(tmp_path: Path) -> None:
    asked = []
    more = CONTRACT.replace("prediction:", "  tenure: {type: int, min: 0, max: 9}\nprediction:")
    for seed in (7, 7, 8):
        desk = Desk(tmp_path, more, score)
        desk.probe(seed=seed)
        asked.append(desk.asked)
    assert asked[0] == asked[1] != asked[2]


def test_a_deprecated_feature_is_sent_like_any_other(tmp_path: Path) -> None:
    lines = CONTRACT.replace("  job:", "  legacy: {type: float, lifecycle: deprecated}\n  job:")
    desk = Desk(tmp_path, lines, score)
    probed = desk.probe()
    assert probed.count(Severity.ERROR) == 0
    assert any("legacy" in row for rows in desk.asked for row in rows)


@pytest.mark.parametrize(
    "model",
    [
        "{protocol: oip, name: credit, columns: {input-0: [age, income, tenure]}}",
        "{protocol: json, path: /predict, rows: /instances, columns: [age, income, tenure]}",
    ],
)
def test_columns_that_the_contract_does_not_name_are_asked_for_and_then_sent(tmp_path: Path, model: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"policy: credit\nmodel: {model}\ncontract: {{features: {{age: {{type: int, min: 0, max: 9}}}}}}\n")
    policy = load([file]).policies[0]
    bodies: list[bytes] = []

    def ask(body: bytes, rows: Sequence[Mapping[str, Any]]) -> Reply:
        bodies.append(body)
        return Reply(400, b"{}")

    def probed(example: Mapping[str, Any]) -> None:
        probe(policy.contract, compile_guard(policy), ask, Plan(now_seconds=NOW), example)

    with pytest.raises(ProbeError, match="the model takes income, tenure too"):
        probed({"income": 2.5})
    assert not bodies
    probed({"income": 2.5, "tenure": 7})
    assert bodies and all(b"2.5" in body and b"7" in body for body in bodies)
