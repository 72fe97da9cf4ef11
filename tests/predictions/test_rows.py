"""What a stored call says about each of its rows."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.exchange import Close, Edit, Feedback, Kind, Open, encode
from sidecar.guard import Guard
from sidecar.journal import Read
from sidecar.predictions import Prediction, each_row_of, rows_of, to_json, to_record
from tests.kit.guards import BAD, CLEAN, CREDIT, REPAIRABLE, broken, credit, guard, policy, rows, scores

from .calls import exchange, judged_call, prediction_id, read_of

KEY = b"k" * 32
FALLBACK = CREDIT + "fallback: {on: [contract, timeout], values: {score: 0.5}}\non_bad_rows: fallback\n"
PERSONAL = """
mode: enforce
features:
  age: {type: int, min: 0, max: 120, on_violation: clamp}
  income: {type: float, pii: true, on_violation: clamp, min: 0}
"""

# The record of the interface, in its order.
KEYS = [
    "prediction_id", "row", "request_id", "ts", "caller", "entity", "protocol", "model", "policy", "environment",
    "replica", "arm", "exposed", "propensity", "coin_id", "delivered", "perturbation", "weight", "verdict",
    "violations", "features", "raw_features", "prediction", "status", "latency_ms", "shadow", "label", "label_ts",
    "trace_id", "span_id", "slices", "unread", "candidate",
]  # fmt: skip


def told(judge: Guard | None, request: bytes, reply: bytes | None = None, **other: Any) -> list[Prediction]:
    assert judge is not None
    record, payloads = judged_call(judge, request, reply, **other)
    return rows_of(read_of(record, payloads), judge, key=KEY)


def test_a_clean_row_is_told_whole(tmp_path: Path) -> None:
    judge = credit(tmp_path)
    (row,) = told(judge, CLEAN, scores(0.25))
    record = to_record(row)
    assert list(record) == KEYS
    assert record["prediction_id"] == prediction_id(1)
    assert record["ts"] == "2026-01-02T03:04:06.123456Z"
    assert record["model"] == {"name": "credit", "version": "14"}
    assert record["policy"] == {"name": "credit", "version": "1.2.0", "digest": judge.identity.digest}
    assert (record["features"], record["raw_features"]) == ({"age": 30, "income": 1000.5}, {})
    assert (record["prediction"], record["delivered"]) == ({"score": 0.25}, {"score": 0.25})
    assert record["latency_ms"] == {"total": 1.5, "contract": 0.1, "upstream": 1.2, "first_byte": None}
    assert (record["verdict"], record["violations"], record["unread"]) == ("ok", [], "")
    assert (record["environment"], record["replica"], record["caller"]) == ("test", "pod-1", "mobile")


def test_a_repaired_row_tells_both_values(tmp_path: Path) -> None:
    (row,) = told(credit(tmp_path), REPAIRABLE, scores(0.25))
    assert row.verdict == "repaired"
    assert row.features == {"age": 30, "income": 0.0}
    assert row.raw_features == {"income": -5.5}
    assert [(item.code, item.feature, item.applied) for item in row.violations] == [("income.min", "income", "clamp")]


def test_a_rejected_row_is_told_as_it_came(tmp_path: Path) -> None:
    (row,) = told(credit(tmp_path), BAD)
    assert (row.verdict, row.status, row.delivered, row.prediction) == ("rejected", 422, None, {})
    assert row.features == {"age": 130, "income": 1000.5}
    assert not row.delivers


def test_rows_of_one_batch_have_verdicts_of_their_own(tmp_path: Path) -> None:
    judge = credit(tmp_path, FALLBACK)
    found = told(judge, rows([30, 1.0], [130, 2.0], [40, -3.0], [50, 4.0]), scores(0.1, 0.2, 0.3))
    assert [row.verdict for row in found] == ["ok", "fallback", "repaired", "ok"]
    assert [row.row for row in found] == [0, 1, 2, 3]
    assert [row.features["age"] for row in found] == [30, 130, 40, 50]
    assert [row.prediction for row in found] == [{"score": 0.1}, {}, {"score": 0.2}, {"score": 0.3}]
    assert [row.delivered for row in found] == [{"score": 0.1}, {"score": 0.5}, {"score": 0.2}, {"score": 0.3}]
    assert [len(row.violations) for row in found] == [0, 1, 1, 0]


def test_rows_that_fell_back_on_both_sides_are_told_apart(tmp_path: Path) -> None:
    contract = FALLBACK.replace("max: 1}", "max: 1, on_violation: fallback}")
    found = told(credit(tmp_path, contract), rows([30, 1.0], [130, 2.0], [40, 3.0], [50, 4.0]), scores(0.1, 7.0, 0.3))
    assert [row.verdict for row in found] == ["ok", "fallback", "fallback", "ok"]
    assert [row.prediction for row in found] == [{"score": 0.1}, {}, {"score": 7.0}, {"score": 0.3}]
    assert [row.delivered for row in found] == [{"score": 0.1}, {"score": 0.5}, {"score": 0.5}, {"score": 0.3}]
    assert found[2].violations[0].code == "prediction.score.max"


def test_a_row_that_was_never_sent_is_told_with_its_fallback(tmp_path: Path) -> None:
    contract = FALLBACK.replace("max: 120}", "max: 120, on_violation: fallback}")
    (row,) = told(credit(tmp_path, contract), BAD)
    assert (row.verdict, row.status) == ("fallback", 200)
    assert (row.prediction, row.delivered, row.features["age"]) == ({}, {"score": 0.5}, 130)


def test_outputs_that_the_policy_does_not_name_are_told_too(tmp_path: Path) -> None:
    features = "features: {age: {type: int}, income: {type: float}}"
    (row,) = told(guard(tmp_path, policy(features)), CLEAN, scores(0.25))
    assert row.prediction == {"score": 0.25}
    rows_policy = policy("features: {age: {type: int}}", model="protocol: tfserving, name: credit")
    (row,) = told(guard(tmp_path, rows_policy), b'{"instances": [{"age": 3}]}', b'{"predictions": [[0.1, 0.9]]}')
    assert (row.features, row.prediction) == ({"age": 3}, {"prediction": [0.1, 0.9]})
    own = policy("features: {age: {type: int}}", model="protocol: json, path: /predict, rows: /rows")
    (row,) = told(guard(tmp_path, own), b'{"rows": [{"age": 3}]}', b'[{"risk": 0.5, "class": "a"}]')
    assert row.prediction == {"risk": 0.5, "class": "a"}


def test_a_coded_payload_is_decoded(tmp_path: Path) -> None:
    judge = credit(tmp_path)
    record, (request, reply) = judged_call(judge, CLEAN, scores(0.25))
    record = msgspec.structs.replace(
        record,
        request_headers=(("content-encoding", "gzip"),),
        response_headers=(("content-encoding", "gzip"),),
    )
    (row,) = rows_of(read_of(record, (gzip.compress(request), gzip.compress(reply))), judge)
    assert (row.features["age"], row.prediction) == (30, {"score": 0.25})


def test_personal_data_is_hashed_wherever_it_stands(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy(PERSONAL))
    record, payloads = judged_call(judge, rows([130, -5.5]), scores(0.25))
    (row,) = rows_of(read_of(record, payloads), judge, key=KEY)
    assert row.features["income"].startswith("hash:")
    assert row.raw_features["income"].startswith("hash:")
    assert row.features["income"] != row.raw_features["income"]
    assert "-5.5" not in to_json(row).decode()
    (other,) = rows_of(read_of(record, payloads), judge, key=b"another key" * 3)
    assert other.features["income"] != row.features["income"]
    (keyless,) = rows_of(read_of(record, payloads), judge)
    assert "income" not in keyless.features
    assert "income" not in keyless.raw_features


def test_what_the_policy_drops_is_dropped_everywhere(tmp_path: Path) -> None:
    text = policy(CREDIT) + "capture: {hide: {income: drop, score: hash}}\n"
    (row,) = told(guard(tmp_path, text), REPAIRABLE, scores(0.25))
    assert "income" not in row.features
    assert row.raw_features == {}
    assert row.delivered is not None
    assert row.prediction["score"] == row.delivered["score"]
    assert row.prediction["score"].startswith("hash:")


def test_what_only_slices_see_is_no_feature(tmp_path: Path) -> None:
    contract = "mode: enforce\nfeatures:\n  age: {type: int}\n  region: {type: string, role: slice_only}\n"
    judge = guard(tmp_path, policy(contract, model="protocol: tfserving, name: credit"))
    (row,) = told(judge, b'{"instances": [{"age": 3, "region": "n"}]}', b'{"predictions": [0.5]}')
    assert (row.features, row.raw_features, row.verdict) == ({"age": 3}, {}, "ok")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"policy_digest": ""}, "no_policy"),
        ({"policy_digest": "b2:other"}, "policy_unknown"),
        ({"streamed": True}, "streamed"),
    ],
)
def test_a_call_that_cannot_be_looked_into_is_one_row(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    judge = credit(tmp_path)
    record, payloads = judged_call(judge, CLEAN, scores(0.25))
    (row,) = rows_of(read_of(msgspec.structs.replace(record, **change), payloads), judge, key=KEY)
    assert (row.unread, row.features, row.prediction) == (why, {}, {})


def test_payloads_that_were_not_kept_are_said(tmp_path: Path) -> None:
    judge = credit(tmp_path)
    record, (request, reply) = judged_call(judge, rows([1, 2.0], [3, 4.0]), scores(0.1, 0.2))
    (row,) = rows_of(read_of(record, ()), judge)
    assert row.unread == "not_kept"
    without_request = msgspec.structs.replace(record, request_digest="b2:00")
    found = rows_of(read_of(without_request, (b"", reply)), judge)
    assert [(row.unread, row.prediction["score"]) for row in found] == [("not_kept", 0.1), ("not_kept", 0.2)]
    without_reply = msgspec.structs.replace(record, response_digest="b2:00")
    found = rows_of(read_of(without_reply, (request, b"")), judge)
    assert [(row.unread, row.features["age"]) for row in found] == [("answer:not_kept", 1), ("answer:not_kept", 3)]


def test_a_body_that_is_not_what_it_says_gives_a_row_that_says_so(tmp_path: Path) -> None:
    judge = credit(tmp_path)
    (row,) = told(judge, b"\xff\xfe{")
    assert (row.unread, row.verdict, row.features) == ("malformed", "rejected", {})
    (row,) = told(judge, CLEAN, b"\x00")
    assert row.unread.startswith("answer:")
    assert row.features == {"age": 30, "income": 1000.5}
    record, payloads = judged_call(judge, CLEAN, scores(0.25))
    (row,) = rows_of(read_of(record, payloads), broken(judge, "request"))
    assert row.unread == "error:PlantedError"


def test_other_kinds_and_other_calls_are_no_predictions() -> None:
    health = exchange(route_kind="health")
    assert rows_of(read_of(health), None) == []
    feedback = Feedback(received_unix_ns=1)
    opening = Open(prediction_id="p", request_id="r", started_unix_ns=1, trace_id="", method="POST", target="/")
    for kind, record in ((Kind.FEEDBACK, feedback), (Kind.OPEN, opening)):
        assert rows_of(Read(kind, record, encode(record), (), "hot-0", "s", 0, 0, "", ""), None) == []
    assert rows_of(Read(99, None, b"", (), "hot-0", "s", 0, 0, "", ""), None) == []
    closed = Close(exchange=exchange(streamed=True))
    (row,) = rows_of(Read(Kind.CLOSE, closed, b"", (), "hot-0", "s", 0, 0, "", ""), None)
    assert row.story.streamed


def test_a_query_is_not_told(tmp_path: Path) -> None:
    (row,) = rows_of(read_of(exchange()), None)
    assert row.story.target == "/v2/models/credit/infer?…"


def test_a_row_is_stable_json_and_comes_back(tmp_path: Path) -> None:
    (row,) = told(credit(tmp_path), REPAIRABLE, scores(0.25))
    line = to_json(row)
    assert line == to_json(row)
    record = json.loads(line)
    back = msgspec.convert(record, Prediction)
    assert to_json(back) == line


def test_numbers_without_a_json_word_survive(tmp_path: Path) -> None:
    judge = guard(tmp_path, policy("features: {age: {type: float, finite: false}}", model="protocol: tfserving"))
    (row,) = told(judge, b'{"instances": [{"age": NaN}]}', b'{"predictions": [-Infinity]}')
    record = json.loads(to_json(row), parse_constant=pytest.fail)
    assert (record["features"], record["prediction"]) == (
        {"age": {"float": "nan"}},
        {"prediction": {"float": "-inf"}},
    )


@settings(max_examples=150, deadline=None)
@given(request=st.binary(max_size=60) | st.just(CLEAN), reply=st.binary(max_size=60), edits=st.booleans())
def test_no_payload_stops_the_reader(request: bytes, reply: bytes, edits: bool, tmp_path_factory: Any) -> None:
    judge = _judge(tmp_path_factory)
    record, payloads = judged_call(judge, request, reply)
    if edits:
        record = msgspec.structs.replace(record, request_edits=(Edit(3, 900, b"x"),))
    found = rows_of(read_of(record, payloads), judge, key=KEY)
    assert found
    assert all(json.loads(to_json(row)) for row in found)


_made: list[Guard] = []


def _judge(factory: Any) -> Guard:
    if not _made:
        _made.append(credit(factory.mktemp("policy")))
    return _made[0]


def test_rows_of_a_large_body_are_made_one_by_one(tmp_path: Path) -> None:
    judge = credit(tmp_path)
    record, payloads = judged_call(judge, rows(*[[30, 1000.5]] * 1000), scores(*[0.5] * 1000))
    read = read_of(record, payloads)
    whole = rows_of(read, judge, key=KEY)

    def most(take: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            take()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert [to_record(row) for row in each_row_of(read, judge, key=KEY)] == [to_record(row) for row in whole]
    one_by_one = most(lambda: deque(each_row_of(read, judge, key=KEY), maxlen=1))
    assert len(whole) == 1000
    assert one_by_one < most(lambda: rows_of(read, judge, key=KEY)) / 2
