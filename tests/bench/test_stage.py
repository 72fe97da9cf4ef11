"""A real stage with a real model server: who does not do the job is not measured."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from bench.failure import BenchError
from bench.processes import rss_bytes
from bench.stage import stage
from bench.systems import Launch, Place
from bench.systems.direct import Direct
from bench.verify import verify

pytestmark = pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="nginx is not installed")


class LazyGuard:
    """Says that it guards and does not."""

    kind: ClassVar[str] = "lazy"
    guarded: ClassVar[bool] = True
    stamped: ClassVar[Mapping[str, str]] = {}

    def launch(self, place: Place) -> Launch | None:
        return None

    def account(self, place: Place) -> Mapping[str, int]:
        return {}


class Unstamped(LazyGuard):
    """Says that it stamps its answers and does not."""

    stamped: ClassVar[Mapping[str, str]] = {"x-contract-verdict": "ok"}


def test_a_system_is_verified_and_nothing_is_left_running(tmp_path: Path) -> None:
    with stage(["direct", "nginx", "nginx/2"], tmp_path, must_run=frozenset({"direct", "nginx"})) as running:
        assert list(running.instances) == ["direct", "nginx", "nginx/2"]
        processes = [one.process for one in running.instances.values() if one.process]
        assert len({process.pid for process in processes}) == 2
    assert not any(rss_bytes(process.pid) for process in processes)


def test_who_lets_a_bad_row_through_is_not_measured(tmp_path: Path) -> None:
    with stage(["direct"], tmp_path, must_run=frozenset()) as running:
        port = running.instances["direct"].port
        verify(Direct(), port)
        with pytest.raises(BenchError, match="lazy lets a row out of range through: 200"):
            verify(LazyGuard(), port)
        with pytest.raises(BenchError, match="x-contract-verdict: None, not ok"):
            verify(Unstamped(), port)
