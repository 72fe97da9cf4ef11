"""B38, B40: what is told of a bad body: our own faults as the policy says, never a value, never without an end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.guard import Guard
from sidecar.telemetry import metrics
from tests.badinput.desk import BAD_ROW, CLEAN_ROW, FEATURES, PROTOCOLS, bound, port, post, tensor
from tests.kit.guards import broken
from tests.kit.running import running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio

CANARY = "canary-7f3a9"
NUMBER = 987654321.125
PROBLEM = b"Accept: application/problem+json"


# -- a fault of our own


def faulty(tmp_path: Path, protocol: str, mode: str, on_error: str, side: str) -> Guard:
    text = f"on_guard_error: {on_error}\n" + FEATURES + "prediction: {score: {type: float, min: 0, max: 1}}\n"
    return broken(bound(tmp_path, protocol, mode, text), side)


@pytest.mark.parametrize("protocol", ["matrix", "instances", "json"])
@pytest.mark.parametrize("side", ["request", "reply"])
@pytest.mark.parametrize(
    ("mode", "on_error", "status"),
    [("enforce", "reject", 503), ("enforce", "pass", 200), ("observe", "reject", 200), ("observe", "pass", 200)],
)
async def test_b38_open_or_closed_as_the_policy_says(
    tmp_path: Path, protocol: str, side: str, mode: str, on_error: str, status: int
) -> None:
    by = faulty(tmp_path, protocol, mode, on_error, side)
    made = PROTOCOLS[protocol]
    async with running(tmp_path, default=replies(answer(made.reply([0.5]))), guards=[by]) as world:
        body = made.write([CLEAN_ROW if side == "reply" else BAD_ROW])
        found = await world.ask(post(protocol, body))
        refused = 502 if side == "reply" else 503
        assert found.status == (refused if status != 200 else 200), found.body
        assert len(world.upstream.requests) == (0 if found.status == 503 else 1)
        assert world.count(metrics.GUARD_ERRORS) == 1
        assert [event for event, _ in world.said] == ["guard.failed"]
        exchange = world.exchange()
        told = (exchange.verdict, exchange.would, exchange.reason)
        assert told == ("unchecked" if status == 200 else "rejected", "rejected", "guard_error")
        assert b"PlantedError" not in found.body + found.raw_head


# -- what is said of a body


@pytest.mark.parametrize("errors", ["full", "codes", "minimal"])
@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
async def test_b40_no_value_is_ever_told(tmp_path: Path, protocol: str, errors: str) -> None:
    made = PROTOCOLS[protocol]
    features = f"errors: {errors}\nunknown_features: reject\n" + FEATURES
    async with port(tmp_path, protocol, features=features) as world:
        rows: list[dict[str, Any]] = [
            {"age": NUMBER, "income": -NUMBER},
            {"age": CANARY, "income": CANARY},
            {"age": [CANARY], "income": {"a": CANARY}},
            {"age": None, "income": CANARY * 1000},
        ]
        bodies = [made.write([row]) for row in rows] + [made.write(rows), made.write([rows[0]])[:-1]]
        for body in bodies:
            for accept in (b"Accept: */*", PROBLEM):
                found = await world.ask(post(protocol, body, accept))
                assert 400 <= found.status < 500
                said = found.raw_head + found.body
                assert CANARY.encode() not in said and b"987654321" not in said, said
                assert (b"age." in said) <= (errors != "minimal")
        told = "".join(str(exchange) for exchange in world.exchanges())
        assert CANARY not in told and "987654321" not in told


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
async def test_b40_ten_thousand_bad_rows_are_counted_and_twenty_are_told(tmp_path: Path, protocol: str) -> None:
    body = PROTOCOLS[protocol].write([{"age": 130, "income": -1}] * 10_000)
    async with port(tmp_path, protocol) as world:
        found = await world.ask(post(protocol, body, PROBLEM))
        assert found.status == 422
        problem = found.json()
        assert (problem["errors_total"], problem["errors_shown"], len(problem["errors"])) == (20_000, 20, 20)
        assert problem["rows"] == {"received": 10_000, "refused": 10_000}
        assert len(found.body) < 8000
        shaped = await world.ask(post(protocol, body))
        assert shaped.status == 422 and len(shaped.body) < 8000
        exchange = world.exchanges()[0]
        assert (len(exchange.violations), exchange.violations_total) == (20, 20_000)


NAMES = [
    "a\r\nSet-Cookie: evil=1",
    "a\nb",
    "a\x00b",
    "\u2028\u202e",
    "é" * 100,
    "\U0001f600",
    ",;=",
    '"',
    "",
    " ",
    "x" * 100_000,
    "unknown.x;codes=ok",
]
OPEN = FEATURES.replace("features:", "unknown_features: warn\nfeatures:")


def with_names(protocol: str, names: Sequence[str]) -> bytes:
    if protocol == "matrix":
        good = tensor("input-0", [30, 1.5], [1, 2])
        return json.dumps({"inputs": [good, *(tensor(name, [1]) for name in names if name)]}).encode()
    return PROTOCOLS[protocol].write([{**CLEAN_ROW, **{name: 1 for name in names if name or protocol == "objects"}}])


@pytest.mark.parametrize("protocol", ["matrix", "tensors", "instances", "columnar", "objects"])
async def test_b40_names_from_a_body_break_nothing(tmp_path: Path, protocol: str) -> None:
    async with port(tmp_path, protocol, features=OPEN) as world:
        for names in ([name] for name in NAMES):
            found = await world.ask(post(protocol, with_names(protocol, names)))
            assert found.status == 200, (names, found.body)
            verdict = found.value("x-contract-verdict")
            if any(names):
                assert verdict.startswith("observed;codes=unknown."), verdict
                assert verdict.isascii() and verdict.isprintable() and verdict.count(";") == 1 and len(verdict) < 520
            assert found.values("set-cookie") == []
        assert all(len(str(exchange)) < 5000 for exchange in world.exchanges())


@pytest.mark.parametrize("protocol", ["matrix", "tensors", "instances", "columnar", "objects"])
async def test_b40_a_refusal_over_a_long_name_is_short(tmp_path: Path, protocol: str) -> None:
    async with port(tmp_path, protocol, features=OPEN.replace("warn", "reject")) as world:
        for names in (NAMES, ["x" * 5_000_000], [f"name-{at}" for at in range(5000)]):
            for accept in (b"Accept: */*", PROBLEM):
                found = await world.ask(post(protocol, with_names(protocol, names), accept))
                assert found.status == 422
                assert len(found.body) < 20_000, len(found.body)
                assert len(found.raw_head) < 2000
                found.json()
        assert all(len(str(exchange)) < 20_000 for exchange in world.exchanges())


async def test_b40_what_a_model_says_of_itself_breaks_no_header(tmp_path: Path) -> None:
    for version in NAMES:
        reply = json.dumps({"model_name": "m", "model_version": version, "outputs": [tensor("score", [0.5])]}).encode()
        async with port(tmp_path, reply=reply) as world:
            found = await world.ask(post("matrix", PROTOCOLS["matrix"].write([CLEAN_ROW])))
            assert found.status == 200
            stated = found.value("x-model-version")
            assert stated.isascii() and stated.isprintable() and len(stated) <= 256
            assert found.values("set-cookie") == []
