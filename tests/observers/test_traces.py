"""Records become spans in a real receiver: connected, the caller's trace continued, and none lost between two lives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.exchange import Close, Shadow
from sidecar.journal import Cursor
from sidecar.observers.otlp import CollectorAwayError
from sidecar.observers.traces import BATCH_SPANS, Traces
from sidecar.telemetry import metrics

from ..kit.collector import Collector, Say, attributes, collector
from .calls import Said, context, cursor, exchange, read


class Section(msgspec.Struct, frozen=True):
    """The platform's `trace:`."""

    to: str | None = None
    sample: float = 1.0
    always: tuple[str, ...] = ("rejected", "error", "slow")
    slow: float = 1.0


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    with collector() as listening:
        yield listening


class Life:
    """One life of the observer: what it was told, where it resumed, what it counted."""

    def __init__(self, folder: Path, section: Section) -> None:
        self.said = Said()
        self.context = context(folder, section=section, said=self.said)
        self.restored = Cursor()

    def run(self, records: Sequence[msgspec.Struct], *, commit: bool = True, first: int = 0) -> None:
        async def live() -> None:
            observer = Traces(self.context)
            self.restored = await observer.open()
            try:
                await observer.take([read(record, first + n) for n, record in enumerate(records)])
                if commit:
                    await observer.commit(cursor(first + len(records)))
            finally:
                await observer.close()

        asyncio.run(live())

    def count(self, metric: metrics.Metric, *values: str) -> int:
        counted: int = self.context.stats.counters[metric.at(*values)]
        return counted


def test_server_and_client_are_connected_and_the_callers_trace_goes_on(tmp_path: Path, there: Collector) -> None:
    life = Life(tmp_path, Section(to=there.url))
    life.run([exchange(parent_span_id="b" * 16, trace_flags=1)])
    server, client = there.spans
    assert server.trace_id.hex() == client.trace_id.hex() == exchange().trace_id
    assert server.parent_span_id.hex() == "b" * 16
    assert client.parent_span_id == server.span_id
    assert (server.kind, client.kind) == (2, 3)
    assert (server.flags, client.flags) == (0x301, 0x101), "W3C flags below, whether the parent is remote above"
    assert attributes(server)["sidecar.policy.name"] == "credit-risk"
    assert attributes(server)["sidecar.policy.version"] == "2.3.0"
    assert there.resources[0]["service.instance.id"] == "pod-1"
    assert there.requests[0][0] == "/v1/traces"
    assert life.count(metrics.SPANS_EXPORTED) == 2


def test_streams_are_exported_when_they_end(tmp_path: Path, there: Collector) -> None:
    Life(tmp_path, Section(to=there.url)).run([Close(exchange=exchange(streamed=True))])
    assert attributes(there.spans[0])["sidecar.streamed"] is True


def test_a_copy_to_a_candidate_has_a_trace_of_its_own_and_a_link(tmp_path: Path, there: Collector) -> None:
    sent = Shadow(
        prediction_id="p", request_id="r", policy="credit-risk", policy_digest="", candidate="v15", run="1",
        outcome="compared", at_unix_ns=2, sent_unix_ns=1, status=200, trace_id="c" * 32, span_id="d" * 16,
        link_trace_id=exchange().trace_id, link_span_id=exchange().span_id,
    )  # fmt: skip
    dropped = msgspec.structs.replace(sent, outcome="dropped_queue", sent_unix_ns=0, trace_id="", span_id="")
    Life(tmp_path, Section(to=there.url)).run([sent, dropped])
    (span,) = there.spans
    assert (span.trace_id.hex(), span.parent_span_id) == ("c" * 32, b"")
    (link,) = span.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (exchange().trace_id, exchange().span_id)


def test_only_what_is_sampled_or_noteworthy_leaves(tmp_path: Path, there: Collector) -> None:
    records = [exchange(), exchange(verdict="rejected", prediction_id="kept"), exchange()]
    Life(tmp_path, Section(to=there.url, sample=0.0)).run(records)
    assert {attributes(span)["sidecar.prediction.id"] for span in there.spans} == {"kept"}


def test_the_cursor_moves_once_the_collector_has_the_batch(tmp_path: Path, there: Collector) -> None:
    first = Life(tmp_path, Section(to=there.url))
    first.run([exchange()])
    second = Life(tmp_path, Section(to=there.url))
    second.run([exchange(span_id="00000000000000a2")], first=1)
    assert (first.restored, second.restored) == (Cursor(), cursor(1))
    assert len(there.spans) == 4


def test_a_damaged_cursor_is_set_aside_and_spans_go_on(tmp_path: Path, there: Collector) -> None:
    state = tmp_path / "observers" / "traces.state"
    Life(tmp_path, Section(to=there.url)).run([exchange()])
    state.write_bytes(b"")
    second = Life(tmp_path, Section(to=there.url))
    second.run([exchange(span_id="00000000000000a2")], first=1)
    assert second.restored == Cursor()
    assert len(there.spans) == 4
    assert state.with_suffix(".damaged").exists()


def test_a_crash_before_the_commit_sends_the_same_ids_again(tmp_path: Path, there: Collector) -> None:
    records = [exchange(span_id=f"{n:016x}") for n in range(1, BATCH_SPANS // 2 + 5)]
    Life(tmp_path, Section(to=there.url)).run(records, commit=False)
    assert len(there.spans) == BATCH_SPANS, "a whole batch has left, the rest was not committed"
    again = Life(tmp_path, Section(to=there.url))
    again.run(records)
    assert again.restored == Cursor()
    sent = [(span.trace_id, span.span_id) for span in there.spans]
    assert set(sent[:BATCH_SPANS]) <= set(sent[BATCH_SPANS:])
    assert {span_id.hex() for _, span_id in sent} >= {record.span_id for record in records}


def test_a_collector_that_is_away_holds_the_cursor_and_gets_everything_later(tmp_path: Path, there: Collector) -> None:
    with collector() as gone:
        url = gone.url
    away = Life(tmp_path, Section(to=url))

    async def fail() -> None:
        observer = Traces(away.context, give_up_seconds=0.0)
        await observer.open()
        await observer.take([read(exchange())])
        with pytest.raises(CollectorAwayError):
            await observer.commit(cursor(1))
        await observer.close()

    asyncio.run(fail())
    assert away.count(metrics.TRACE_EXPORTS, "unreachable") == 1
    back = Life(tmp_path, Section(to=there.url))
    back.run([exchange()])
    assert back.restored == Cursor()
    assert len(there.spans) == 2


def test_what_is_refused_is_counted_said_and_passed(tmp_path: Path, there: Collector) -> None:
    there.script = [Say(400)]
    life = Life(tmp_path, Section(to=there.url))
    life.run([exchange()])
    assert life.count(metrics.SPANS_DROPPED, "refused") == 2
    assert [event for event, _ in life.said] == ["traces.refused"]
    there.script = [Say(rejected=1)]
    life.run([exchange()])
    assert life.count(metrics.SPANS_DROPPED, "partly_refused") == 1
    assert life.count(metrics.SPANS_EXPORTED) == 1


def test_d55_partial_accept_only_what_was_not_taken_is_sent_again(tmp_path: Path, there: Collector) -> None:
    """Of six batches one is taken in part, one when it is asked later, one never, one in halves."""
    there.script = [
        Say(), Say(rejected=3), Say(429, {"retry-after": "0"}), Say(503), Say(), Say(400), Say(413),
    ]  # fmt: skip
    records = [exchange(span_id=f"{number:016x}", client_span_id=f"{number:08x}c0000000") for number in range(1, 385)]
    life = Life(tmp_path, Section(to=there.url))
    life.run(records)
    sizes = [spans for _, _, spans in there.requests]
    assert sizes == [128, 128, 128, 128, 128, 128, 128, 64, 64, 128]
    came = [span.span_id.hex() for span in there.spans]
    assert len(set(came)) == len(came), "what was taken is never sent again"
    refused = {record.span_id for record in records[192:256]}  # the fourth batch, the one that is answered 400
    assert {span.span_id.hex() for span in there.spans if span.kind == 2} == {
        record.span_id for record in records
    } - refused
    assert life.count(metrics.SPANS_DROPPED, "refused") == 128
    assert life.count(metrics.SPANS_DROPPED, "partly_refused") == 3
    assert life.count(metrics.SPANS_DROPPED, "too_large") == 0
    assert life.count(metrics.SPANS_EXPORTED) == 2 * len(records) - 131
    Life(tmp_path, Section(to=there.url)).run([])
    assert len(there.requests) == len(sizes), "nothing is left for the next life"


def test_a_record_whose_ids_are_none_stops_nothing(tmp_path: Path, there: Collector) -> None:
    life = Life(tmp_path, Section(to=there.url))
    life.run([exchange(trace_id="not-hex"), exchange()])
    assert len(there.spans) == 2
    assert [event for event, _ in life.said] == ["traces.unreadable"]


def test_a_policy_that_the_book_does_not_know_leaves_its_name_out(tmp_path: Path, there: Collector) -> None:
    Life(tmp_path, Section(to=there.url)).run([exchange(policy_digest="b2:unknown")])
    told: dict[str, Any] = attributes(there.spans[0])
    assert "sidecar.policy.name" not in told
    assert told["sidecar.policy.digest"] == "b2:unknown"


def test_without_a_collector_there_is_no_observer(tmp_path: Path, there: Collector) -> None:
    with pytest.raises(RuntimeSetupError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        Traces(context(tmp_path, section=Section()))
