"""When does a sustained run count, and what is read out of a sidecar's metrics for it?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.__main__ import arguments, endurance
from bench.exposition import by_label
from bench.failure import BenchError
from bench.observers_alone import Read, summary
from bench.sustained import Plan, Samples, caught_up, lags, running_observers
from bench.sustained_report import Answers, Found, lost, shortfalls, text, verdict
from sidecar.shadow.outcomes import OUTCOMES

MIB = 2**20
GOOD = Found(
    seconds=120.0,
    answers=Answers(3500.0, 3499.0, 1.2, 6.5),
    cpu={"worker": 96.0, "cold": 84.0},
    journal_bytes=720 * MIB,
    archive_bytes=120 * MIB,
    journal_disk_bytes=720 * MIB,
    journal_limit_bytes=1024 * MIB,
    lag_at_end={"archive": 0.2, "shadow": 0.0},
    unread_at_end={"archive": 3 * MIB, "shadow": 0.0},
    lag_most={"archive": 1.5, "shadow": 0.3},
    caught_up_seconds=0.4,
    drops={"journal records dropped": 0.0},
    shadow={"compared": 42_000.0, "not_sampled": 378_000.0},
    memory={"worker": (60 * MIB, 64 * MIB, 64 * MIB)},
    spans_exported=63_000.0,
)

SCRAPED = """# TYPE sidecar_observer_lag_seconds gauge
sidecar_observer_lag_seconds{observer="archive"} 0
sidecar_observer_lag_seconds{observer="shadow"} 0.25
sidecar_observer_lag_seconds{observer="forward"} 9
sidecar_observer_running{observer="archive"} 1
sidecar_observer_running{observer="shadow"} 0
sidecar_journal_disk_bytes 4096
"""


def test_a_run_with_everything_as_aimed_at_is_reached() -> None:
    assert shortfalls(GOOD) == []
    assert verdict(GOOD).startswith("reached: ≥ 3,000/s")


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        (replace(GOOD, answers=replace(GOOD.answers, per_second=2999.0)), "2,999 answers/s, less than 3,000"),
        (replace(GOOD, answers=replace(GOOD.answers, errors={"status_503": 2})), "callers saw errors: status_503 2"),
        (replace(GOOD, lag_at_end={"archive": 1.1, "shadow": 0.9}), "lag above 1 s at the end: archive 1.1 s"),
        (
            replace(
                GOOD, unread_at_end={"archive": 15 * MIB, "shadow": 12 * MIB}
            ),  # at 6 MiB/s, whatever its lag is said to be
            "unread at the end, more than 2 s of writing: archive 2.5 s",
        ),
        (replace(GOOD, caught_up_seconds=None), "the observers did not catch up"),
        (replace(GOOD, drops={"spans dropped": 3.0}), "lost: spans dropped 3"),
        (replace(GOOD, shadow={"compared": 5.0, "dropped_queue": 1.0}), "lost: shadow dropped_queue 1"),
        (replace(GOOD, journal_disk_bytes=1024 * MIB), "the journal is at its cap"),
    ],
)
def test_each_shortfall_alone_is_enough_and_is_named(worse: Found, words: str) -> None:
    assert shortfalls(worse) == [words]
    assert verdict(worse).startswith("NOT REACHED") and words in verdict(worse)


def test_only_copies_that_were_compared_or_never_meant_to_be_sent_are_not_lost() -> None:
    assert set(lost({}, dict.fromkeys(OUTCOMES, 1.0))) == {
        f"shadow {name}" for name in OUTCOMES if name not in ("compared", "not_sampled")
    }


def test_the_figures_are_told_per_second_and_the_verdict_comes_last() -> None:
    told = text(GOOD)
    assert "3,499/s of 3,500/s offered" in told
    assert "1.50 cores in all" in told
    assert "journal 6.00 MiB/s, archive 1.00 MiB/s" in told
    assert "720 of 1,024 MiB on disk" in told
    assert "60 → 64 → 64 MiB" in told
    assert told.splitlines()[-1] == verdict(GOOD)


def test_a_closed_loop_is_said_to_be_one() -> None:
    assert "closed loop" in text(replace(GOOD, answers=replace(GOOD.answers, asked=None)))


def test_samples_are_told_apart_by_their_label() -> None:
    assert by_label(SCRAPED, "sidecar_observer_lag_seconds") == {"archive": 0.0, "shadow": 0.25, "forward": 9.0}
    assert by_label(SCRAPED, "sidecar_journal_disk_bytes") == {}


def test_lag_is_that_of_the_observers_that_are_part_of_the_run() -> None:
    assert lags(SCRAPED) == {"archive": 0.0, "shadow": 0.25}
    assert running_observers(SCRAPED) == {"archive"}
    assert not caught_up(SCRAPED)
    assert caught_up(SCRAPED.replace("0.25", "0"))
    assert not caught_up(SCRAPED.replace("0.25", "0") + 'sidecar_observer_lag_bytes{observer="archive"} 7\n')
    assert not caught_up(SCRAPED.replace("0.25", "0") + "sidecar_shadow_in_flight 1\n")


def test_samples_keep_the_worst() -> None:
    samples = Samples()
    for scraped, disk in ((SCRAPED, 4096.0), (SCRAPED.replace("0.25", "0.1"), 100.0)):
        samples.add(scraped, {"worker": 2**30, "cold": 2**30}, disk)
    assert samples.lag_most["shadow"] == 0.25
    assert samples.disk_most == 4096.0
    assert samples.memory == {"worker": [0, 0], "cold": [0, 0]}  # no such process


def test_observers_alone_are_timed_until_a_count_last_moved() -> None:
    reads = [
        Read(10.0, 1.0, {"archive": 0.0, "traces": 0.0}),
        Read(12.0, 3.0, {"archive": 500.0, "traces": 1000.0}),
        Read(14.0, 5.0, {"archive": 1000.0, "traces": 1000.0}),
        Read(15.0, 5.1, {"archive": 1000.0, "traces": 1000.0}),
    ]
    archive, traces, together = summary(reads).splitlines()
    assert "in 4.0 s: 250/s, 250 per CPU second" in archive
    assert "in 2.0 s: 500/s" in traces
    assert "in 4.0 s: 250/s" in together


def test_observers_that_were_done_too_early_give_no_figure() -> None:
    with pytest.raises(BenchError, match="take more records"):
        summary([Read(1.0, 1.0, {"archive": 5.0}), Read(2.0, 2.0, {"archive": 5.0})])


def test_how_long_and_how_fast() -> None:
    assert endurance(arguments(["sustained"])) == Plan(120.0, 3500.0)
    assert endurance(arguments(["sustained", "--seconds", "5", "--rate", "0", "--pure"])) == Plan(5.0, None, False)
    with pytest.raises(BenchError, match="at least 1"):
        endurance(arguments(["sustained", "--seconds", "0"]))
