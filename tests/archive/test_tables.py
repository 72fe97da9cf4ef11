"""Rows through Parquet and back: nothing is lost, whatever the values are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.archive.tables import ROW_TYPES, RowGroups, from_table, read_parquet, schema_of, to_table
from sidecar.predictions import OutcomeRow, Prediction, plain, restored, to_json, to_record
from sidecar.predictions.row import Latency, ModelRef, PolicyRef, RowViolation, Story
from sidecar.rows import MISSING


def leaves() -> st.SearchStrategy[Any]:
    text = st.text(max_size=12) | st.sampled_from(["float", "base64", "object", "integer", "missing"])
    numbers = st.floats() | st.integers() | st.sampled_from([2**64, -(2**63) - 1])
    return st.none() | st.booleans() | numbers | text | st.binary(max_size=8) | st.just(MISSING)


def values() -> st.SearchStrategy[Any]:
    names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["float", "object"])
    return st.recursive(leaves(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3))


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and left != left:
        return isinstance(right, float) and right != right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return type(left) is type(right) and bool(left == right)


@settings(max_examples=200, deadline=None)
@given(values())
def test_any_value_is_json_and_comes_back(value: Any) -> None:
    text = msgspec.json.encode(plain(value))
    assert same(restored(json.loads(text, parse_constant=pytest.fail)), value)


def a_row(**other: Any) -> Prediction:
    fields: dict[str, Any] = {
        "prediction_id": "p", "row": 3, "ts": "2026-01-02T03:04:05.123456Z", "entity": "e-1",
        "model": ModelRef("credit", "14"), "policy": PolicyRef("credit", "2", "b2:00"), "delivered": {"score": 0.5},
        "violations": [RowViolation("age.max", "age", "reject")], "features": {"age": {"float": "nan"}, "v": [1, None]},
        "raw_features": {"age": {"missing": True}}, "prediction": {"score": {"base64": "AA=="}}, "status": 200,
        "latency_ms": Latency(1.5, 0.25, None, 0.125), "weight": 4.0, "join_key": "hash:1",
        "story": Story(method="POST", rows=4, streamed=True), "unread": "", "exposed": False, "propensity": 0.95,
    }  # fmt: skip
    return Prediction(**(fields | other))


def write(path: Path, rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> None:
    """One file with these rows."""
    groups = RowGroups(kind)
    groups.add(rows)
    assert groups.write(path) == path.stat().st_size


@pytest.mark.parametrize("row", [a_row(), a_row(ts=None, delivered=None, entity=None), Prediction(prediction_id="p")])
def test_a_row_comes_back(row: Prediction, tmp_path: Path) -> None:
    write(tmp_path / "x", [row], Prediction)
    (back,) = read_parquet(tmp_path / "x", Prediction)
    assert back == row
    assert to_json(back) == to_json(row)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    write(tmp_path / "x", [a_row()], Prediction)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_every_field_of_the_record_has_its_column() -> None:
    joined = {"label", "label_ts", "shadow"}  # by the view
    for kind in ROW_TYPES.values():
        assert set(schema_of(kind).names) == set(kind.__struct_fields__) - (joined if kind is Prediction else set())


def test_columns_of_other_versions_do_no_harm() -> None:
    table = to_table([a_row()], Prediction)
    older = table.drop_columns(["weight", "slices"])
    (back,) = from_table(older, Prediction)
    assert (back.weight, back.slices) == (1.0, {})
    (back,) = from_table(table.append_column("new", [["x"]]), Prediction)
    assert back == a_row()


def test_rows_of_one_id_are_found_alone(tmp_path: Path) -> None:
    rows = [a_row(prediction_id=f"p-{number}", request_id=f"r-{number % 2}") for number in range(10)]
    write(tmp_path / "x", rows, Prediction)
    assert [row.prediction_id for row in read_parquet(tmp_path / "x", Prediction, about="p-7")] == ["p-7"]
    assert len(list(read_parquet(tmp_path / "x", Prediction, about="r-1"))) == 5
    assert list(read_parquet(tmp_path / "x", Prediction, about="p")) == []


def test_labels_come_back(tmp_path: Path) -> None:
    row = OutcomeRow(ts="2026-01-02T03:04:05.000001Z", prediction_id="p", label={"float": "nan"}, row=2)
    write(tmp_path / "x", [row], OutcomeRow)
    assert list(read_parquet(tmp_path / "x", OutcomeRow)) == [row]
    assert to_record(a_row())["label"] is None


def test_row_groups_hold_a_fraction_once_they_are_encoded_and_lose_no_row(tmp_path: Path) -> None:
    rows = [
        a_row(prediction_id=f"p-{number:05}", features={"age": number, "note": "n" * 200}) for number in range(4000)
    ]
    groups = RowGroups(Prediction)
    for start in range(0, 3500, 500):
        groups.add(rows[start : start + 500])
        if start == 1500:
            before = groups.nbytes
            groups.encode()
            assert groups.nbytes < before / 4
    groups.add(rows[3500:])
    groups.write(tmp_path / "x")
    assert list(read_parquet(tmp_path / "x", Prediction)) == rows
