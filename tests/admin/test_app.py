"""The admin API as callers see it: honest answers, strict questions, no 5xx whatever is asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.admin import PredictionQuery, QueryError, Sources, application
from sidecar.admin.page import CONTENT_SECURITY_POLICY, PAGE
from sidecar.admin.queries import PREDICTION_PARAMETERS, prediction_query

HOST = "http://127.0.0.1:8602"
PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/api/status", "/api/policies", "/api/contract",
         "/api/shadow", "/api/predictions", "/")  # fmt: skip


class Told:
    """Sources with little to say, that remember what they were asked."""

    def __init__(self) -> None:
        self.queries: list[PredictionQuery] = []
        self.reloads = 0
        self.serving = True

    def sources(self) -> Sources:
        return Sources(
            status=lambda: {"scope": "replica"},
            readyz=lambda policy: (200 if policy in (None, "credit") else 404, {"ready": policy != "x"}),
            metrics=lambda accept: ("text/plain; version=0.0.4", b"x 1\n"),
            policies=lambda: {"policies": []},
            contract=lambda: {"verdicts": [], "because": "nothing yet"},
            shadow=lambda: {"candidates": []},
            predictions=self.predictions,
            prediction=self.prediction,
            reload=self.reload,
        )

    async def predictions(self, query: PredictionQuery) -> Mapping[str, Any]:
        self.queries.append(query)
        return {"predictions": []}

    async def prediction(self, name: str) -> Mapping[str, Any] | None:
        return {"prediction_id": name} if name == "known" else None

    def reload(self) -> str:
        if self.serving:
            self.reloads += 1
            return ""
        return "no gateway serves from /data"


def ask(
    told: Told, path: str, method: str = "GET", *, token: str = "", headers: Mapping[str, str] | None = None
) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(application(told.sources(), token=token))
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            return await client.request(method, path, headers=dict(headers or {}))

    return asyncio.run(once())


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_and_is_described(path: str) -> None:
    told = Told()
    assert ask(told, path).status_code == 200
    if path != "/":
        assert path in ask(told, "/openapi.json").json()["paths"]


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/"])
def test_what_is_not_known_is_not_ignored(path: str) -> None:
    if path == "/healthz":
        return  # a probe may carry anything
    answer = ask(Told(), f"{path}?nonsense=1")
    assert answer.status_code == 400
    assert "nonsense" in answer.json()["error"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_reading_paths_take_no_other_method(path: str, method: str) -> None:
    answer = ask(Told(), path, method)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


def test_get_never_reloads() -> None:
    told = Told()
    assert ask(told, "/api/reload").status_code == 405
    assert told.reloads == 0
    assert ask(told, "/api/reload", "POST").status_code == 202
    assert told.reloads == 1


def test_a_reload_nobody_can_do_says_so() -> None:
    told = Told()
    told.serving = False
    answer = ask(told, "/api/reload", "POST")
    assert answer.status_code == 503
    assert "no gateway" in answer.json()["error"]


def test_one_prediction() -> None:
    assert ask(Told(), "/api/predictions/known").json() == {"prediction_id": "known"}
    found = ask(Told(), "/api/predictions/other")
    assert found.status_code == 404
    assert "no prediction other: an id is the UUID" in found.text
    named = "019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6f"
    assert f"no prediction {named}: it is not in the journal" in ask(Told(), f"/api/predictions/{named}").text
    assert ask(Told(), "/api/predictions/a%20b").status_code == 400


def test_a_question_is_understood() -> None:
    told = Told()
    ask(told, "/api/predictions?limit=5&verdict=rejected&since=2026-03-03T12:00:00Z&status=422")
    (query,) = told.queries
    assert (query.limit, query.verdict, query.status, query.since) == (5, "rejected", 422, 1772539200.0)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "since=yesterday", "status=99", "caller=%00", "limit=١"],
)
def test_a_question_that_cannot_be_meant_is_refused(query: str) -> None:
    assert ask(Told(), f"/api/predictions?{query}").status_code == 400


def test_a_fault_of_ours_is_told_to_the_log_alone() -> None:
    complaints: list[str] = []

    def broken() -> Mapping[str, Any]:
        raise ValueError("secret detail")

    told = Told().sources()
    sources = Sources(
        **{name: getattr(told, name) for name in Sources.__dataclass_fields__ if name != "status"}, status=broken
    )

    async def once() -> httpx.Response:
        app = application(sources, complain=lambda path, error: complaints.append(f"{path} {error}"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:
            return await client.get("/api/status")

    answer = asyncio.run(once())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert complaints == ["/api/status secret detail"]


def test_tokens() -> None:
    told = Told()
    refused = ask(told, "/api/status", token="s3cret")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert ask(told, "/api/status", token="s3cret", headers={"authorization": "Bearer s3cret"}).status_code == 200
    assert ask(told, "/api/reload", "POST", token="s3cret").status_code == 401
    assert told.reloads == 0


def test_a_rebound_name_gets_nothing() -> None:
    answer = ask(Told(), "/api/status", headers={"host": "evil.example:8602"})
    assert answer.status_code == 421


def test_the_page_may_run_its_own_script_and_nothing_else() -> None:
    answer = ask(Told(), "/")
    text = PAGE.decode()
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert len(re.findall("sha256-", CONTENT_SECURITY_POLICY)) == 2
    assert not re.search(r"""(src|href)=["']https?:|@import|style=|\son[a-z]+=""", text), "nothing from elsewhere"
    assert set(re.findall(r'"(api/[a-z]+)', text)) <= {path[1:] for path in (*PATHS, "/api/reload")}


@settings(max_examples=150, deadline=None)
@given(
    path=st.one_of(st.sampled_from([*PATHS, "/api/predictions/", "/api/reload"]), st.text(max_size=40)),
    pairs=st.lists(
        st.tuples(
            st.one_of(st.sampled_from([*PREDICTION_PARAMETERS, "policy"]), st.text(max_size=8)), st.text(max_size=20)
        ),
        max_size=3,
    ),
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE"]),
)
def test_nothing_that_is_asked_makes_a_fault(path: str, pairs: list[tuple[str, str]], method: str) -> None:
    async def once() -> int:
        complaints: list[Exception] = []
        app = application(Told().sources(), complain=lambda _, error: complaints.append(error))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:
            query = urlencode(pairs, errors="replace")
            answer = await client.request(method, f"{HOST}/{quote(path.lstrip('/'), errors='replace')}?{query}")
        assert not complaints
        return answer.status_code

    assert asyncio.run(once()) < 500


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(PREDICTION_PARAMETERS)), st.text(max_size=40)), max_size=4))
def test_parameters_are_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        query = prediction_query(pairs)
    except QueryError as error:
        assert str(error)
    else:
        assert 1 <= query.limit <= 1000
