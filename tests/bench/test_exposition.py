"""A counter read from an exposition."""

from __future__ import annotations

import pytest

from bench.exposition import scrape, sums
from bench.failure import BenchError
from bench.processes import free_port

TEXT = """# HELP dropped_total Records.
# TYPE dropped_total counter
dropped_total{reason="disk_full"} 3
dropped_total{reason="too } large"} 4 1767225600000
records_total 12e2
nonsense
"""


def test_samples_are_added_up_over_their_labels() -> None:
    assert sums(TEXT) == {"dropped_total": 7.0, "records_total": 1200.0}


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        scrape(free_port())
