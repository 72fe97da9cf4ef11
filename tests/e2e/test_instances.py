"""Two sidecars, one folder: the second is refused and told who has it, until the first is dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .books import Books
from .load import Load
from .processes import BENCH_POLICY, Model, Sidecar


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with Model(tmp_path_factory.mktemp("model")) as running:
        yield running


def test_second_instance_is_refused_and_takes_over_after_a_kill(tmp_path: Path, model: Model) -> None:
    flags = ("--upstream", model.url, "--policy", str(BENCH_POLICY), "--data", str(tmp_path / "data"))
    with Sidecar(tmp_path / "one", *flags) as first:
        first.until_ready()
        pid = first.running()["pid"]
        with Load(first.port, "first", connections=2) as load:
            load.until(20)
            with Sidecar(tmp_path / "two", *flags) as second:
                assert second.ended() == 2
            assert f"in use by process {pid}" in second.said()
            assert "Traceback" not in second.said()
            load.until(20)
        assert not load.lost, "the first has not noticed"
        first.process.kill()
        first.process.wait()
        with Sidecar(tmp_path / "two", *flags) as heir:
            heir.until_ready()
            with Load(heir.port, "heir", connections=2) as later:
                later.until(20)
            assert heir.stop() == 0
    faults = Books(heir.journal).read().audit(load.answered | later.answered, load.attempted | later.attempted)
    assert not faults


def test_two_folders_may_not_share_a_journal(tmp_path: Path, model: Model) -> None:
    flags = ("--upstream", model.url, "--policy", str(BENCH_POLICY), "--journal", str(tmp_path / "journal"))
    with Sidecar(tmp_path / "one", *flags) as first:
        first.until_ready()
        with Sidecar(tmp_path / "two", *flags) as second:
            assert second.ended() == 2
        assert "another process writes this stream; two sidecars need two data directories" in second.said()
        assert "Traceback" not in second.said()
        assert first.readyz()[0] == 200
