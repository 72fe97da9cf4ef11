"""A stream whose writer never comes back: all that it holds is archived, once, by whoever serves next."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sidecar.journal.segment import list_segments
from tests.archive.desk import archived, counted

from .load import Load, row
from .processes import Model, children, eventually, gone, kill, sidecar_command
from .test_disk import JSON
from .test_observers import Both

LONG = "/v2/models/bench/generate_stream?events=100000&every=0.05"  # longer than anything here takes


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "model") as running:
        yield running


class Listeners:
    """Callers who each read a long streamed answer until it breaks off."""

    def __init__(self, url: str, number: int) -> None:
        self.names: set[str] = set()
        self._threads = [threading.Thread(target=self._listen, args=(url,)) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _listen(self, url: str) -> None:
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.stream("POST", url, content=row(0.5), headers=JSON, timeout=60, trust_env=False) as stream,
        ):
            arriving = stream.iter_raw()
            next(arriving)
            self.names.add(stream.headers["x-prediction-id"])
            for _ in arriving:
                pass

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def once(root: Path) -> set[str]:
    found = counted(root)
    assert set(found.values()) <= {1}
    return {name for name, _ in found}


def test_fewer_workers_after_a_kill_leave_nothing_out_of_the_archive(tmp_path: Path, model: Model) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text("api: v1\narchive: {to: archive, every: 100ms}\n")
    flags = ("--config", str(config))
    with Both(tmp_path / "sidecar", model, *flags, "--workers", "2") as serving:
        serving.until_workers(2)
        root, journal = serving.data / "archive", serving.journal
        with Load(serving.port, "a") as load:
            load.until(100)
            listeners = Listeners(serving.url + LONG, 12)
            eventually(lambda: len(listeners.names) == 12)
            load.until(100)
            everyone = children(int(serving.running()["pid"]))
            serving.tell(signal.SIGSTOP)  # nobody is started again, and nobody ends its streams for want of us
            for process in everyone:
                kill(process)
            gone(everyone)
            serving.process.kill()
        listeners.join()
        assert not load.wrong, load.wrong[:5]
    answered = {answer.prediction_id for answer in load.answered.values()}
    left = list_segments(journal, "hot-1")
    cut = listeners.names

    with Both(tmp_path / "sidecar", model, *flags, "--workers", "1") as serving:
        serving.until_workers(1)
        eventually(lambda: once(root) >= answered | cut)
        assert list_segments(journal, "hot-1") == left, "nobody writes there any more"
        assert serving.stop() == 0
    verdicts = {record.prediction_id: record.verdict for record in archived(root)}
    assert {verdicts[name] for name in cut} == {"interrupted"}
    before = counted(root)

    with Both(tmp_path / "sidecar", model, *flags, "--workers", "2") as serving:
        serving.until_workers(2)
        with Load(serving.port, "b") as load:
            load.until(20)
        again = {answer.prediction_id for answer in load.answered.values()}
        eventually(lambda: once(root) >= again)
        assert serving.stop() == 0
    assert list_segments(journal, "hot-1") != left
    assert {key: count for key, count in counted(root).items() if key in before} == before
    exported = sidecar_command("log", "export", "--format", "jsonl", "--data", str(serving.data))
    told = Counter((each["prediction_id"], each["row"]) for each in map(json.loads, exported.stdout.splitlines()))
    assert told == counted(root)
    assert {name for name, _ in told} >= answered | again | cut
