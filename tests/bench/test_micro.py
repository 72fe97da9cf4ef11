"""The steps that are timed are the ones the gateway runs, on bodies it accepts."""

from __future__ import annotations

from bench import payload
from bench.micro import steps, the_guard
from bench.timing import best_microseconds, best_together


def test_the_body_is_accepted_fast_and_the_bad_one_is_not() -> None:
    guard = the_guard()
    assert guard.accept_request(payload.REQUEST) == 1
    assert guard.accept_request(payload.BAD_REQUEST) == 0
    assert guard.accept_reply(payload.ANSWER, 1) == "1"


def test_every_step_can_be_run_again_and_again() -> None:
    with steps() as (clean, others):
        names = [step.name for step in (*clean, *others)]
        assert len(set(names)) == len(names)
        for step in (*clean, *others):
            for _ in range(3):
                step.call()


def test_a_longer_call_takes_longer() -> None:
    assert best_microseconds(lambda: sum(range(20_000))) > best_microseconds(lambda: sum(range(20)))


def test_calls_timed_in_turn_keep_their_order() -> None:
    found = best_together({"long": lambda: sum(range(20_000)), "short": lambda: sum(range(20))})
    assert found["long"] > found["short"] > 0
