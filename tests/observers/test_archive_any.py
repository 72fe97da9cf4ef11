"""No record, whatever callers and models put into it, stops the archiver or is lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.archive.tables import read_parquet
from sidecar.exchange import Kind, encode
from sidecar.predictions import OutcomeRow
from tests.archive.desk import Desk, archived, named
from tests.kit.guards import CLEAN, policy
from tests.predictions.calls import exchange


def json_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5)
    return st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=6
    )


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@settings(max_examples=30, deadline=None)
@given(label=json_values(), row=st.none() | st.integers(0, 2**64 - 1), observed_at=st.text(max_size=20), key=st.text())
@example(label=nested(400), row=2**64 - 1, observed_at="1e308", key="")
@example(label=float("nan"), row=0, observed_at="nan", key="\x00")
@example(label={"base64": 1}, row=0, observed_at="-99999999999", key="k")
@example(label={}, row=0, observed_at="9999-12-31T23:59:59-12:00", key="k")
@example(label={}, row=0, observed_at="0001-01-01T00:00:00+12:00", key="k")
def test_any_label_is_archived(label: Any, row: int | None, observed_at: str, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        desk.label(prediction_id="p", label=label, row=row, observed_at=observed_at, key=key)
        desk.archive()
        (path,) = named(desk.root, "outcomes")
        (found,) = read_parquet(desk.root / path, OutcomeRow)
        assert found.observed_at is not None
        desk.writer.close()


@settings(max_examples=30, deadline=None)
@given(name=st.text(max_size=4), value=json_values(), model=st.text(max_size=300), caller=st.text(max_size=5))
@example(name="\ud800", value="\udfff", model="\x00", caller="\x00")
@example(name="x", value=10**400, model="..", caller="")
@example(name="x", value=nested(150), model="/", caller="")
def test_any_answer_is_archived(name: str, value: Any, model: str, caller: str) -> None:
    text = policy("features: {age: {type: int}}", model="protocol: json, path: /p, rows: /rows")
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), text)
        record = exchange(policy_digest=desk.guard.identity.digest, model_name=model, caller=caller)
        answer = json.dumps([{name: value}]).encode()
        payloads = (b'{"rows": [{"age": 1}]}', answer)
        assert desk.writer.append(Kind.EXCHANGE, encode(record), payloads)
        desk.writer.append(Kind.EXCHANGE, encode(record), (CLEAN, CLEAN))
        desk.archive()
        assert len(archived(desk.root)) == 2
        desk.writer.close()
