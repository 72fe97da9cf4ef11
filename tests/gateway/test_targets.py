"""The request target: accepted byte for byte, answered here, or refused; never normalised (A07-A09)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.gateway.target import read_target
from sidecar.telemetry import metrics
from tests.kit.client import request
from tests.kit.guards import BAD, CLEAN, CREDIT, INFER, OBSERVED, credit, scores
from tests.kit.running import running
from tests.kit.upstream import answer, replies, serving

pytestmark = pytest.mark.anyio
OK = replies(answer(scores(0.5)))


async def test_a07_absolute_form_to_another_host_is_never_dialled(tmp_path: Path) -> None:
    async with serving() as other, running(tmp_path) as world:
        target = b"http://127.0.0.1:%d/x" % other.port
        refused = await world.ask(request(target))
        assert refused.status in (400, 421)
        assert (other.connections, world.upstream.connections) == (0, 0)


async def test_a07_absolute_form_to_this_host_is_its_path(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask(request(b"http://model.test/x?a=1"))).status == 200
        assert (await world.ask(request(b"HTTP://MODEL.test?a=1"))).status == 200
        assert world.upstream.targets == [b"/x?a=1", b"/?a=1"]


async def test_a07_connect_is_405(tmp_path: Path) -> None:
    async with serving() as other, running(tmp_path) as world, world.connected() as client:
        await client.send(
            b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n" % other.port
        )
        answer = await client.answer()
        assert (answer.status, answer.value("allow")) == (405, "GET, HEAD, POST, PUT, DELETE, OPTIONS")
        assert await client.closed()
        assert (other.connections, world.upstream.connections) == (0, 0)


async def test_a07_options_star_is_answered_here(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
        assert world.upstream.connections == 0


@pytest.mark.parametrize("target", [b"@127.0.0.1:1/x", b"x", b"127.0.0.1:1", b"*", b"//", b"ftp://a/x"])
async def test_a07_other_forms_are_never_a_host_to_dial(tmp_path: Path, target: bytes) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        await client.send(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        status = (await client.answer()).status
        assert status == 400 or world.upstream.targets == [target]


PIECES = [
    "..",
    ".",
    "%2e%2e",
    "%2E.",
    "//",
    "%2f",
    "%5c",
    "\\",
    "%00",
    ";x=1",
    "\xff",
    "a",
    "%41",
    "%25%32%66",
    "%zz",
    "%",
]
PATHS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map(lambda parts: "/v1/" + "/".join(parts))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=PATHS, enforcing=st.booleans())
async def test_a08_refused_or_the_same_bytes_that_the_policy_matched(
    tmp_path: Path, path: str, enforcing: bool
) -> None:
    guard = credit(tmp_path, CREDIT if enforcing else OBSERVED)
    async with running(tmp_path, guards=[guard]) as world:
        found = await world.ask(request(path.encode("latin-1")), "GET")
        if found.status == 200:
            assert [target.decode("latin-1") for target in world.upstream.targets] == [path]
            assert world.exchanges()[-1].target == path
        else:
            assert found.status == 400
            assert world.upstream.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/x/../credit/infer",
        "/v2/models/x/%2e%2e/credit/infer",
        "/v2//models/credit/infer",
        "/v2/models%2fcredit/infer",
        "/v2/models/credit%5cinfer",
        "/v2/models/credit/infer%00",
        "/v2/models/credit/./infer",
        "/v2/models/cr%65dit/infer",
        "/v2/models/credit/inf%65r",
        "/%76%32/models/credit/infer",
    ],
)
async def test_another_spelling_is_no_way_around_an_enforcing_policy(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(path, BAD))
        assert found.status in (400, 403, 422)
        assert world.upstream.requests == []


@pytest.mark.parametrize("path", [INFER + "/", "/v2/models/credit/versions/13/infer", INFER + "?a=1"])
async def test_every_version_and_a_trailing_slash_is_the_same_model(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(path, BAD))).status == 422
        assert world.upstream.requests == []
        assert (await world.ask(request(path, CLEAN))).status == 200
        assert world.upstream.targets == [path.encode()]


async def test_ambiguous_paths_pass_while_observing_and_are_counted(tmp_path: Path) -> None:
    async with running(tmp_path, guards=[credit(tmp_path, OBSERVED)]) as world:
        assert (await world.ask(request("/a/../b"), "GET")).status == 200
        assert world.upstream.targets == [b"/a/../b"]
        assert world.count(metrics.WOULD_REFUSE, "ambiguous-path") == 1


async def test_a09_query_bytes_arrive_as_sent(tmp_path: Path) -> None:
    targets = [b"/x?a=%20+&a=2&b=%zz", b"/x?", b"/x?%2e%2e/..//%00", b"/x?a=/../b", b"/x??a=b'\"<>|{}^`"]
    async with running(tmp_path, guards=[credit(tmp_path)]) as world:
        for target in targets:
            assert (await world.ask(request(target), "GET")).status == 200
        assert world.upstream.targets == targets


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.binary(min_size=1, max_size=40).map(lambda raw: bytes(33 + byte % 94 for byte in raw).replace(b"#", b"="))
)
async def test_a09_any_query_arrives_as_sent(tmp_path: Path, query: bytes) -> None:
    async with running(tmp_path, guards=[credit(tmp_path)]) as world:
        assert (await world.ask(request(b"/x?" + query), "GET")).status == 200
        assert world.upstream.targets == [b"/x?" + query]


@given(st.binary(max_size=60))
async def test_any_bytes_are_classified_without_an_exception(raw: bytes) -> None:
    target = read_target(b"/" + raw)
    assert target.refused or target.send == b"/" + raw
    assert target.refused or target.path.encode("latin-1") == (b"/" + raw).partition(b"?")[0]


@pytest.mark.parametrize("authority", [b"user@model.test", b"model.test:8080", b"other"])
async def test_an_authority_that_differs_from_the_host_is_refused(tmp_path: Path, authority: bytes) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask(request(b"http://" + authority + b"/x"))).status in (400, 421)
        assert world.upstream.connections == 0


async def test_a_credential_in_the_query_reaches_the_model_and_not_the_record(tmp_path: Path) -> None:
    async with running(tmp_path, default=OK, guards=[credit(tmp_path)]) as world:
        found = await world.ask(request(INFER + "?a=1&API_KEY=hunter2&token=x", CLEAN))
        assert found.status == 200
        assert world.upstream.targets == [(INFER + "?a=1&API_KEY=hunter2&token=x").encode()]
        assert world.exchange().target == INFER + "?a=1&API_KEY=REDACTED&token=REDACTED"
