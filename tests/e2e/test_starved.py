"""P2 and C 45 with real processes: observers that get no processor, or little memory, harm nobody and come back."""

from __future__ import annotations

import os
import signal
import statistics
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from bench.cgroups import memory_group
from bench.failure import BenchError
from bench.processes import peak_rss_bytes
from sidecar.archive import read_manifests
from sidecar.cold.process import NICENESS
from sidecar.exchange import Exchange, Kind, encode
from sidecar.journal import JournalSettings, Reader, StatsPage, Writer
from sidecar.journal.progress import read_standing
from tests.archive.desk import archived

from .load import Load, rows_alone
from .processes import BENCH_POLICY, Model, Sidecar, children, eventually
from .test_sinks import cold_of, lag_bytes, observe, whole

MIB = 1024 * 1024
LIMIT_MIB = 256  # the whole process in its group, page cache of what it writes included
MOST_MIB = 220


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "model") as running:
        yield running


def serve(folder: Path, model: Model, config: str, *, observers: str = "on") -> Sidecar:
    """Both halves, or one."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sidecar.yaml"
    file.write_text(config)
    flags = ("--upstream", model.url, "--policy", str(BENCH_POLICY), "--config", str(file), "--observers", observers)
    return Sidecar(folder, *flags)


@contextmanager
def starved(pid: int) -> Iterator[None]:
    """A process that runs for 2 ms of every 50."""
    done = threading.Event()

    def hold() -> None:
        while not done.is_set():
            os.kill(pid, signal.SIGSTOP)
            done.wait(0.048)
            os.kill(pid, signal.SIGCONT)
            done.wait(0.002)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        done.set()
        holder.join()
        os.kill(pid, signal.SIGCONT)


def test_the_gateway_goes_first_on_a_shared_core(tmp_path: Path, model: Model) -> None:
    with serve(tmp_path / "sidecar", model, "api: v1\n") as serving:
        serving.until_ready()
        cold = cold_of(serving)
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        eventually(lambda: os.getpriority(os.PRIO_PROCESS, cold) == min(19, ours + NICENESS))
        others = [pid for pid in children(int(serving.running()["pid"])) if pid != cold]
        assert others
        assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in others} == {ours}
        assert serving.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_starved_observers_p2_no_caller_waits_and_every_row_is_archived_once(tmp_path: Path, model: Model) -> None:
    with serve(tmp_path / "sidecar", model, "archive: {to: archive, every: 500ms}\n") as serving:
        serving.until_ready()
        cold = cold_of(serving)
        eventually(lambda: serving.metric('sidecar_observer_running{observer="archive"}') == 1)
        with starved(cold), Load(serving.port, "starved", connections=2, ask=rows_alone, judge=whole) as load:
            load.until(2000, seconds=200)
            eventually(lambda: lag_bytes(serving, "archive") > 0)
            assert serving.readyz()[0] == 200
        eventually(lambda: lag_bytes(serving, "archive") == 0, seconds=240)
        root = serving.data / "archive"  # what has been read is written a little later
        eventually(lambda: len(archived(root)) >= len(load.answered), seconds=240)
        rows = [row.prediction_id for row in archived(root)]
        assert sorted(rows) == sorted(one.prediction_id for one in load.answered.values())
        assert not load.wrong
        assert not load.lost
        assert statistics.median(one.seconds for one in load.answered.values()) < 0.15
        assert cold_of(serving) == cold
        assert serving.stop() == 0


RECORDS = 40_000  # what it remembers and what it commits are full long before
STALLED_SECONDS = 120  # without one more record: on a busy machine it is slow, and never stands still


def multiply(journal: Path, wanted: int) -> None:
    """Records like those that are there, under ids of their own, until there are so many."""
    reads = [read for read in Reader(journal).read() if isinstance(read.record, Exchange)]
    limits = JournalSettings()
    writer = Writer(journal, "hot-9", limits, StatsPage(), identity={"replica": "more", "environment": "test"})
    try:
        for number in range(wanted - len(reads)):
            read = reads[number % len(reads)]
            assert isinstance(read.record, Exchange)
            other = msgspec.structs.replace(read.record, prediction_id=f"01a20ae6-0000-7000-8000-{number:012}")
            assert writer.append(Kind.EXCHANGE, encode(other), read.payloads)
    finally:
        writer.close()


def archived_of(data: Path, pid: int) -> int:
    """How many records the archive of this process has read."""
    standing = read_standing(data)
    if standing is None or standing.pid != pid:
        return 0
    return sum(int(at[2]) for each in standing.observers if each.observer == "archive" for at in each.read.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_c45_memory_a_full_journal_is_read_within_a_small_container(tmp_path: Path, model: Model) -> None:
    """Read in one go from a journal that was filled without observers, where nothing paces them."""
    config = "archive: {to: archive}\n"
    with serve(tmp_path / "sidecar", model, config, observers="off") as serving:
        serving.until_ready()
        with Load(serving.port, "like", ask=rows_alone, judge=whole) as load:
            load.until(500)
        assert serving.stop() == 0
    data = serving.data
    multiply(data / "journal", RECORDS)
    with ExitStack() as around:
        try:
            group = around.enter_context(memory_group("sidecar-starved", LIMIT_MIB * MIB))
        except BenchError as reason:
            pytest.skip(str(reason))
        cold = observe(data, inside=group.inside)
        try:
            done = 0
            while done < RECORDS:
                before = done

                def more() -> int:
                    assert cold.poll() is None, f"it was killed: {group.kills} times for want of memory"
                    now = archived_of(data, cold.pid)
                    return now if now > before else 0  # noqa: B023

                done = eventually(more, seconds=STALLED_SECONDS)
            peak_mib = peak_rss_bytes(cold.pid) / MIB
            cold.send_signal(signal.SIGTERM)
            assert cold.wait(STALLED_SECONDS) == 0  # the last rows are written within the limit, too
        finally:
            cold.kill()
            cold.wait()
        assert group.kills == 0
    assert sum(file.rows for each in read_manifests(data / "archive") for file in each.files
               if file.data_set == "predictions") == RECORDS  # fmt: skip
    assert peak_mib < MOST_MIB, f"{peak_mib:.0f} MiB"
