"""The reserved prefix: feedback on the disk before its 202, readiness; nothing of it is forwarded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.exchange import Feedback, Kind
from sidecar.gateway import GatewaySettings
from sidecar.gateway.feedback import read_feedback
from sidecar.telemetry import metrics
from tests.kit.client import request
from tests.kit.guards import CLEAN, INFER, scores
from tests.kit.running import Running, running
from tests.kit.upstream import answer, replies

pytestmark = pytest.mark.anyio
FEEDBACK = "/_sidecar/feedback"
ITEM = {"prediction_id": "01a", "label": 1}


def kept(world: Running) -> list[Feedback]:
    return [read.record for read in world.frames(Kind.FEEDBACK) if isinstance(read.record, Feedback)]


async def test_one_object_is_durable_before_its_202(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        item = {
            "request_id": "r-1", "row": 2, "label": {"defaulted": True}, "observed_at": "2026-03-03T00:00:00Z",
            "exposed": False, "propensity": 0.05, "coin_id": "c-1",
        }  # fmt: skip
        syncs = world.count_all(metrics.JOURNAL_SYNC_SECONDS)
        found = await world.ask(request(FEEDBACK, json.dumps(item).encode()))
        assert (found.status, found.json()) == (202, {"accepted": 1, "pending": 1, "rejected": []})
        (record,) = kept(world)
        assert (record.request_id, record.row, record.label) == ("r-1", 2, {"defaulted": True})
        assert (record.exposed, record.propensity, record.coin_id) == (False, 0.05, "c-1")
        assert json.loads(world.frames(Kind.FEEDBACK)[0].payloads[0]) == item
        assert world.count_all(metrics.JOURNAL_SYNC_SECONDS) > syncs
        assert world.upstream.connections == 0
        assert world.exchanges() == []


async def test_pending_is_what_names_no_prediction_of_this_replica(tmp_path: Path) -> None:
    async with running(tmp_path, default=replies(answer(scores(0.5)))) as world:
        own = (await world.ask(request(INFER, CLEAN))).value("x-prediction-id")
        ours = [{"prediction_id": own, "label": 1}, {"prediction_id": own, "row": 0, "label": 1}]
        others = [ITEM, {"key": "7", "label": 1}, {"request_id": "r", "label": 1}]
        found = await world.ask(request(FEEDBACK, json.dumps([*ours, *others]).encode()))
        assert found.json() == {"accepted": 5, "pending": 3, "rejected": []}


@pytest.mark.parametrize("form", ["list", "lines", "lines with blank ones"])
async def test_lists_and_lines(tmp_path: Path, form: str) -> None:
    items = [ITEM, {"key": "customer-7", "label": 0}, {"response_id": "x", "label": "n"}]
    lines = [json.dumps(item) for item in items]
    body = {"list": json.dumps(items), "lines": "\n".join(lines), "lines with blank ones": "\r\n\n".join(lines) + "\n"}
    async with running(tmp_path) as world:
        found = await world.ask(request(FEEDBACK, body[form].encode()))
        assert found.json()["accepted"] == 3
        assert [record.key for record in kept(world)] == ["", "customer-7", ""]
        assert world.count(metrics.FEEDBACK, "accepted") == 3


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_any_number_of_lines(tmp_path: Path, count: int) -> None:
    async with running(tmp_path) as world:
        found = await world.ask(request(FEEDBACK, b"\n".join([json.dumps(ITEM).encode()] * count)))
        assert (found.status, found.json()["accepted"]) == (202, count)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"label": 1}, "which prediction"),
        ({"prediction_id": ""}, "which prediction"),
        ({"prediction_id": 7}, "prediction_id is text"),
        ({"prediction_id": "x" * 300}, "longer than"),
        ({**ITEM, "row": -1}, "row"),
        ({**ITEM, "row": True}, "row"),
        ({**ITEM, "row": 1.5}, "row"),
        ({**ITEM, "exposed": "yes"}, "exposed"),
        ({**ITEM, "propensity": 0}, "propensity"),
        ({**ITEM, "propensity": 1.5}, "propensity"),
        ({**ITEM, "propensity": True}, "propensity"),
        ({**ITEM, "observed_at": []}, "observed_at"),
        ({**ITEM, "observed_at": "yesterday"}, "RFC 3339"),
        ({**ITEM, "observed_at": "2026-02-30T00:00:00Z"}, "RFC 3339"),
        ({**ITEM, "observed_at": "nan"}, "RFC 3339"),
        ({**ITEM, "observed_at": 1e300}, "RFC 3339"),
        ({"prediction_id": "01a"}, "what became of it"),
        ({"prediction_id": "01a", "row": 0, "exposed": None}, "what became of it"),
        ({"key": ["a"], "label": 1}, "key is text or a number"),
        ({**ITEM, "lable": 1}, "unknown keys lable"),
        (7, "object"),
        ("text", "object"),
        ([], "object"),
        (None, "object"),
    ],
)
async def test_a_bad_item_costs_only_itself(tmp_path: Path, item: Any, said: str) -> None:
    async with running(tmp_path) as world:
        found = await world.ask(request(FEEDBACK, json.dumps([ITEM, item, ITEM]).encode()))
        document = found.json()
        assert (found.status, document["accepted"]) == (202, 2)
        (refusal,) = document["rejected"]
        assert refusal["index"] == 1 and said in refusal["reason"]
        assert len(kept(world)) == 2
        assert world.count(metrics.FEEDBACK, "rejected") == 1


@pytest.mark.parametrize(
    ("more", "kept_as"),
    [
        ({"observed_at": "2026-03-03"}, "2026-03-03"),
        ({"observed_at": 1770000000.5}, "1770000000.5"),
        ({"observed_at": None, "row": None, "request_id": None}, ""),
    ],
)
async def test_times_as_people_send_them(tmp_path: Path, more: dict[str, Any], kept_as: str) -> None:
    async with running(tmp_path) as world:
        found = await world.ask(request(FEEDBACK, json.dumps({**ITEM, **more}).encode()))
        assert found.json()["rejected"] == []
        assert [record.observed_at for record in kept(world)] == [kept_as]


async def test_a_bad_line_costs_only_itself(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        body = b"\n".join([json.dumps(ITEM).encode(), b"{not json", b"\xff\xfe", json.dumps(ITEM).encode()])
        document = (await world.ask(request(FEEDBACK, body))).json()
        assert document["accepted"] == 2
        assert [refusal["index"] for refusal in document["rejected"]] == [1, 2]


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff", b"[" * 5000, b'{"prediction_id": "a"'])
async def test_what_is_no_feedback_at_all_is_400(tmp_path: Path, body: bytes) -> None:
    async with running(tmp_path) as world:
        found = await world.ask(request(FEEDBACK, body))
        assert found.status == 400
        assert "JSON" in found.json()["detail"]
        assert kept(world) == []


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_without_an_exception(body: bytes) -> None:
    batch = read_feedback(body, 0)
    assert batch.malformed or batch.items or batch.rejected or body.strip() == b"[]"


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*ITEM, "key", "row", "observed_at"]), inner),
        max_leaves=10,
    )
)
def test_any_json_is_taken_or_refused_item_by_item(document: Any) -> None:
    batch = read_feedback(json.dumps(document).encode(), 0)
    assert not batch.malformed
    items = document if isinstance(document, list) else [document]
    assert len(batch.items) + len(batch.rejected) == len(items)


async def test_a_token_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    body = json.dumps(ITEM).encode()
    async with running(tmp_path, settings=GatewaySettings(feedback_token="s3cret")) as world:
        for field in ((), (b"Authorization: Bearer wrong",), (b"Authorization: s3cret",), (b"Authorization: Bearer",)):
            found = await world.ask(request(FEEDBACK, body, *field))
            assert found.status == 401
            assert b"s3cret" not in found.body
        assert (await world.ask(request(FEEDBACK, body, b"Authorization: Bearer s3cret"))).status == 202
        assert len(kept(world)) == 1


async def test_feedback_too_large_is_413(tmp_path: Path) -> None:
    async with running(tmp_path) as world, world.connected() as client:
        await client.send(request(FEEDBACK, None, b"Content-Length: 9999999", method=b"POST"))
        assert (await client.answer()).status == 413
        assert await client.closed()


async def test_feedback_the_journal_does_not_take_is_503(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.gateway.journal.close()
        found = await world.ask(request(FEEDBACK, json.dumps(ITEM).encode()))
        assert (found.status, found.value("retry-after")) == (503, "5")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        (b"GET", FEEDBACK, 405),
        (b"POST", "/_sidecar/readyz", 405),
        (b"GET", "/_sidecar/", 404),
        (b"POST", "/_sidecar/other", 404),
        (b"GET", "/_sidecar/readyz", 200),
        (b"HEAD", "/_sidecar/readyz", 200),
    ],
)
async def test_nothing_below_the_prefix_is_forwarded(tmp_path: Path, method: bytes, path: str, status: int) -> None:
    async with running(tmp_path) as world:
        found = await world.ask(request(path, b"" if method == b"POST" else None, method=method), method.decode())
        assert found.status == status
        if status == 405:
            assert found.value("allow") == ("POST" if path == FEEDBACK else "GET, HEAD")
        assert world.upstream.connections == 0


async def test_what_is_taken_waits_for_its_prediction_and_what_is_refused_does_not(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        body = json.dumps([{"prediction_id": "nobody-knows-it", "label": 1}, {"label": 1}]).encode()
        document = (await world.ask(request(FEEDBACK, body))).json()
        assert (document["accepted"], document["pending"], len(document["rejected"])) == (1, 1, 1)


async def test_readiness_says_why_not(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        assert (await world.ask(request("/_sidecar/readyz"), "GET")).json()["ready"] is True
        world.gateway.standing.not_ready = "the model is not ready"
        found = await world.ask(request("/_sidecar/readyz"), "GET")
        assert (found.status, found.json()) == (503, {"ready": False, "reason": "the model is not ready"})


async def test_feedback_in_pieces_and_after_continue(tmp_path: Path) -> None:
    whole = request(FEEDBACK, json.dumps(ITEM).encode(), b"Expect: 100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    async with running(tmp_path) as world, world.connected() as client:
        await client.send(head + b"\r\n\r\n")
        assert (await client.head()).status == 100
        await client.drip(body)
        assert (await client.answer()).status == 202
