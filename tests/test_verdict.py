"""Two verdicts become one: the graver word, what was found on both sides, rows counted as the request counts them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.verdict import (
    ACCEPTED,
    RANK,
    Action,
    Outcome,
    Verdict,
    Violation,
    both,
    fallen_back,
    gravest,
    in_request,
)

BROKEN = Violation("age.min", "age", 1, "", Action.DROP, "must be at least 0")
WRONG = Violation("prediction.score.max", "score", 0, "", Action.REJECT, "must be at most 1")
DROPPED = Verdict(Outcome.REJECTED, Outcome.REJECTED, (BROKEN,), 1, dropped_rows=(1,))


def test_every_outcome_has_a_rank_of_its_own() -> None:
    assert len(set(RANK.values())) == len(RANK)
    assert sorted(Outcome, key=RANK.__getitem__) == ["ok", "observed", "repaired", "unchecked", "fallback", "rejected"]


def test_the_gravest_word_tells_of_all() -> None:
    assert gravest(["ok", "dropped", "repaired"]) == "dropped"
    assert gravest(["rejected", "interrupted", "ok"]) == "interrupted"
    assert gravest(["", "ok"]) == "ok"
    assert gravest(["a word of tomorrow", "ok"]) == "ok"
    assert gravest(["a word of tomorrow"]) == "a word of tomorrow"


def test_rows_of_an_answer_count_the_request_s() -> None:
    reply = Verdict(Outcome.REJECTED, rejected_rows=(0, 2), fallback_rows=(1,), dropped_rows=(2,))
    found = in_request(reply, 5, (3, 1))
    assert (found.rejected_rows, found.fallback_rows, found.dropped_rows) == ((0, 4), (2,), (4,))


def test_rows_of_an_answer_to_all_rows_are_the_request_s() -> None:
    """Also where nobody could count the request's."""
    reply = Verdict(Outcome.FALLBACK, fallback_rows=(1,))
    assert in_request(reply, 0, ()) is reply
    assert in_request(ACCEPTED, 3, (1,)) is ACCEPTED


def test_an_answer_s_row_that_was_never_sent_has_no_place() -> None:
    assert in_request(Verdict(Outcome.FALLBACK, fallback_rows=(0, 7)), 3, (0,)).fallback_rows == (1,)


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_the_places_are_those_of_the_rows_that_were_sent(left_out: set[int], found: set[int]) -> None:
    sent = [row for row in range(10) if row not in left_out]
    reply = Verdict(Outcome.FALLBACK, fallback_rows=tuple(sorted(row for row in found if row < len(sent))))
    expected = tuple(sent[row] for row in reply.fallback_rows)
    assert in_request(reply, 10, tuple(left_out)).fallback_rows == expected


def test_a_clean_answer_leaves_the_request_s_verdict() -> None:
    assert both(DROPPED, ACCEPTED) is DROPPED


def test_one_verdict_for_both_sides() -> None:
    request = Verdict(Outcome.REPAIRED, Outcome.REPAIRED, (BROKEN,), 3, repaired_rows=2)
    reply = Verdict(Outcome.FALLBACK, Outcome.REJECTED, (WRONG,), 1, fallback_rows=(0,), repaired_rows=1)
    assert both(request, reply) == Verdict(
        Outcome.FALLBACK, Outcome.REJECTED, (BROKEN, WRONG), 4, fallback_rows=(0,), repaired_rows=2
    )


def test_the_reason_is_the_graver_side_s() -> None:
    unchecked = Verdict(Outcome.UNCHECKED, Outcome.REJECTED, reason="malformed")
    assert both(unchecked, Verdict(Outcome.OBSERVED)).reason == "malformed"
    assert both(Verdict(Outcome.OBSERVED), unchecked).reason == "malformed"


def test_rows_dropped_on_either_side_are_dropped() -> None:
    reply = Verdict(Outcome.REJECTED, Outcome.REJECTED, (WRONG,), 1, dropped_rows=(0,))
    assert both(DROPPED, reply).dropped_rows == (0, 1)


def test_a_call_whose_answer_is_refused_has_no_dropped_rows() -> None:
    refused = Verdict(Outcome.REJECTED, Outcome.REJECTED, (WRONG,), 1, rejected_rows=(0,))
    assert both(DROPPED, refused).refused
    assert both(DROPPED, refused).dropped_rows == ()


def test_a_fallback_answers_every_row_that_was_not_dropped() -> None:
    rejected = Verdict(Outcome.REJECTED, Outcome.REJECTED, (WRONG,), 1, rejected_rows=(0, 1))
    whole = fallen_back(rejected, 2, ())
    assert (whole.outcome, whole.fallback_rows, whole.rejected_rows) == (Outcome.FALLBACK, (0, 1), ())
    partly = fallen_back(rejected, 3, (1,))
    assert (partly.outcome, partly.fallback_rows, partly.dropped_rows) == (Outcome.REJECTED, (0, 2), (1,))
    assert not partly.refused
