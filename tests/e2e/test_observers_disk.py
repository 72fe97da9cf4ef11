"""The observers on a full disk: they say so and try again, nothing is lost or counted twice, and the gateway serves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.archive.source import Source
from sidecar.runtime.book import PolicyBook

from .load import Load
from .processes import Model, eventually
from .test_archive import archived_rows
from .test_disk import Volume
from .test_observers import Both

STARVED_SECONDS = 240.0  # on one core the load and the gateway go first


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "model") as running:
        yield running


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    made = Volume(tmp_path / "volume", 32)
    yield made
    made.close()


def because(serving: Both) -> str:
    """Why the archive does not run, as the admin port has it."""
    (failing,) = [each for each in serving.api("/api/status")["observers"] if each["name"] == "archive"]
    return str(failing["because"])


def recovered(serving: Both) -> list[dict[str, Any]]:
    """The archive's lines that say so."""
    lines = [json.loads(line) for line in serving.said().splitlines() if '"observer.recovered"' in line]
    return [line for line in lines if line["observer"] == "archive"]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("full", ["archive", "data"])
def test_a_full_disk_p2_is_said_and_made_up_for(tmp_path: Path, model: Model, volume: Volume, full: str) -> None:
    """Where the archive alone is on it, and where the observers' states and progress are, too."""
    on_it = volume.at / "data"
    archive = volume.at / "archive" if full == "archive" else on_it / "archive"
    config = tmp_path / "sidecar.yaml"
    config.write_text(f"api: v1\narchive: {{to: {archive}, every: 100ms}}\n")
    elsewhere = ("--data", str(on_it), "--journal", str(tmp_path / "journal")) if full == "data" else ()
    with Both(tmp_path / "sidecar", model, "--config", str(config), *elsewhere) as serving:
        if full == "data":
            serving.data = on_it
        serving.until_ready()
        serving.cold()
        with Load(serving.port, "full") as load:
            load.until(50)
            eventually(lambda: archived_rows(archive) > 0, seconds=STARVED_SECONDS)
            volume.fill()
            errors = 'sidecar_observer_errors_total{observer="archive"}'
            eventually(lambda: serving.metric(errors) >= 2, seconds=STARVED_SECONDS)
            eventually(lambda: "No space left" in because(serving), seconds=STARVED_SECONDS)  # told between two tries
            load.until(200)
            assert serving.readyz()[0] == 200
            assert serving.total("sidecar_journal_dropped_records_total") == 0
            volume.empty()
        assert not load.wrong, load.wrong[:5]
        assert not load.lost
        eventually(lambda: archived_rows(archive) >= len(load.answered), seconds=STARVED_SECONDS)
        assert "observer.failed" in serving.said()
        eventually(lambda: recovered(serving))
        assert {(line["level"], line["lost"]) for line in recovered(serving)} == {("info", 0)}
        assert "Traceback" not in serving.said(), "a full disk is no bug"
        assert serving.stop() == 0
    known = PolicyBook(serving.data, log=lambda event, fields: None)
    rows = Source(None, archive, known.guard, known.learn).predictions()
    found = Counter(row.prediction_id for row in rows)
    assert set(found.values()) == {1}
    assert {answer.prediction_id for answer in load.answered.values()} <= set(found)
