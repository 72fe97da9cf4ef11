"""What `capture.sample` never takes away: quarantine, shadowed rows, disagreement; hidden values stay hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.exchange import Kind, encode
from sidecar.observers.keeping import Keeping, kept
from sidecar.predictions import Prediction
from sidecar.predictions.row import CandidateVerdict
from sidecar.shadow import ROW, Sampler, derive_key
from tests.archive.desk import SECRET, Desk, archived
from tests.kit.guards import DROPPING, policy
from tests.predictions.calls import judged_call

TF = "protocol: tfserving, name: credit"
CONTRACT = (
    DROPPING
    + """\
  ssn: {type: string, pii: true, max_length: 3, on_violation: drop}
  zone: {type: string, required: false}
prediction: {score: {type: float, min: 0, max: 1}}
fallback: {values: {score: 0.5}}
"""
)
SECRETS = ("s-1", "s-secret", "s-3", "s-4", "s-5")
GOOD = {"age": 30, "income": 1.0, "job": "a", "ssn": "s-1", "zone": "north-9"}
FIVE: list[dict[str, Any]] = [
    GOOD,
    {**GOOD, "ssn": "s-secret"},
    {**GOOD, "job": "x", "ssn": "s-3"},
    {**GOOD, "income": 5000.0, "ssn": "s-4"},
    {**GOOD, "age": 130, "ssn": "s-5"},
]


class Sampled(Desk):
    """A desk whose policy keeps next to nothing of what is fine."""

    def __init__(self, folder: Path, more: str = "", contract: str = CONTRACT) -> None:
        folder.mkdir(exist_ok=True)
        text = policy(contract, model=TF)
        super().__init__(folder, f"{text}capture: {{sample: 0.0001%, hide: {{zone: drop}}}}\n{more}")

    def batch(self, rows: list[dict[str, Any]], *scores: float) -> str:
        self.calls += 1
        body, reply = json.dumps({"instances": rows}).encode(), json.dumps({"predictions": scores}).encode()
        record, payloads = judged_call(self.guard, body, reply, self.calls)
        assert self.writer.append(Kind.EXCHANGE, encode(record), payloads)
        return record.prediction_id


def test_the_rows_that_were_not_fine_are_kept_and_only_these(tmp_path: Path) -> None:
    desk = Sampled(tmp_path)
    for _ in range(5):
        desk.batch([GOOD, GOOD], 0.1, 0.1)
    batch = desk.batch(FIVE, 0.1, 0.2)
    desk.archive()
    found = archived(desk.root)
    assert {row.prediction_id for row in found} == {batch}
    assert [(row.row, row.verdict, row.weight) for row in sorted(found, key=lambda row: row.row)] == [
        (1, "rejected", 1.0), (2, "fallback", 1.0), (3, "repaired", 1.0), (4, "rejected", 1.0),
    ]  # fmt: skip


def test_hidden_values_are_hidden_in_quarantine_too(tmp_path: Path) -> None:
    desk = Sampled(tmp_path)
    desk.batch(FIVE, 0.1, 0.2)
    desk.archive()
    found = archived(desk.root)
    assert len(found) == 4
    for row in found:
        assert row.features["ssn"].startswith("hash:")
        assert "zone" not in row.features
    kept_bytes = b"".join(path.read_bytes() for path in desk.root.rglob("*.parquet") if "predictions" in path.parts)
    told = json.dumps([repr(row) for row in found])
    for secret in (*SECRETS, "north-9"):
        assert secret.encode() not in kept_bytes
        assert secret not in told


def test_rows_that_the_contract_and_its_candidate_disagree_about_are_kept() -> None:
    for verdict, wanted in (("rejected", True), ("ok", False)):
        row = Prediction(prediction_id="p", verdict="ok", status=200, candidate=CandidateVerdict(verdict, "ok"))
        assert kept(row, 1e-9, SECRET) is wanted
        assert row.weight == 1.0


SHADOW = "shadow: [{{candidate: v2, upstream: 'http://127.0.0.1:9', sample: {share}, unit: {unit}}}]\n"


@pytest.mark.parametrize("unit", ["request", "row", "zone"])
def test_rows_whose_unit_is_shadowed_are_kept(tmp_path: Path, unit: str) -> None:
    contract = CONTRACT.replace("zone: {type: string,", "zone: {type: string, role: key,")
    for share, rows in (("100%", 6), ("0%", 0)):
        desk = Sampled(tmp_path / share, SHADOW.format(share=share, unit=unit), contract)
        if unit == "zone":  # a hidden key is no name for a unit here
            rows = 0
        for _ in range(3):
            desk.batch([GOOD, GOOD], 0.1, 0.1)
        desk.archive()
        assert len(archived(desk.root)) == rows


def test_the_draw_is_that_of_the_shadow_observer(tmp_path: Path) -> None:
    desk = Sampled(tmp_path, SHADOW.format(share="30%", unit="row"))
    context: Any = desk.archiver()._context
    keeping = Keeping(context.book, SECRET)
    sampler = Sampler(derive_key(SECRET), "credit", ROW, 0.3)
    rows = [Prediction(prediction_id=f"p-{n}", row=1, verdict="ok", status=200) for n in range(200)]
    found = [keeping.keeps(row, desk.guard) for row in rows]
    assert found == [sampler.draw(f"{row.prediction_id}/1").sampled for row in rows]
    assert 20 < sum(found) < 100
    assert not any(Keeping(context.book, b"").keeps(row, desk.guard) for row in rows)
