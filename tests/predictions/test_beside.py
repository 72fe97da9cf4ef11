"""A candidate contract judges the bytes of recorded calls beside the active one, and nobody who asks can notice."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.guard import Guard
from sidecar.predictions import Prediction, opinions, rows_of, to_record
from tests.kit.guards import guard, policy

from .calls import judged_call, read_of

ACTIVE = """
mode: MODE
on_bad_rows: drop_rows
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000, on_violation: clamp}
prediction:
  score: {type: float, min: 0, max: 1}
candidate: next.yaml
"""
NEXT = """
contract:
  mode: "off"
  unknown_features: warn
  features:
    age: {type: int, min: 18, max: 120}
    income: {type: float, min: 0, max: 500}
    job: {type: string, required: false, on_violation: warn, max_length: 2}
  prediction:
    score: {type: float, min: 0, max: 0.5, on_violation: warn}
"""


def judged(tmp_path: Path, mode: str = "enforce", text: str = NEXT) -> Guard:
    (tmp_path / "next.yaml").write_text(text)
    return guard(tmp_path, policy(ACTIVE.replace("MODE", mode), model="protocol: tfserving, name: credit"))


def body(*rows: tuple[Any, ...]) -> bytes:
    return json.dumps({"instances": [dict(zip(("age", "income", "job"), row, strict=False)) for row in rows]}).encode()


def scores(*values: float) -> bytes:
    return json.dumps({"predictions": values}).encode()


BATCH = body((30, 10.0), (12, 10.0), (40, 700.0), (50, 5000.0), (130, 10.0), (60, 10.0, "long"))
REPLY = scores(0.1, 0.2, 0.3, 0.4, 0.9)
AGREEMENT = [
    ("ok", "ok"),
    ("ok", "rejected"),  # age.min is 18
    ("ok", "rejected"),  # income.max is 500
    ("repaired", "rejected"),
    ("rejected", "rejected"),
    ("ok", "observed"),
]


def told(judge: Guard, request: bytes = BATCH, reply: bytes | None = REPLY, **other: Any) -> list[Prediction]:
    record, payloads = judged_call(judge, request, reply, **other)
    return rows_of(read_of(record, payloads), judge)


def test_each_row_has_both_verdicts_and_what_the_candidate_found(tmp_path: Path) -> None:
    rows = told(judged(tmp_path))
    assert [row.verdict for row in rows] == ["ok", "ok", "ok", "repaired", "rejected", "ok"]
    found = [row.candidate for row in rows]
    assert [(one.active, one.verdict) for one in found if one is not None] == AGREEMENT
    assert [[item.code for item in one.violations] for one in found if one is not None] == [
        [], ["age.min"], ["income.max"], ["income.max"], ["age.max"], ["job.max_length", "prediction.score.max"],
    ]  # fmt: skip
    assert found[1] is not None
    (broken,) = found[1].violations
    assert (broken.feature, broken.applied, broken.enforced) == ("age", "reject", False)


def test_the_record_holds_it_and_comes_back(tmp_path: Path) -> None:
    row = told(judged(tmp_path))[1]
    record = to_record(row)
    assert record["candidate"] == {
        "verdict": "rejected",
        "active": "ok",
        "violations": [{"code": "age.min", "feature": "age", "applied": "reject", "enforced": False}],
    }
    back = msgspec.convert(record, Prediction)
    assert back.candidate == row.candidate


def test_while_the_active_contract_observes_both_are_judged_as_if_they_enforced(tmp_path: Path) -> None:
    record, payloads = judged_call(
        judged(tmp_path, "observe"), BATCH, scores(0.1, 0.2, 0.3, 0.4, 0.45, 0.9), mode="observe"
    )
    found = opinions(record, payloads, judged(tmp_path, "observe"))
    assert [(one.active.outcome.value, one.candidate.outcome.value) for one in found] == AGREEMENT


def test_no_answer_depends_on_a_candidate(tmp_path: Path) -> None:
    with_one, without = (
        judged(tmp_path),
        guard(
            tmp_path,
            policy(
                ACTIVE.replace("MODE", "enforce").replace("candidate: next.yaml\n", ""),
                model="protocol: tfserving, name: credit",
            ),
        ),
    )
    for request in (BATCH, body((12, 600.0)), body((30, 1.0)), b"{"):
        one = with_one.judge_request(request, "", lambda name: None, "", 0.0)
        other = without.judge_request(request, "", lambda name: None, "", 0.0)
        assert (one.verdict, one.body, one.edits) == (other.verdict, other.body, other.edits)
        assert with_one.accept_request(request) == without.accept_request(request)


@pytest.mark.parametrize(
    "other",
    [{"mode": "off"}, {"streamed": True}, {"request_digest": "b2:0a"}, {"policy_digest": "b2:" + "0" * 64}],
    ids=["off", "streamed", "not kept", "another policy"],
)
def test_what_was_not_judged_or_kept_has_no_opinion(tmp_path: Path, other: dict[str, Any]) -> None:
    judge = judged(tmp_path)
    record, payloads = judged_call(judge, BATCH, REPLY)
    changed = type(record)(**{name: getattr(record, name) for name in record.__struct_fields__} | other)
    assert opinions(changed, payloads, judge) == []
    assert opinions(record, (), judge) == []
    assert all(row.candidate is None for row in rows_of(read_of(changed, payloads), judge))


def test_a_policy_without_a_candidate_has_no_opinion(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy("features: {age: {type: int}}", model="protocol: tfserving"))
    record, payloads = judged_call(judge, body((30, 1.0)), scores(0.1))
    assert opinions(record, payloads, judge) == []
    assert [row.candidate for row in rows_of(read_of(record, payloads), judge)] == [None]


def test_headers_that_no_record_keeps_are_not_judged_by_either(tmp_path: Path) -> None:
    region = "region: {type: category, values: [n], from: 'header:x-region', on_violation: reject}"
    kept = "kind: {type: category, values: [json], from: 'header:content-type', on_violation: warn}"
    rules = "rules: [{id: near, expect: \"region == 'n' or age > 99\"}]"
    contract = f"{{age: {{type: int, max: 90}}, {region}, {kept}}}"
    (tmp_path / "next.yaml").write_text(f"contract:\n  features: {contract}\n  {rules}\n")
    text = f"mode: enforce\nfeatures: {contract.replace('90', '80')}\n{rules}\ncandidate: next.yaml"
    judge = guard(tmp_path, policy(text, model="protocol: tfserving"))
    request = b'{"instances": [{"age": 30}, {"age": 85}]}'
    record, payloads = judged_call(judge, request, scores(0.1, 0.2), request_headers=(("content-type", "text"),))
    found = opinions(record, payloads, judge)
    assert [[one.code for one in row.active.broken] for row in found] == [["kind.values"], ["age.max", "kind.values"]]
    assert [row.candidate.outcome.value for row in found] == ["observed", "observed"]


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_a_rule_that_only_observes_counts_as_the_records_own_would_does(tmp_path: Path, mode: str) -> None:
    """Both contracts as if everything enforced: what `would` says of the call, `active` says of its row."""
    rule = "rules: [{id: old, expect: age < 60, mode: observe}]"
    (tmp_path / "next.yaml").write_text(
        f"contract:\n  features: {{age: {{type: int}}}}\n  {rule.replace('60', '50')}\n"
    )
    text = f"mode: {mode}\nfeatures: {{age: {{type: int}}}}\n{rule}\ncandidate: next.yaml"
    judge = guard(tmp_path, policy(text, model="protocol: tfserving, name: credit"))
    for age, both in ((30, ("ok", "ok")), (55, ("ok", "rejected")), (65, ("rejected", "rejected"))):
        record, payloads = judged_call(judge, body((age,)), scores(0.1), mode=mode)
        would = judge.judge_request(payloads[0], "", lambda name: None, "", 0.0).verdict.would
        (found,) = opinions(record, payloads, judge)
        assert (found.active.outcome.value, found.candidate.outcome.value) == both
        assert found.active.outcome is would


def test_coded_bodies_are_unpacked(tmp_path: Path) -> None:
    judge = judged(tmp_path)
    record, (_, reply) = judged_call(
        judge, body((12, 1.0)), scores(0.9), request_headers=(("content-encoding", "gzip"),)
    )
    (found,) = opinions(record, (gzip.compress(body((12, 1.0))), reply), judge)
    assert (found.active.outcome.value, found.candidate.outcome.value) == ("ok", "rejected")


def test_an_answer_that_is_none_leaves_the_requests_verdict(tmp_path: Path) -> None:
    judge = judged(tmp_path)
    for reply in (b"<html>", b'{"predictions": [0.1, 0.2]}', None):
        record, payloads = judged_call(judge, body((60, 1.0)), reply)
        (found,) = opinions(record, payloads, judge)
        assert found.candidate.outcome.value == "ok"


def test_a_request_that_a_contract_cannot_read_is_unchecked_by_it(tmp_path: Path) -> None:
    (tmp_path / "next.yaml").write_text("contract: {features: {petal: {type: float}, sepal: {type: float}}}")
    contract = "mode: enforce\nfeatures: {petal: {type: json}}\ncandidate: next.yaml"
    judge = guard(tmp_path, policy(contract, model="protocol: tfserving"))
    request = b'{"instances": [[1.0, 2.0], [3.0, 4.0]]}'  # one feature may be a whole row; two may not, without columns
    record, payloads = judged_call(judge, request, scores(1, 2))
    found = opinions(record, payloads, judge)
    assert [(one.active.outcome.value, one.candidate.outcome.value) for one in found] == [("ok", "unchecked")] * 2
