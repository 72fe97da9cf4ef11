"""A writer in a process of its own, to be killed or given a broken disk: `python child_writer.py DIR MODE`.

Each number is printed after the journal has said it is written (`load`) or after its sync was answered (`sync`).
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from threading import Event

sys.path.insert(0, str(Path(__file__).parents[2]))

from sidecar.journal.settings import JournalSettings
from sidecar.journal.stats import StatsPage, page_path
from sidecar.journal.writer import Writer
from sidecar.telemetry import metrics
from tests.journal.records import IDENTITY, append_many


def main() -> None:
    data = Path(sys.argv[1])
    stats = StatsPage(page_path(data, "hot-0"))
    settings = JournalSettings(max_bytes=256 * 1024 * 1024)
    writer = Writer(data / "journal", "hot-0", settings, stats, identity=IDENTITY)
    first = int(sys.argv[3])
    if sys.argv[2] == "load":
        for number in itertools.count(first):
            (kept,) = append_many(writer, [number], b"x" * 1500)
            os.write(1, b"%d %d\n" % (number, kept))
    for number in range(first, first + 4):
        append_many(writer, [number])
        done = Event()
        answers: list[bool] = []
        writer.sync_now(lambda kept, answers=answers, done=done: (answers.append(kept), done.set()))  # type: ignore[misc]
        assert done.wait(60)
        failures = stats.counters[metrics.JOURNAL_FSYNC_FAILURES.slot]
        os.write(1, b"%d %d %d\n" % (number, answers[0], failures))
    writer.close()


if __name__ == "__main__":
    main()
