"""Observers at work: isolation, restarts from the last commit, a flush at the end, lag that is told."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sidecar.cold.runner import Observing, Patience
from sidecar.cold.tape import REMEMBERED_BYTES, STRIP_RECORDS, Tape
from sidecar.cold.trouble import Trouble
from sidecar.journal import Cursor, Read, StatsPage, Writer
from sidecar.journal.progress import lags
from sidecar.observers import Context, StateFile
from sidecar.runtime.book import PolicyBook
from sidecar.telemetry import metrics
from tests.journal.records import append_many, open_writer
from tests.observers.counting import Counting, Failing, Hanging, Other, committed


class Bench:
    """A journal, and observers that read it."""

    def __init__(
        self,
        folder: Path,
        remembered_bytes: int = REMEMBERED_BYTES,
        clock: Callable[[], float] = time.monotonic,
        patience_seconds: float = 60.0,
        **family: Callable[[Context], Any],
    ) -> None:
        self.data = folder
        self.journal = folder / "journal"
        self.writer: Writer = open_writer(self.journal)
        self.cold = open_writer(self.journal, stream="cold")
        self.page = StatsPage()
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        context = Context(
            data=folder,
            journal=self.journal,
            replica="pod-1",
            environment="test",
            book=PolicyBook(folder, log=self.say),
            stats=self.page,
            cold=self.cold,
            log=self.say,
        )
        self.tape = Tape(self.journal, remembered_bytes=remembered_bytes, clock=clock)
        self.observing = Observing(
            family,
            lambda section: replace(context, section=section),
            self.tape,
            self.say,
            Patience(take=patience_seconds, first_backoff=0.01, longest_backoff=0.05),
        )

    def say(self, event: str, fields: Mapping[str, Any]) -> None:
        self.said.append((event, fields))

    def count(self, metric: metrics.Metric, observer: str) -> int:
        return int(self.page.counters[metric.at(observer)])

    def counted(self, kind: str) -> dict[str, int]:
        return committed(StateFile(self.data / "observers" / f"{kind}.state"))

    async def until(self, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not look():
            assert time.monotonic() < deadline, (self.observing.progress(), self.said)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def observing(
    folder: Path, sections: Mapping[str, Any], patience_seconds: float = 60.0, **family: Callable[[Context], Any]
) -> AsyncIterator[Bench]:
    bench = Bench(folder, REMEMBERED_BYTES, time.monotonic, patience_seconds, **family)
    await bench.observing.configure(sections)
    try:
        yield bench
    finally:
        await bench.observing.stop(1.0)


class Slow(Other):
    """Lets a moment pass before each batch."""

    async def take(self, batch: Sequence[Read]) -> None:
        await asyncio.sleep(0.002)
        await super().take(batch)


class Stepping(Counting):
    """Takes a batch when it is its turn."""

    turn: ClassVar[asyncio.Semaphore]

    async def take(self, batch: Sequence[Read]) -> None:
        await type(self).turn.acquire()
        await super().take(batch)


class Waiting(Counting):
    """Has something to commit once, some time after the last record."""

    waits = True
    commits: ClassVar[list[bool]] = []

    async def commit(self, cursor: Cursor) -> None:
        self.commits.append(self.waits)
        self.waits = len(self.commits) < 3
        await super().commit(cursor)


def once(numbers: range) -> dict[str, int]:
    return {str(number): 1 for number in numbers}


def test_each_record_is_taken_once_by_each(tmp_path: Path) -> None:
    async def story() -> None:
        async with observing(tmp_path, {"metrics": None, "archive": None}, metrics=Counting, archive=Other) as bench:
            append_many(bench.writer, range(600))
            await bench.until(lambda: bench.counted("metrics") == bench.counted("archive") == once(range(600)))
            assert bench.tape.decoded == 600
            assert bench.count(metrics.OBSERVER_RECORDS, "metrics") == 600

    asyncio.run(story())


def test_one_that_waits_is_asked_to_commit_though_nothing_is_read(tmp_path: Path) -> None:
    Waiting.commits = []

    async def story() -> None:
        async with observing(tmp_path, {"metrics": None, "archive": None}, metrics=Waiting, archive=Other) as bench:
            await bench.until(lambda: len(Waiting.commits) == 3)
            append_many(bench.writer, range(1))
            await bench.until(lambda: bench.counted("archive") == bench.counted("metrics") == once(range(1)))
            assert Waiting.commits == [True, True, True, False], "and no more often than it waits"

    asyncio.run(story())


def test_one_that_fails_is_started_again_from_its_last_commit_and_others_go_on(tmp_path: Path) -> None:
    Failing.failures = 2

    async def story() -> None:
        async with observing(
            tmp_path, {"metrics": None, "profiles": None}, metrics=Counting, profiles=Failing
        ) as bench:
            append_many(bench.writer, range(10))
            await bench.until(lambda: bench.counted("metrics") == once(range(10)))
            await bench.until(lambda: bench.counted("profiles") == once(range(10)))
            assert bench.count(metrics.OBSERVER_ERRORS, "profiles") == 2
            assert bench.count(metrics.OBSERVER_ERRORS, "metrics") == 0
            told = [fields["error"] for event, fields in bench.said if event == "observer.failed"]
            assert told == ["ValueError: three is too much"] * 2

    asyncio.run(story())


class Full(Counting):
    """Its disk has no room for the first `failures` commits."""

    failures: ClassVar[int] = 0

    async def commit(self, cursor: Cursor) -> None:
        if type(self).failures:
            type(self).failures -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        await super().commit(cursor)


def test_a_full_disk_is_one_line_without_a_traceback_and_one_when_it_is_well(tmp_path: Path) -> None:
    Full.failures = 5

    async def story() -> None:
        async with observing(tmp_path, {"metrics": None}, metrics=Full) as bench:
            append_many(bench.writer, range(10))
            await bench.until(lambda: len(bench.said) == 2)
            assert bench.count(metrics.OBSERVER_ERRORS, "metrics") == 5
            (failed, well) = bench.said
            why = "OSError: [Errno 28] No space left on device"
            assert failed == ("observer.failed", {"observer": "metrics", "error": why, "failures": 1})
            assert well == ("observer.recovered", {"observer": "metrics", "failures": 5, "lost": 0})

    asyncio.run(story())


def test_the_same_trouble_is_said_again_after_a_while_and_another_at_once() -> None:
    now = [0.0]
    said: list[Mapping[str, Any]] = []
    trouble = Trouble("archive", lambda event, fields: said.append(fields), clock=lambda: now[0])
    for _ in range(100):
        trouble.failed(OSError(errno.ENOSPC, "full"), "full")
        now[0] += 6.1
    assert [fields["failures"] for fields in said] == [1, 51]
    trouble.failed(OSError(errno.EROFS, "read-only"), "read-only")
    assert said[-1]["error"] == "read-only"
    trouble.failed(KeyError("x"), "KeyError: 'x'")
    assert isinstance(said[-1]["exc_info"], KeyError), "a bug has its traceback"


def test_what_the_journal_had_lost_meanwhile_is_told_when_it_is_well_each_once() -> None:
    said: list[tuple[str, Mapping[str, Any]]] = []
    trouble = Trouble("archive", lambda event, fields: said.append((event, fields)))
    trouble.lost(7)
    trouble.committed()
    assert said == [], "counted, and no recovery"
    for _ in range(2):
        trouble.lost(5)  # in each life, from the same commit
        trouble.failed(OSError(errno.ENOSPC, "full"), "full")
    trouble.lost(5)
    trouble.committed()
    assert said[-1] == ("observer.recovered", {"observer": "archive", "failures": 2, "lost": 5})
    trouble.failed(OSError(errno.EROFS, "read-only"), "read-only")
    trouble.committed()
    assert said[-1] == ("observer.recovered", {"observer": "archive", "failures": 1, "lost": 0})


def test_one_that_hangs_stops_nobody_and_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        sections = {"metrics": None, "loops": None}
        async with observing(tmp_path, sections, patience_seconds=0.2, metrics=Counting, loops=Hanging) as bench:
            append_many(bench.writer, range(10))
            await bench.until(lambda: bench.counted("metrics") == once(range(10)))
            await bench.until(lambda: bench.count(metrics.OBSERVER_ERRORS, "loops") >= 2)
            (hanging,) = [each for each in bench.observing.progress() if each.observer == "loops"]
            assert "did not come back" in hanging.because
            assert not hanging.committed

    asyncio.run(story())


def test_the_end_reads_what_is_left_and_commits(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench(tmp_path, metrics=Counting)
        append_many(bench.writer, range(2000))
        await bench.observing.configure({"metrics": None})
        await bench.observing.stop(60.0)
        assert bench.counted("metrics") == once(range(2000))

    asyncio.run(story())


def test_what_was_written_right_after_the_last_look_is_read_before_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench(tmp_path, clock=lambda: 0.0, metrics=Counting)  # so that what was empty once stays remembered so
        append_many(bench.writer, range(10))
        await bench.observing.configure({"metrics": None})
        await bench.until(lambda: bench.counted("metrics") == once(range(10)))
        append_many(bench.writer, range(10, 30))
        await bench.observing.stop(60.0)
        assert bench.counted("metrics") == once(range(30))

    asyncio.run(story())


def test_a_hung_one_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench(tmp_path, metrics=Counting, loops=Hanging)
        append_many(bench.writer, range(10))
        await bench.observing.configure({"metrics": None, "loops": None})
        await bench.until(lambda: bench.counted("metrics") == once(range(10)))
        await bench.observing.stop(0.3)  # it returns, though the other one is still at its first batch
        assert bench.observing.progress()[1].committed == {}

    asyncio.run(story())


def test_settings_that_change_start_it_again_and_it_goes_on_where_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        async with observing(tmp_path, {"metrics": "old"}, metrics=Counting) as bench:
            append_many(bench.writer, range(5))
            await bench.until(lambda: bench.counted("metrics") == once(range(5)))
            before = bench.observing.runners["metrics"].observer
            await bench.observing.configure({"metrics": "new"})
            append_many(bench.writer, range(5, 9))
            await bench.until(lambda: bench.counted("metrics") == once(range(9)))
            assert bench.observing.runners["metrics"].observer is not before

    asyncio.run(story())


def test_one_that_is_no_longer_configured_is_released_aloud(tmp_path: Path) -> None:
    async def story() -> None:
        async with observing(tmp_path, {"metrics": None, "archive": None}, metrics=Counting, archive=Other) as bench:
            await bench.observing.configure({"metrics": None})
            assert [each.observer for each in bench.observing.progress()] == ["metrics"]
            event, fields = bench.said[-1]
            assert (event, fields["observer"]) == ("observer.released", "archive")

    asyncio.run(story())


def test_lag_is_bytes_and_seconds_and_goes_to_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench(tmp_path, metrics=Counting)
        append_many(bench.writer, range(100), b"x" * 1000)
        await bench.observing.configure({"metrics": None})
        (young,) = bench.observing.progress()
        behind = lags(bench.journal, [young], time.time() + 5)["metrics"]
        assert behind.size > 100_000
        assert behind.seconds >= 5
        await bench.until(lambda: lags(bench.journal, bench.observing.progress(), time.time())["metrics"].size == 0)
        assert lags(bench.journal, bench.observing.progress(), time.time() + 5)["metrics"].seconds == 0
        await bench.observing.stop(1.0)

    asyncio.run(story())


@pytest.mark.parametrize(("old", "new"), [("hot-0", "hot-1"), ("hot-1", "cold")])
def test_the_oldest_unread_stream_tells_the_lag(tmp_path: Path, old: str, new: str) -> None:
    """A worker's stream an hour behind is an hour of lag, whatever fresh records of others are read beside it."""
    now = int(time.time())

    async def story() -> None:
        bench = Bench(tmp_path, metrics=Stepping)
        streams = {"hot-0": bench.writer, "cold": bench.cold, "hot-1": open_writer(bench.journal, stream="hot-1")}
        append_many(streams[old], range(5 * STRIP_RECORDS), at_unix=now - 3600)
        append_many(streams[new], range(10_000, 10_000 + 5 * STRIP_RECORDS), at_unix=now)
        Stepping.turn = asyncio.Semaphore(2)  # one strip of each stream
        await bench.observing.configure({"metrics": None})
        runner = bench.observing.runners["metrics"]
        await bench.until(lambda: runner.read.positions.keys() >= {old, new} and runner.current_unix < now - 3000)
        assert lags(bench.journal, bench.observing.progress(), now)["metrics"].seconds == pytest.approx(3600, abs=1)
        for _ in range(20):
            Stepping.turn.release()
        await bench.until(lambda: lags(bench.journal, bench.observing.progress(), now)["metrics"].size == 0)
        await bench.until(lambda: runner.current_unix >= now)
        await bench.observing.stop(1.0)

    asyncio.run(story())


def test_who_is_ahead_gives_way_so_that_nothing_is_decoded_twice(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench(tmp_path, remembered_bytes=8_000_000, metrics=Counting, archive=Slow)
        append_many(bench.writer, range(12_000))
        await bench.observing.configure({"metrics": None, "archive": None})
        await bench.until(lambda: bench.counted("metrics") == bench.counted("archive") == once(range(12_000)))
        assert bench.tape.decoded < 18_000, "it remembers a third of them"
        await bench.observing.stop(1.0)

    asyncio.run(story())


def test_one_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench(tmp_path, remembered_bytes=1_000_000, metrics=Counting, loops=Hanging)
        append_many(bench.writer, range(6_000))
        await bench.observing.configure({"metrics": None, "loops": None})
        await bench.until(lambda: bench.counted("metrics") == once(range(6_000)))
        await bench.observing.stop(0.1)

    asyncio.run(story())
