"""The admin port: a token, or this machine alone and no web page."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.health.readiness import Facts, JournalStanding, Readiness, WorkersStanding, judge
from sidecar.health.routes import admin_routes
from sidecar.health.server import Answer, HealthServer, Request

TOKEN = "t" * 40


def readiness() -> Readiness:
    workers = WorkersStanding(configured=1, ready=1, restarts=0, in_flight=0)
    journal = JournalStanding(refusing=False, bytes=0, max_bytes=0, when_full="", full_in_seconds=None)
    return judge(Facts(workers=workers, journal=journal))


def ask(tmp_path: Path, method: str, path: str, token: str, **headers: str) -> tuple[Answer, int]:
    reloads: list[int] = []
    server = HealthServer(*admin_routes(tmp_path, readiness, lambda: reloads.append(1), token))
    return server.answer(Request(method, path, {}, headers)), len(reloads)


def test_status_is_the_readiness(tmp_path: Path) -> None:
    answer, _ = ask(tmp_path, "GET", "/api/status", "", host="127.0.0.1:8602")
    assert answer.status == 200
    assert b'"ready": false' in answer.body


def test_get_never_reloads(tmp_path: Path) -> None:
    answer, reloads = ask(tmp_path, "GET", "/api/reload", "", host="localhost")
    assert (answer.status, reloads) == (405, 0)
    answer, reloads = ask(tmp_path, "POST", "/api/reload", "", host="localhost")
    assert (answer.status, reloads) == (202, 1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8602"}, 202),
        ({"host": "[::1]:8602"}, 202),
        ({"host": "localhost:8602"}, 202),
        ({"host": "rebound.example:8602"}, 421),
        ({"host": ""}, 421),
        ({"host": "[::"}, 421),
        ({}, 421),
        ({"host": "127.0.0.1:8602", "origin": "http://127.0.0.1:8602"}, 421),
    ],
)
def test_without_a_token_only_this_machine(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    answer, reloads = ask(tmp_path, "POST", "/api/reload", "", **headers)
    assert (answer.status, reloads) == (status, int(status == 202))


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 202),
        (TOKEN, 202),
        ("Bearer x", 401),
        ("", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer é", 401),
    ],
)
def test_with_a_token_only_the_token(tmp_path: Path, authorization: str, status: int) -> None:
    answer, reloads = ask(tmp_path, "POST", "/api/reload", TOKEN, host="x", authorization=authorization)
    assert (answer.status, reloads) == (status, int(status == 202))
