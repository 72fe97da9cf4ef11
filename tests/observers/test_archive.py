"""The archive's limits and partitions, what it samples, and what its files hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from pyarrow.dataset import dataset

from sidecar.archive import read_manifests
from sidecar.archive.layout import MOST_MODELS, OTHER, folder_of, safe
from sidecar.archive.tables import ROW_TYPES, read_parquet, schema_of
from sidecar.errors import RuntimeSetupError
from sidecar.exchange import Kind, encode
from sidecar.observers.archive import MEMBER, Archive
from sidecar.observers.keeping import kept
from sidecar.policy.platform import Archive as ArchiveSection
from sidecar.predictions import Prediction
from tests.archive.desk import SECRET, Desk, archived, archiver, counted, lying_about, named
from tests.kit.guards import CREDIT, policy
from tests.predictions.calls import exchange


def folders(desk: Desk, data_set: str) -> set[str]:
    return {path.rpartition("/")[0] for path in named(desk.root, data_set)}


def test_rows_stand_in_hive_partitions(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(3)
    desk.label(prediction_id="p", label=1)
    desk.transition("started")
    desk.archive()
    assert folders(desk, "predictions") == {"predictions/date=2026-01-02/model_name=credit"}
    assert folders(desk, "outcomes") == {"outcomes/date=2026-01-13"}
    assert folders(desk, "control") == {"control/date=2026-01-02"}


def test_the_whole_archive_is_one_table_to_those_who_read_hive_partitions(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.many(5)
    desk.archive(batch=2, commit_every=1)
    table = dataset(desk.root / "predictions", format="parquet", partitioning="hive").to_table()
    assert set(table.schema.names) == {*schema_of(Prediction).names, "date", "model_name"}
    assert table.schema.field("model").type == schema_of(Prediction).field("model").type
    assert table.num_rows == len(desk.wanted())


def test_partitions_are_as_the_platform_says(tmp_path: Path) -> None:
    desk = Desk(tmp_path, partition=("date", "hour", "policy"))
    desk.many(1)
    desk.archive()
    assert folders(desk, "predictions") == {"predictions/date=2026-01-02/hour=03/policy_name=credit"}


def test_names_that_callers_make_up_share_one_folder(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for number in range(MOST_MODELS + 20):
        record = exchange(number, model_name=f"../made-up/{number}")
        desk.writer.append(Kind.EXCHANGE, encode(record))
    desk.archive()
    found = folders(desk, "predictions")
    assert len(found) == MOST_MODELS + 1
    assert f"predictions/date=2026-01-02/model_name={OTHER}" in found
    assert all(path.resolve().is_relative_to(desk.root) for path in desk.root.rglob("*"))
    assert len(archived(desk.root)) == MOST_MODELS + 20


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b", "ü" * 200, "a=b", "%2e%2e"])
def test_any_name_is_one_harmless_segment(name: str) -> None:
    assert "/" not in safe(name)
    assert safe(name).strip(".")
    assert len(safe(name)) <= 120


def test_the_oldest_rows_go_first_when_it_is_full(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_bytes=60_000)
    desk.many(40)
    desk.archive(batch=4, commit_every=1)
    left = counted(desk.root)
    assert 0 < len(left) < len(desk.wanted())
    assert max(left) == max(desk.wanted())
    assert lying_about(desk.root) == set()
    assert sum(path.stat().st_size for path in desk.root.rglob("*.parquet")) <= 60_000
    assert folders(desk, "control")
    desk.archive()
    assert counted(desk.root) == left


def test_old_rows_go_policies_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path, retain=3600.0)  # the calls are of January
    desk.many(5)
    desk.archive()
    assert archived(desk.root) == []
    assert folders(desk, "control")
    assert not (desk.root / "predictions").exists()
    desk.many(1)
    desk.archive()
    assert lying_about(desk.root) == set()
    assert len(list(read_manifests(desk.root))) == 2


def test_a_sample_is_kept_by_call_and_says_what_it_stands_for(tmp_path: Path) -> None:
    text = policy(CREDIT) + "capture: {sample: 25%}\n"
    desk = Desk(tmp_path, text)
    desk.many(300)
    refused = desk.call([130, 1.0])
    repaired = desk.call([30, -1.0])
    held = desk.call(exposed=False)
    desk.archive()
    rows = archived(desk.root)
    by_call = Counter(row.prediction_id for row in rows if row.verdict == "ok" and row.exposed)
    assert all(number == int(name[-12:]) % 3 or number == 3 for name, number in by_call.items())
    assert {row.weight for row in rows if row.verdict == "ok" and row.exposed} == {4.0}
    assert 40 <= len(by_call) <= 115  # 75 expected; five standard deviations
    assert {row.prediction_id: row.weight for row in rows if row.prediction_id in (refused, repaired, held)} == {
        refused: 1.0, repaired: 1.0, held: 1.0,
    }  # fmt: skip


def test_replicas_with_one_key_keep_the_same_rows() -> None:
    rows = [Prediction(prediction_id=f"p-{number}", verdict="ok", status=200) for number in range(100)]
    first = [kept(row, 0.5, SECRET) for row in rows]
    assert first == [kept(row, 0.5, SECRET) for row in rows]
    assert first != [kept(row, 0.5, b"another key") for row in rows]
    assert [kept(row, 1.0, SECRET) for row in rows] == [True] * 100


def test_it_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(RuntimeSetupError, match="writes to a folder"):
        archiver(tmp_path, ArchiveSection(to="s3://bucket/x"))
    assert folder_of(tmp_path, "archive") == tmp_path / "archive"
    assert folder_of(tmp_path, "/elsewhere") == Path("/elsewhere")
    assert MEMBER is Archive
    assert Archive.kind == "archive"


def test_values_that_are_hidden_are_nowhere_in_the_archive(tmp_path: Path) -> None:
    text = policy("mode: enforce\nfeatures:\n  age: {type: int}\n  income: {type: float, pii: true}\n")
    desk = Desk(tmp_path, text)
    desk.call([30, 87654321.25])
    desk.label(key="87654321.25", label=1)
    desk.archive()
    (row,) = archived(desk.root)
    assert row.features["income"].startswith("hash:")
    for manifest in read_manifests(desk.root):
        for file in manifest.files:
            if file.data_set in ("predictions", "outcomes"):
                for told in read_parquet(desk.root / file.path, ROW_TYPES[file.data_set]):
                    assert b"87654321" not in msgspec.json.encode(told)
