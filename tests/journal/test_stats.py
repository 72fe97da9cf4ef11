"""The stats page: counts outlive their process and are never counted twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.errors import JournalError
from sidecar.journal.stats import PAGE_BYTES, StatsPage, fold_dead, page_path, read_page, read_pages
from sidecar.telemetry import metrics
from sidecar.telemetry.metrics import merge

OK = metrics.REQUESTS.at("ok")
CONNECTIONS = metrics.CONNECTIONS.slot


def total(data: Path) -> int:
    readings, refused = read_pages(data)
    assert refused == []
    return merge([reading.values for reading in readings]).counters[OK]


def test_what_is_counted_is_read_while_the_process_lives(tmp_path: Path) -> None:
    page = StatsPage(page_path(tmp_path, "hot-0"))
    page.counters[OK] += 3
    page.gauges[CONNECTIONS] = 12.5
    reading = read_page(page_path(tmp_path, "hot-0"))
    assert (reading.name, reading.alive) == ("hot-0", True)
    assert reading.values.counters[OK] == 3
    assert reading.values.gauges[CONNECTIONS] == 12.5
    assert reading.values == page.snapshot()
    page.close()


def test_counters_go_on_after_a_restart_and_gauges_begin_anew(tmp_path: Path) -> None:
    for start in range(1, 4):
        page = StatsPage(page_path(tmp_path, "hot-0"))
        assert page.gauges[CONNECTIONS] == 0
        page.counters[OK] += 10
        page.gauges[CONNECTIONS] = 5
        page.close()
        reading = read_page(page_path(tmp_path, "hot-0"))
        assert not reading.alive
        assert reading.values.counters[OK] == 10 * start
        assert reading.values.gauges[CONNECTIONS] == 0


def test_a_killed_process_leaves_its_counts(tmp_path: Path) -> None:
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from sidecar.journal.stats import StatsPage, page_path
page = StatsPage(page_path(Path({str(tmp_path)!r}), "hot-0"))
for _ in range(1000):
    page.counters[{OK}] += 1
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == -9
    reading = read_page(page_path(tmp_path, "hot-0"))
    assert not reading.alive
    assert reading.values.counters[OK] == 1000


def test_a_page_belongs_to_one_process(tmp_path: Path) -> None:
    page = StatsPage(page_path(tmp_path, "hot-0"))
    with pytest.raises(JournalError, match="another live process"):
        StatsPage(page_path(tmp_path, "hot-0"))
    page.close()
    StatsPage(page_path(tmp_path, "hot-0")).close()


def test_a_page_of_another_version_is_refused_and_replaced_by_its_process(tmp_path: Path) -> None:
    path = page_path(tmp_path, "hot-0")
    page = StatsPage(path)
    page.counters[OK] = 7
    page.close()
    data = bytearray(path.read_bytes())
    data[10] ^= 1  # the layout's digest
    path.write_bytes(data)
    with pytest.raises(JournalError, match="another version"):
        read_page(path)
    readings, refused = read_pages(tmp_path)
    assert readings == []
    assert len(refused) == 1
    StatsPage(path).close()
    assert read_page(path).values.counters[OK] == 0


@pytest.mark.parametrize("content", [b"", b"x" * 50, b"x" * PAGE_BYTES])
def test_what_is_not_a_page_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.page"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="not a stats page"):
        read_page(path)


def test_pages_of_names_no_longer_used_are_folded_and_nothing_is_lost(tmp_path: Path) -> None:
    pages = [StatsPage(page_path(tmp_path, f"hot-{k}")) for k in range(4)]
    for page in pages:
        page.counters[OK] += 5
    for page in pages[1:]:
        page.close()
    assert fold_dead(tmp_path, keep=["hot-0", "hot-1"]) == ["hot-2", "hot-3"]
    assert sorted(path.stem for path in (tmp_path / "stats").iterdir()) == ["folded", "hot-0", "hot-1"]
    assert total(tmp_path) == 20
    assert fold_dead(tmp_path, keep=["hot-1"]) == []  # hot-0 lives
    pages[0].close()
    assert fold_dead(tmp_path, keep=[]) == ["hot-0", "hot-1"]
    assert total(tmp_path) == 20


def test_killed_while_folding_counts_nothing_twice(tmp_path: Path) -> None:
    page = StatsPage(page_path(tmp_path, "hot-0"))
    page.counters[OK] += 5
    page.close()
    before = page_path(tmp_path, "hot-0").read_bytes()
    fold_dead(tmp_path, keep=[])
    page_path(tmp_path, "hot-0").write_bytes(before)  # as if the kill came before the page was removed
    assert total(tmp_path) == 5
    assert fold_dead(tmp_path, keep=[]) == ["hot-0"]
    assert total(tmp_path) == 5


def test_a_page_in_memory_counts_all_the_same() -> None:
    page = StatsPage()
    page.counters[OK] += 1
    assert page.snapshot().counters[OK] == 1
    assert not page.shared
    page.close()
