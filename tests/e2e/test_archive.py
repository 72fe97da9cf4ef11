"""From a caller to a Parquet file, with real processes: killed, stopped and asked while they run."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .load import Answered, Load, row
from .processes import Model, eventually, kill, sidecar_command
from .test_disk import JSON
from .test_observers import Both


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "model") as running:
        yield running


@pytest.fixture
def platform(tmp_path: Path) -> str:
    """An archive that writes often."""
    path = tmp_path / "sidecar.yaml"
    path.write_text("api: v1\narchive: {to: archive, every: 100ms}\n")
    return str(path)


def exported(data: Path) -> list[dict[str, Any]]:
    done = sidecar_command("log", "export", "--format", "jsonl", "--data", str(data))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def archived_rows(archive: Path) -> int:
    """Rows that manifests name."""
    manifests = (archive / "_manifest").glob("*/*.json")
    found = [json.loads(path.read_bytes())["files"] for path in manifests]
    return sum(file["rows"] for files in found for file in files if file["data_set"] == "predictions")


def test_every_answer_is_exported_once_whoever_is_killed(tmp_path: Path, model: Model, platform: str) -> None:
    dice = random.Random(11)
    with Both(tmp_path / "sidecar", model, "--config", platform) as serving:
        answered: dict[str, Answered] = {}
        for number in range(4):
            victim = serving.cold()
            with Load(serving.port, f"a{number}") as load:
                load.until(dice.randrange(50, 200))
                threading.Event().wait(dice.random() * 0.2)  # the moment
                kill(victim)
                load.until(50)
            assert not load.wrong, load.wrong[:5]
            answered |= load.answered
            while_running = Counter(record["prediction_id"] for record in exported(serving.data))
            assert set(while_running.values()) == {1}
            assert {answer.prediction_id for answer in answered.values()} <= set(while_running)
        serving.cold()
        eventually(lambda: archived_rows(serving.data / "archive") >= len(answered))
        assert serving.stop() == 0
    records = exported(serving.data)
    found = Counter(record["prediction_id"] for record in records)
    assert set(found.values()) == {1}
    assert {answer.prediction_id for answer in answered.values()} <= set(found)
    by_id = {record["prediction_id"]: record for record in records}
    for answer in answered.values():
        record = by_id[answer.prediction_id]
        assert record["status"] == answer.status
        if answer.kind == "stream":
            continue
        assert record["verdict"] == ("rejected" if answer.kind == "bad" else "ok")
        assert record["unread"] == ""
        assert len(record["features"]) == 20


def test_a_stream_cut_by_a_killed_worker_is_interrupted_in_the_archive(
    tmp_path: Path, model: Model, platform: str
) -> None:
    with Both(tmp_path / "sidecar", model, "--config", platform) as serving:
        serving.until_ready()
        path = "/v2/models/bench/generate_stream?events=1000&every=0.05"
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.stream(
                "POST", serving.url + path, content=row(0.5), headers=JSON, timeout=60, trust_env=False
            ) as stream,
        ):
            name = stream.headers["x-prediction-id"]
            arriving = stream.iter_raw()
            next(arriving)
            (worker,) = set(serving.workers()) - {serving.cold()}
            kill(worker)
            for _ in arriving:
                pass
        eventually(lambda: archived_rows(serving.data / "archive") == 1)
        assert serving.stop() == 0
    (record,) = exported(serving.data)
    assert (record["prediction_id"], record["verdict"], record["status"]) == (name, "interrupted", 200)
    told = sidecar_command("explain", name, "--data", str(serving.data))
    assert "interrupted: the stream began and its end was never recorded" in told.stdout


def test_a_prediction_is_explained_while_it_serves_and_after(tmp_path: Path, model: Model, platform: str) -> None:
    with Both(tmp_path / "sidecar", model, "--config", platform) as serving:
        serving.cold()
        with Load(serving.port, "b") as load:
            load.until(30)
        refused = next(answer for answer in load.answered.values() if answer.kind == "bad")
        stories = []
        command = ("explain", refused.prediction_id, "--format", "json", "--data", str(serving.data))
        for _ in range(2):
            done = sidecar_command(*command)
            assert done.returncode == 0, done.stderr
            stories.append(json.loads(done.stdout)["predictions"])
            eventually(lambda: archived_rows(serving.data / "archive") >= len(load.answered))
        assert serving.stop() == 0
    done = sidecar_command(*command)
    assert done.returncode == 0, done.stderr
    stories.append(json.loads(done.stdout)["predictions"])
    assert stories[0] == stories[1] == stories[2]
    ((story,), *_) = stories
    assert story["verdict"] == "rejected"
    assert story["violations"][0]["code"].endswith(".min")
    assert story["policy"]["known"]
    found = sidecar_command("find", "verdict == 'rejected' and status == 422", "--data", str(serving.data))
    bad = {answer.prediction_id for answer in load.answered.values() if answer.kind == "bad"}
    assert set(found.stdout.split()) >= bad
