"""A policy as the gateway asks it: bytes in, a decision out, never an exception (P4)."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.edits import splice
from sidecar.errors import WireError, WireFault
from sidecar.guard import GUARD_ERROR, Guard, Guards, Judged, decode_body, encode_body
from sidecar.verdict import ACCEPTED, Outcome
from sidecar.wire import RouteKind
from tests.kit.guards import (
    BAD,
    CLEAN,
    CREDIT,
    INFER,
    OBSERVED,
    REPAIRABLE,
    broken,
    credit,
    renamed,
    rows,
    scores,
)


def judge(guard: Guard, body: bytes, coding: str = "") -> Judged:
    return guard.judge_request(body, coding, lambda name: None, "", 0.0)


def test_both_paths_agree_on_a_clean_body(tmp_path: Path) -> None:
    guard = credit(tmp_path)
    assert guard.accept_request(CLEAN) == 1
    judged = judge(guard, CLEAN)
    assert (judged.verdict.outcome, judged.body, judged.edits, judged.rows) == (Outcome.OK, CLEAN, (), 1)


@pytest.mark.parametrize("body", [BAD, REPAIRABLE, b"", b"{", b"null", CLEAN[:-1], CLEAN + b"x"])
def test_the_fast_path_declines_what_is_not_clean(tmp_path: Path, body: bytes) -> None:
    assert credit(tmp_path).accept_request(body) == 0


cells = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-10, 130) | st.booleans() | st.none() | st.text()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=3))
def test_the_fast_path_never_takes_what_the_exact_one_would_not(
    tmp_path: Path, batch: list[tuple[object, ...]]
) -> None:
    guard = credit(tmp_path)
    body = rows(*batch)
    judged = judge(guard, body)
    if guard.accept_request(body):
        assert (judged.verdict.outcome, judged.verdict.violations, judged.body) == (Outcome.OK, (), body)
    if judged.verdict.outcome is Outcome.REPAIRED:
        assert judged.body == splice(body, judged.edits) != body
        assert judge(guard, judged.body).verdict.outcome is Outcome.OK


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100), st.sampled_from(["", "gzip", "deflate", "br", "identity", "gzip, gzip"]))
def test_any_bytes_are_judged_without_an_exception(tmp_path: Path, body: bytes, coding: str) -> None:
    guard = credit(tmp_path)
    assert judge(guard, body, coding).verdict.outcome is Outcome.REJECTED
    assert guard.accept_request(body) == 0
    reply = guard.judge_reply(body, coding, "", 0.0, sent_rows=1)
    assert reply.verdict.outcome is Outcome.REJECTED
    assert guard.accept_reply(body, 1) is None
    assert guard.fallback_reply(body, coding, 1) is None


def test_observing_only_says_what_enforcing_would_do(tmp_path: Path) -> None:
    observing, enforcing = credit(tmp_path, OBSERVED), credit(tmp_path, CREDIT)
    for body in (CLEAN, BAD, REPAIRABLE, b"{", b"\xff"):
        seen, applied = judge(observing, body), judge(enforcing, body)
        assert seen.body == body
        assert seen.verdict.violations == applied.verdict.violations
        assert seen.verdict.would is applied.verdict.would
        assert seen.verdict.outcome in (Outcome.OK, Outcome.OBSERVED, Outcome.UNCHECKED)


@pytest.mark.parametrize("side", ["request", "edit"])
def test_p4_a_fault_of_our_own_is_a_verdict(tmp_path: Path, side: str) -> None:
    judged = judge(broken(credit(tmp_path), side), REPAIRABLE)
    assert (judged.verdict.outcome, judged.verdict.reason) == (Outcome.REJECTED, GUARD_ERROR)
    assert judged.guard_error == "PlantedError"
    lenient = CREDIT.replace("features:", "on_guard_error: pass\nfeatures:")
    judged = judge(broken(credit(tmp_path, lenient), side), REPAIRABLE)
    assert (judged.verdict.outcome, judged.body) == (Outcome.UNCHECKED, REPAIRABLE)


def test_p4_on_the_answer_too(tmp_path: Path) -> None:
    judged = broken(credit(tmp_path), "reply").judge_reply(scores(0.5), "", "", 0.0, sent_rows=1)
    assert (judged.verdict.outcome, judged.guard_error) == (Outcome.REJECTED, "PlantedError")


def test_an_answer_to_a_request_that_was_not_read_may_have_any_number_of_rows(tmp_path: Path) -> None:
    guard = credit(tmp_path)
    assert guard.judge_reply(scores(0.5, 0.5), "", "", 0.0, sent_rows=-1).verdict.outcome is Outcome.OK
    assert guard.judge_reply(scores(0.5, 0.5), "", "", 0.0, sent_rows=1).verdict.outcome is Outcome.REJECTED
    assert guard.judge_reply(scores(0.5, 7.5), "", "", 0.0, sent_rows=-1).verdict.outcome is Outcome.REJECTED


def test_answers_pass_unread_where_nothing_is_checked(tmp_path: Path) -> None:
    guard = credit(tmp_path, CREDIT.partition("prediction:")[0])
    judged = guard.judge_reply(b"anything", "", "", 0.0, sent_rows=1)
    assert (judged.verdict, judged.body) == (ACCEPTED, b"anything")


def test_an_answer_states_its_model_version(tmp_path: Path) -> None:
    guard = credit(tmp_path)
    assert guard.accept_reply(scores(0.5), 1) == ""
    assert guard.accept_reply(scores(0.5, model_version="14"), 1) == "14"
    assert guard.accept_reply(scores(0.5), 2) is None


@pytest.mark.parametrize("coding", ["", "identity", "gzip", "x-gzip", "deflate"])
def test_codings_go_there_and_back(coding: str) -> None:
    assert decode_body(encode_body(CLEAN, coding), coding) == CLEAN


@pytest.mark.parametrize(
    ("body", "coding", "fault"),
    [
        (CLEAN, "br", WireFault.UNSUPPORTED),
        (CLEAN, "gzip, gzip", WireFault.UNSUPPORTED),
        (CLEAN, "gzip", WireFault.MALFORMED),
        (gzip.compress(CLEAN)[:-1], "gzip", WireFault.MALFORMED),
        (gzip.compress(CLEAN) + b"x", "gzip", WireFault.MALFORMED),
        (gzip.compress(CLEAN) * 2, "gzip", WireFault.MALFORMED),
        (zlib.compress(CLEAN)[:-1], "deflate", WireFault.MALFORMED),
        (b"", "gzip", WireFault.MALFORMED),
        (gzip.compress(bytes(70 * 1024 * 1024), 1), "gzip", WireFault.TOO_LARGE),
    ],
)
def test_codings_that_cannot_be_read_say_so(body: bytes, coding: str, fault: WireFault) -> None:
    with pytest.raises(WireError) as refused:
        decode_body(body, coding)
    assert refused.value.fault is fault


def test_a_fallback_answer_is_made_of_the_policys_values(tmp_path: Path) -> None:
    guard = credit(tmp_path, CREDIT + "fallback: {values: {score: 0.25}}\n")
    body = guard.fallback_reply(rows([1, 2], [3, 4], id="r-1"), "", 2, model_name="credit")
    assert body is not None
    document = json.loads(body)
    assert (document["id"], document["model_name"], document["outputs"][0]["data"]) == ("r-1", "credit", [0.25, 0.25])
    assert credit(tmp_path).fallback_reply(CLEAN, "", 1) is None


def test_a_policy_is_found_by_name_path_or_alone(tmp_path: Path) -> None:
    named = credit(tmp_path)
    bound = renamed(named, name="bound", model_name="", model_path="/predict/")
    guards = Guards([named, bound])
    assert guards.resolve("POST", INFER).guard is named
    assert guards.resolve("POST", "/v2/models/credit/versions/3/infer/").guard is named
    assert guards.resolve("POST", "/v2/models/other/infer").guard is None
    assert guards.resolve("POST", "/predict").guard is bound
    assert guards.resolve("POST", "/pr%65dict").guard is bound
    assert guards.resolve("GET", "/nothing") == (None, None, False)
    metadata = guards.resolve("GET", "/v2/models/credit")
    assert metadata.route is not None and metadata.route.kind is RouteKind.METADATA and metadata.guard is None
    alone = Guards([renamed(named, model_name="")])
    assert alone.resolve("POST", "/v2/models/anything/infer").guard is alone.guards[0]


@pytest.mark.parametrize(
    ("contract", "unmatched", "blocks"),
    [(CREDIT, "auto", True), (OBSERVED, "auto", False), (OBSERVED, "block", True), (CREDIT, "pass", False)],
)
def test_blocking_what_no_policy_covers(tmp_path: Path, contract: str, unmatched: str, blocks: bool) -> None:
    assert Guards([credit(tmp_path, contract)], unmatched=unmatched).block_unmatched is blocks
