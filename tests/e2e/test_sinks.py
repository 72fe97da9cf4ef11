"""Sinks at their worst, behind the sidecar as people start it: nothing is lost unsaid, and no caller waits."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.processes import peak_rss_bytes
from sidecar.exchange import Close, Exchange
from sidecar.journal import Reader
from tests.archive.desk import archived
from tests.kit.client import Answer
from tests.kit.collector import Collector, Say, collector

from .load import Load, rows_alone
from .processes import BENCH_POLICY, ROOT, Model, Sidecar, children, eventually, kill

MOST_MIB = 256
KIB = 1024
SINK_SECONDS = 240.0  # an exporter that was refused for long asks seldom, and its observer begins anew after a while


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "model") as running:
        yield running


def traced(folder: Path, model: Model, port: int) -> Sidecar:
    """Both halves; every trace goes to a collector on this port."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "sidecar.yaml"
    config.write_text(f"trace: {{to: 'http://127.0.0.1:{port}', sample: 100%}}\n")
    flags = ("--upstream", model.url, "--policy", str(BENCH_POLICY), "--config", str(config), "--observers", "on")
    return Sidecar(folder, *flags, environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "2"})


def cold_of(sidecar: Sidecar) -> int:
    """The observers' process."""

    def look() -> int:
        found = (pid for pid in children(int(sidecar.running()["pid"])) if "sidecar.cold.process" in words(pid))
        return next(found, 0)

    return eventually(look)


def words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def span_ids(sidecar: Sidecar) -> list[str]:
    """Of all exchanges, in the order of the journal."""
    found = []
    for read in Reader(sidecar.journal).read():
        record = read.record.exchange if isinstance(read.record, Close) else read.record
        if isinstance(record, Exchange):
            found.append(record.span_id)
    return found


def servers(there: Collector) -> list[str]:
    """Ids of the SERVER spans as they came, each where it came first."""
    return list(dict.fromkeys(span.span_id.hex() for span in there.spans if span.kind == 2))


def exports(sidecar: Sidecar, result: str) -> float:
    return sidecar.metric(f'sidecar_trace_exports_total{{result="{result}"}}')


def lag_bytes(sidecar: Sidecar, observer: str) -> float:
    return sidecar.metric(f'sidecar_observer_lag_bytes{{observer="{observer}"}}')


@contextmanager
def a_port() -> Iterator[int]:
    """Bound by nobody: connections are refused. Kept from others by a socket that does not listen."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def black_hole(port: int) -> Iterator[None]:
    """Takes connections and never says a word."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        yield


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_d53_sink_down_refused_then_black_holed_loses_nothing_and_keeps_the_order(tmp_path: Path, model: Model) -> None:
    with a_port() as port, traced(tmp_path / "sidecar", model, port) as serving:
        serving.until_ready()
        cold = cold_of(serving)
        with Load(serving.port, "down") as load:
            load.until(300)
            eventually(lambda: exports(serving, "unreachable") >= 2, seconds=SINK_SECONDS)
            with black_hole(port):
                before = exports(serving, "unreachable")
                load.until(300)
                eventually(lambda: exports(serving, "unreachable") > before + 1, seconds=SINK_SECONDS)
            with collector(port=port) as there:
                load.until(100)
                load.stop()
                wanted = span_ids(serving)
                eventually(lambda: set(servers(there)) >= set(wanted), seconds=SINK_SECONDS)
                eventually(lambda: lag_bytes(serving, "traces") == 0, seconds=SINK_SECONDS)
                assert serving.total("sidecar_spans_dropped_total") == 0
                assert cold_of(serving) == cold, "it was never restarted"
                assert peak_rss_bytes(cold) < MOST_MIB * KIB * KIB
                assert serving.stop() == 0
                assert servers(there) == wanted, "in the order of the journal"
        assert not load.wrong
        assert not load.lost


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_d54_slow_sink_costs_no_caller_and_the_lag_grows_then_shrinks(tmp_path: Path, model: Model) -> None:
    with collector() as there:
        port = int(there.url.rpartition(":")[2])
        there.slow_seconds = 0.3
        with traced(tmp_path / "sidecar", model, port) as serving:
            serving.until_ready()
            with Load(serving.port, "slow", connections=2, ask=rows_alone, judge=whole) as load:
                load.until(300)
                there.script = [Say(hang=True)]  # it has the batch, and stops before it says so
                load.until(900)
                eventually(lambda: lag_bytes(serving, "traces") > 0)
            there.slow_seconds = 0.0
            assert statistics.median(answer.seconds for answer in load.answered.values()) < 0.15
            wanted = span_ids(serving)
            eventually(lambda: set(servers(there)) >= set(wanted), seconds=SINK_SECONDS)
            eventually(lambda: lag_bytes(serving, "traces") == 0, seconds=SINK_SECONDS)
            assert serving.total("sidecar_spans_dropped_total") == 0
            assert serving.stop() == 0
        assert servers(there) == wanted
        assert not load.wrong
        assert not load.lost


def whole(number: int, kind: str, answer: Answer) -> str:
    """ "" for a prediction or a refusal."""
    return "" if answer.status == (422 if kind == "bad" else 200) else f"status {answer.status}"


def observe(data: Path, *, inside: Callable[[Sequence[str]], Sequence[str]] = tuple) -> subprocess.Popen[bytes]:
    """The observers alone; `inside` a control group, for example."""
    command = [sys.executable, "-m", "sidecar", "observe", "--data", str(data), "--admin", "off"]
    return subprocess.Popen(inside(command), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_d56_spool_limit_what_went_unread_is_counted_to_the_record(tmp_path: Path, model: Model, how: str) -> None:
    """The archive stands still until the journal has gone round twice: cap kept, and every missing row is counted."""
    cap = 1024 * KIB
    config = tmp_path / "sidecar.yaml"
    config.write_text(f"journal: {{max_bytes: {cap}}}\narchive: {{to: archive, every: 200ms}}\n")
    flags = ("--upstream", model.url, "--policy", str(BENCH_POLICY), "--config", str(config), "--workers", "1")
    with Sidecar(tmp_path / "sidecar", *flags) as serving:
        serving.until_ready()
        cold = observe(serving.data)
        try:
            with Load(serving.port, "before", ask=rows_alone, judge=whole) as before:
                before.until(200)
            root = serving.data / "archive"
            eventually(lambda: len(archived(root)) >= len(before.answered))
            eventually(lambda: lag_bytes(serving, "archive") == 0)  # as retention knows it
            if how == "stopped":
                os.kill(cold.pid, signal.SIGSTOP)
            else:
                kill(cold.pid)
                cold.wait()
            with Load(serving.port, "during", ask=rows_alone, judge=whole) as during:
                while serving.total("sidecar_journal_removed_records_total") < 2000:
                    during.until(500)
            on_disk = eventually(lambda: bytes_in(serving.journal))
            assert on_disk <= cap + cap // 16, "the cap, and at most one segment more"
            if how == "stopped":
                os.kill(cold.pid, signal.SIGCONT)
            else:
                cold = observe(serving.data)
            answered = {one.prediction_id for load in (before, during) for one in load.answered.values()}
            last = last_prediction(serving)
            eventually(lambda: last in {each.prediction_id for each in archived(root)})
            missing = answered - {each.prediction_id for each in archived(root)}
            lagged_out = 'sidecar_observer_lagged_out_total{observer="archive"}'
            eventually(lambda: serving.metric(lagged_out) >= len(missing))
            assert missing, "it was away for long enough"
            assert serving.metric(lagged_out) == len(missing)
            removed = serving.metric('sidecar_journal_unread_removed_records_total{observer="archive"}')
            assert removed >= len(missing), "retention knows the cursor as of a second ago, and never says too few"
            assert not before.wrong + during.wrong
            assert not before.lost | during.lost
            assert serving.stop() == 0
        finally:
            cold.send_signal(signal.SIGCONT)
            cold.send_signal(signal.SIGTERM)
            assert cold.wait(60) == 0


def bytes_in(journal: Path) -> int:
    """Of all segments. OSError when one of them goes while we look."""
    return sum(path.stat().st_size for path in journal.rglob("*.seg"))


def last_prediction(sidecar: Sidecar) -> str:
    """The prediction id of the journal's last exchange."""
    reads = [read.record for read in Reader(sidecar.journal).read() if isinstance(read.record, Exchange)]
    return reads[-1].prediction_id
