"""Labels over the wire, while observers are killed: every labelled row is archived once, and hardly another one is."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.archive.desk import archived, counted

from .load import Answered, Load, rows_alone
from .processes import Model, eventually, kill, sidecar_command
from .test_disk import FEEDBACK
from .test_disk import answered as own_status
from .test_observers import Both

CONFIG = """
api: v1
environment: quiet
environments: {quiet: {sample: 0.0001%}}
archive: {to: archive, every: 100ms}
"""


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with Model(tmp_path / "model") as running:
        yield running


def test_labels_bring_back_what_was_not_kept_whoever_is_killed(tmp_path: Path, model: Model) -> None:
    dice = random.Random(3)
    config = tmp_path / "sidecar.yaml"
    config.write_text(CONFIG)
    labelled: set[str] = set()
    answered: dict[str, Answered] = {}
    with Both(tmp_path / "sidecar", model, "--config", str(config), "--workers", "2") as serving:
        serving.until_workers(2)
        root = serving.data / "archive"
        for number in range(3):
            victim = serving.cold()
            with Load(serving.port, f"l{number}", ask=rows_alone, judge=own_status) as load:
                load.until(150)
            assert not load.wrong, load.wrong[:5]
            answered |= load.answered
            fine = [(name, answer) for name, answer in load.answered.items() if answer.kind == "infer"]
            for index, (name, answer) in enumerate(fine[::3]):
                about = {"prediction_id": answer.prediction_id} if index % 2 else {"request_id": name}
                items = [about | {"label": index}] * dice.choice((1, 2))
                assert httpx.post(serving.url + FEEDBACK, json=items, timeout=60).status_code == 202
                labelled.add(answer.prediction_id)
                if index == 20:
                    kill(victim)
        kept = {answer.prediction_id for answer in answered.values() if answer.kind == "bad"}
        serving.cold()
        eventually(lambda: set(counted(root)) >= {(name, 0) for name in labelled | kept})
        assert serving.stop() == 0
    found = counted(root)
    assert set(found.values()) == {1}
    assert {name for name, _ in found} == labelled | kept
    assert {row.weight for row in archived(root) if row.prediction_id in labelled} == {0.0}
    told = sidecar_command("find", "label is not null", "--format", "jsonl", "--data", str(serving.data))
    records = [json.loads(line) for line in told.stdout.splitlines()]
    assert {record["prediction_id"]: record["weight"] for record in records} == dict.fromkeys(labelled, 1.0)
    assert len(answered) > 3 * len(labelled) / 2
