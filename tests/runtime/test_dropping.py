"""Losing records is said once, and so is that they are kept again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sidecar.journal import StatsPage
from sidecar.journal.settings import JournalSettings
from sidecar.journal.writer import Writer
from sidecar.runtime.dropping import STEADY_LOOKS, Dropping
from tests.journal.records import IDENTITY, FakeClock, append_many


class Stream:
    """A writer that is looked at once a second, and a folder that can be taken away and given back."""

    def __init__(self, folder: Path) -> None:
        self.clock, page = FakeClock(), StatsPage()
        settings = JournalSettings(max_age=16.0)  # a segment a second
        self.writer = Writer(folder, "hot-0", settings, page, identity=IDENTITY, clock=self.clock)
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self.dropping = Dropping(self.writer, page, lambda event, fields: self.said.append((event, fields)))
        self._folder = folder / "hot-0"

    def seconds(self, count: int, records: int = 3) -> int:
        """Append and look for some seconds; how many records were kept."""
        kept = 0
        for _ in range(count):
            self.clock.pass_seconds(1.1)
            kept += sum(append_many(self.writer, range(records)))
            self.writer.tick()
            self.dropping.look()
        return kept

    def take_away(self) -> None:
        shutil.rmtree(self._folder)

    def give_back(self) -> None:
        self._folder.mkdir()


def test_a_loss_of_thousands_is_two_lines(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    assert stream.seconds(3) == 9
    assert stream.said == []
    stream.take_away()
    assert stream.seconds(50) == 0
    assert stream.said == [("journal.dropping", {"stream": "hot-0", "reasons": ["other"]})]
    stream.give_back()
    stream.seconds(STEADY_LOOKS - 1)
    assert len(stream.said) == 1, "well only when it has stayed so"
    stream.seconds(2)
    (_, (event, fields)) = stream.said
    assert event == "journal.recovered"
    assert 148 <= fields["dropped"] <= 151, "all that were lost, and not those before and after"
    stream.seconds(20)
    assert len(stream.said) == 2
    stream.writer.close()


def test_it_is_said_before_the_first_record_is_lost_and_again_the_next_time(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    stream.seconds(1)
    for times in (1, 2):
        stream.take_away()
        stream.seconds(1)
        stream.seconds(3, records=0)
        assert [event for event, _ in stream.said].count("journal.dropping") == times
        stream.give_back()
        stream.seconds(STEADY_LOOKS + 2)
        assert [event for event, _ in stream.said].count("journal.recovered") == times
    stream.writer.close()


def test_a_record_that_is_too_large_is_no_disk_that_fails(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    assert stream.seconds(1) == 3
    assert not stream.writer.append(1, b"", [b"x"] * 10_000)
    stream.dropping.look()
    assert stream.said == []
    stream.writer.close()
