"""The admin port against its own description: whatever is asked, it answers as /openapi.json says, and never a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from sidecar.admin import application
from sidecar.admin.openapi import document
from sidecar.cold.admin import Desk as AdminDesk
from sidecar.cold.process import Cold
from sidecar.journal import Reader
from sidecar.runtime.messages import ColdSettings
from tests.archive.desk import Desk

schemathesis: Any = pytest.importorskip("schemathesis")

HEADERS = {"host": "127.0.0.1:8602"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[str]]]:
    """The real application over a data folder with calls in journal and archive; and what it complained of."""
    desk = Desk(tmp_path_factory.mktemp("described"))
    desk.many(6)
    desk.archive()
    desk.many(6)
    cold = Cold(ColdSettings(data=str(desk.data)), {}, {})
    for read in Reader(desk.journal).read():
        cold.book.learn(read)
        cold.latest.learn(read)
    complaints: list[str] = []
    app = application(AdminDesk(cold).sources(), complain=lambda path, error: complaints.append(f"{path}: {error!r}"))
    yield app, complaints
    desk.writer.close()


OUGHT = [
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]
OPERATIONS = [(path, method) for path, methods in document("0")["paths"].items() for method in methods]


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_it_answers_as_described(told: tuple[Any, list[str]], path: str, method: str, mode: str) -> None:
    """`positive`: what the description allows; `negative`: what it does not."""
    app, complaints = told
    described = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)
    operation = described[path][method.upper()]

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def ask(case: Any) -> None:
        answer = case.call(headers=HEADERS)
        assert answer.status_code < 500 or answer.status_code == 503, "503 is what /readyz and reload say"
        case.validate_response(answer, checks=OUGHT)

    try:
        ask()
    except Unsatisfiable:
        assert mode == "negative", "an operation without parameters has nothing that could be wrong"
    assert complaints == []
