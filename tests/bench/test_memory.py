"""Bodies, their callers and model, and what is said of a run."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from bench.bodies import Callers, Offered, answer_of, body_of, rows_of, serve
from bench.memory_report import Case, Found, Use, text, verdict

SIZE = 100_000
USE = Use(start=40 << 20, peak=90 << 20, end=60 << 20, rest=50 << 20, cpu=1.0)
FOUND = Found(
    limit_bytes=256 << 20,
    wanted_rate=50.0,
    offered=Offered(seconds=2.0, sent=30, late=70, statuses={200: 28, 503: 2}, p50_ms=10.0, longest_ms=20.0),
    uses={"worker": USE, "observers": USE},
    groups={"gateway": (200 << 20, 0)},
    lived=True,
    counted={"sidecar_requests_total": 30.0},
    outcomes={"ok": 28, "error": 2},
    problems={"overloaded": 2},
    would_refuse={},
    shadow={"shadow_error": 28},
    rows_answered=30,
    rows_archived=30,
    lag_most={"archive": 1.5},
    caught_up_seconds=2.0,
)


@pytest.mark.parametrize("shape", ["rows", "bad", "text"])
def test_a_body_is_json_of_its_size_with_the_rows_it_says(shape: str) -> None:
    body = body_of(shape, SIZE)
    (tensor,) = json.loads(body)["inputs"]
    assert 0.98 * SIZE < len(body) < 1.02 * SIZE
    assert tensor["shape"] == [rows_of(shape, SIZE), 20]
    assert len(tensor["data"]) == 20 * rows_of(shape, SIZE)
    assert (min(tensor["data"]) < 0) == (shape == "bad")
    assert len(json.loads(answer_of(rows_of(shape, SIZE)))["outputs"][0]["data"]) == rows_of(shape, SIZE)


def test_every_request_is_answered_or_told_late() -> None:
    listening = threading.Event()
    ports: list[int] = []

    def said(port: int) -> None:
        ports.append(port)
        listening.set()

    threading.Thread(target=serve, args=(0, "rows", SIZE, said), daemon=True).start()
    assert listening.wait(10)
    found = Callers(ports[0], body_of("rows", SIZE), rate=200, seconds=0.5, connections=4).run()
    assert found.sent + found.late == 100
    assert found.statuses == {200: found.sent}
    assert not found.lost


def test_a_run_that_held_says_so_and_one_that_did_not_says_what() -> None:
    told = text(Case("defaults", "text", 32, captured=False, limited=("gateway",)), FOUND)
    assert "worker             256               40     90     60         50" in told
    assert "observers         none" in told
    assert "15.0/s of 50/s, 30 sent in 2.0 s, 70 not offered in time; 200 28, 503 2; lost: none" in told
    assert told.rstrip().endswith("=> held")
    assert verdict(replace(FOUND, lived=False)) == "KILLED"
    assert verdict(replace(FOUND, groups={"gateway": (1, 1)})) == "KILLED"
    assert verdict(replace(FOUND, offered=replace(FOUND.offered, lost={"ConnectionResetError": 1}))) == "ANSWERS LOST"
    assert verdict(replace(FOUND, counted={"sidecar_requests_total": 29.0})) == "30 ANSWERS, 29 COUNTED"
    assert verdict(replace(FOUND, rows_archived=29)) == "ROWS LOST"
    assert verdict(replace(FOUND, caught_up_seconds=None)) == "OBSERVERS BEHIND"
