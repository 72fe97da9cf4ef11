"""One model under every protocol: its guard, how its bodies are written, and a data port that judges them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.gateway import GatewaySettings
from sidecar.guard import Guard
from tests.kit.client import Answer, request
from tests.kit.guards import guard, policy
from tests.kit.running import Running, running
from tests.kit.upstream import answer, replies

NOW = 1_800_000_000.0
Row = Mapping[str, Any]

FEATURES = """
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000000}
"""
PREDICTION = """
prediction:
  score: {type: float, min: 0, max: 1}
"""


@dataclass(frozen=True)
class Protocol:
    """`write` makes a body of rows; `reply` the answer of a model that gives these scores."""

    model: str
    path: str
    write: Callable[[Sequence[Row]], bytes]
    reply: Callable[[Sequence[Any]], bytes]


def _matrix(rows: Sequence[Row]) -> bytes:
    data = [[row["age"], row["income"]] for row in rows]
    tensor = {"name": "input-0", "shape": [len(rows), 2], "datatype": "FP64", "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def _tensors(rows: Sequence[Row]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return json.dumps({"inputs": [tensor(name, [row[name] for row in rows]) for name in names]}).encode()


def tensor(name: str, data: list[Any], shape: list[Any] | None = None, datatype: str = "FP64", **more: Any) -> Any:
    """One tensor as JSON says it."""
    return {"name": name, "shape": [len(data)] if shape is None else shape, "datatype": datatype, "data": data} | more


def _outputs(scores: Sequence[Any]) -> bytes:
    return json.dumps({"model_name": "credit", "outputs": [tensor("score", list(scores))]}).encode()


def _instances(rows: Sequence[Row]) -> bytes:
    return json.dumps({"instances": list(rows)}).encode()


def _columnar(rows: Sequence[Row]) -> bytes:
    return json.dumps({"inputs": {name: [row[name] for row in rows] for name in rows[0]}}).encode()


def _lists(rows: Sequence[Row]) -> bytes:
    return json.dumps({"features": [[row["age"], row["income"]] for row in rows]}).encode()


PROTOCOLS = {
    "matrix": Protocol(
        "protocol: oip, name: credit, columns: {input-0: [age, income]}", "/v2/models/credit/infer", _matrix, _outputs
    ),
    "tensors": Protocol("protocol: oip, name: credit", "/v2/models/credit/infer", _tensors, _outputs),
    "instances": Protocol(
        "protocol: tfserving, name: credit",
        "/v1/models/credit:predict",
        _instances,
        lambda scores: json.dumps({"predictions": list(scores)}).encode(),
    ),
    "columnar": Protocol(
        "protocol: tfserving, name: credit",
        "/v1/models/credit:predict",
        _columnar,
        lambda scores: json.dumps({"outputs": list(scores)}).encode(),
    ),
    "json": Protocol(
        "protocol: json, path: /predict, rows: /features, columns: [age, income], predictions: /scores",
        "/predict",
        _lists,
        lambda scores: json.dumps({"scores": list(scores)}).encode(),
    ),
    "objects": Protocol(
        "protocol: json, path: /predict, rows: /rows, predictions: /scores",
        "/predict",
        lambda rows: json.dumps({"rows": list(rows)}).encode(),
        lambda scores: json.dumps({"scores": list(scores)}).encode(),
    ),
}
CLEAN_ROW: Row = {"age": 30, "income": 1000.5}
BAD_ROW: Row = {"age": 130, "income": 1000.5}


def bound(tmp_path: Path, protocol: str, mode: str = "enforce", features: str = FEATURES + PREDICTION) -> Guard:
    """The guard of the credit model under one protocol."""
    told = "" if "errors:" in features else "errors: full\n"
    return guard(tmp_path, policy(f"mode: {mode}\n{told}{features}", model=PROTOCOLS[protocol].model))


def judged(body: bytes, by: Guard, *, coding: str = "") -> Any:
    """What the exact path says."""
    return by.judge_request(body, coding, lambda _name: None, "", NOW)


@asynccontextmanager
async def port(
    tmp_path: Path,
    protocol: str = "matrix",
    mode: str = "enforce",
    *,
    features: str = FEATURES + PREDICTION,
    reply: bytes | None = None,
    settings: GatewaySettings | None = None,
) -> AsyncIterator[Running]:
    """A data port in front of a model that always answers one good score."""
    folder = tmp_path / f"{protocol}-{mode}"
    folder.mkdir(exist_ok=True)
    good = PROTOCOLS[protocol].reply([0.5]) if reply is None else reply
    async with running(
        folder,
        default=replies(answer(good)),
        guards=[bound(folder, protocol, mode, features)],
        settings=settings,
    ) as world:
        yield world


async def refused(world: Running, sent: bytes, method: str = "POST") -> Answer:
    """Sent, answered with a 4xx of our own, and the model has seen nothing of it."""
    before = len(world.upstream.requests)
    found = await world.ask(sent, method)
    assert 400 <= found.status < 500, (found.status, found.body, sent[:300])
    assert len(world.upstream.requests) == before, "the model was asked"
    return found


def post(protocol: str, body: bytes | None, *headers: bytes, **options: Any) -> bytes:
    """A request to the model's own path."""
    return request(PROTOCOLS[protocol].path, body, *headers, **options)
