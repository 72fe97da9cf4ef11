"""Records become series: labelled by what a policy knows, bounded, and counted once over every restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.exchange import Close, Feedback, Gap, ListedViolation
from sidecar.journal import Cursor
from sidecar.observers.metrics import Metrics
from sidecar.telemetry import series
from sidecar.telemetry.exposition import Buckets
from sidecar.telemetry.series import LIMITS, OTHER, RecordMetric

from .calls import DIGEST, STARTED_UNIX_NS, OneBook, Said, context, cursor, exchange, read
from .test_traces import Section

ROUTE = "/v2/models/{model}/infer"


class Observed:
    """An observer that has committed what it was told."""

    def __init__(self, folder: Path, records: Sequence[msgspec.Struct] = (), **surroundings: Any) -> None:
        self.observer = Metrics(context(folder, **surroundings))
        self.restored = self.run(records)

    def run(self, records: Sequence[msgspec.Struct]) -> Cursor:
        async def all_of_it() -> Cursor:
            restored = await self.observer.open()
            await self.observer.take([read(record, number) for number, record in enumerate(records)])
            await self.observer.commit(cursor(len(records)))
            await self.observer.close()
            return restored

        return asyncio.run(all_of_it())

    def of(self, metric: RecordMetric) -> dict[tuple[str, ...], Any]:
        (family,) = [family for family in self.observer.families() if family.name == metric.name]
        return dict(family.series)

    def count(self, metric: RecordMetric) -> dict[tuple[str, ...], int]:
        """Observations of each series of a histogram."""
        return {key: sum(value.counts) for key, value in self.of(metric).items() if isinstance(value, Buckets)}


def test_a_request_is_counted_by_policy_model_route_and_verdict(tmp_path: Path) -> None:
    seen = Observed(tmp_path, [exchange(), exchange(verdict="rejected", would="rejected", upstream_status=0)])
    assert seen.of(series.RECORDED) == {
        ("credit-risk", "credit", ROUTE, "ok"): 1,
        ("credit-risk", "credit", ROUTE, "rejected"): 1,
    }
    assert seen.of(series.ROWS) == {("credit-risk", "credit"): 4}
    assert seen.of(series.WOULD)[("credit-risk", "enforce", "rejected")] == 1
    assert seen.count(series.POLICY_CONTRACT_SECONDS) == {("credit-risk",): 2}


def test_durations_have_the_labels_of_the_semantic_conventions_and_an_exemplar(tmp_path: Path) -> None:
    seen = Observed(tmp_path, [exchange()])
    assert seen.count(series.HTTP_SERVER) == {("POST", "http", ROUTE, "200", "", "credit"): 1}
    assert seen.count(series.HTTP_CLIENT) == {("POST", "10.1.2.3", "8080", "200", "", "credit"): 1}
    (server,) = seen.of(series.HTTP_SERVER).values()
    (client,) = seen.of(series.HTTP_CLIENT).values()
    assert (server.total, client.total) == (0.01, 0.008)
    (exemplar,) = [each for each in server.exemplars if each]
    assert (exemplar.trace_id, exemplar.span_id, exemplar.value) == (exchange().trace_id, exchange().span_id, 0.01)
    assert exemplar.unix_seconds == pytest.approx(STARTED_UNIX_NS / 1e9 + 0.01)
    assert [each.span_id for each in client.exemplars if each] == [exchange().client_span_id]


@pytest.mark.parametrize(
    ("changes", "server", "client"),
    [
        ({"status": 422, "upstream_status": 0, "upstream_ns": 0, "sent_ns": 0}, "", None),
        ({"status": 502, "upstream_status": 0, "error": "reset"}, "reset", "reset"),
        ({"status": 503, "upstream_status": 503}, "503", "503"),
        ({"status": 404, "upstream_status": 404}, "", "404"),
        ({"status": 0, "upstream_status": 0, "error": "client_abort"}, "", ""),
        ({"status": 503, "upstream_status": 0, "upstream_ns": 0, "sent_ns": 0, "error": "shed"}, "shed", None),
        ({"status": 799, "upstream_status": 799}, "7xx", "7xx"),
    ],
)
def test_the_type_of_an_error_is_of_a_closed_set(
    tmp_path: Path, changes: dict[str, Any], server: str, client: str | None
) -> None:
    seen = Observed(tmp_path, [exchange(**changes)])
    assert [key[4] for key in seen.of(series.HTTP_SERVER)] == [server]
    assert [key[4] for key in seen.of(series.HTTP_CLIENT)] == ([] if client is None else [client])


def test_violations_say_code_feature_and_action_and_never_a_name_that_a_caller_made_up(tmp_path: Path) -> None:
    listed = (
        ListedViolation("age.min", "age", 0, "clamp", "input"),
        ListedViolation("age.min", "age", 1, "clamp", "input"),
        ListedViolation("rule.new", "", 1, "reject", "input", False),
        ListedViolation("unknown.evil_1", "evil\n1", 0, "warn", "input"),
        ListedViolation("unknown.evil_2", "evil 2", 1, "warn", "input"),
    )
    record = exchange(
        verdict="repaired",
        violations=listed,
        violations_total=30,
        repaired_rows=2,
        fallback_rows=(1,),
        dropped_rows=(3, 4),
        mode="enforce",
    )
    seen = Observed(tmp_path, [record])
    assert seen.of(series.VIOLATIONS) == {
        ("credit-risk", "enforce", "age.min", "age", "clamp", "true"): 2,
        ("credit-risk", "enforce", "rule.new", "", "reject", "false"): 1,
        ("credit-risk", "enforce", "unknown", "", "warn", "true"): 2,
    }
    assert seen.of(series.UNLISTED) == {("credit-risk",): 25}
    assert seen.of(series.REPAIRED_ROWS) == {("credit-risk",): 2}
    assert seen.of(series.FALLBACK_ROWS) == {("credit-risk",): 1}
    assert seen.of(series.DROPPED_ROWS) == {("credit-risk",): 2}
    watched = Observed(tmp_path / "watched", [exchange(mode="observe", violations=listed[:1], violations_total=1)])
    assert list(watched.of(series.VIOLATIONS)) == [("credit-risk", "observe", "age.min", "age", "clamp", "false")]


def test_callers_cannot_make_series_by_asking_for_models_that_are_not_there(tmp_path: Path) -> None:
    guessed = [
        exchange(
            policy_digest="", verdict="", mode="", model_name=f"guess-{n}", route=f"/v2/repository/{n}", status=404,
            route_kind="management", upstream_status=404,
        )
        for n in range(300)
    ]  # fmt: skip
    real = exchange(policy_digest="", verdict="", mode="", model_name="real")
    seen = Observed(tmp_path, [*guessed, real])
    assert seen.of(series.RECORDED) == {("", OTHER, OTHER, "unjudged"): 300, ("", "real", ROUTE, "unjudged"): 1}
    assert len(seen.of(series.HTTP_SERVER)) == 2


def test_even_models_that_answer_are_bounded(tmp_path: Path) -> None:
    seen = Observed(tmp_path, [exchange(model_name=f"m-{n}") for n in range(LIMITS["model"] + 20)])
    assert len(seen.of(series.RECORDED)) == LIMITS["model"] + 1
    assert seen.of(series.RECORDED)[("credit-risk", OTHER, ROUTE, "ok")] == 20
    assert seen.of(series.COLLAPSED)[("model",)] >= 20


def test_streams_count_when_they_end_and_methods_nobody_knows_are_one(tmp_path: Path) -> None:
    seen = Observed(tmp_path, [Close(exchange=exchange(streamed=True, method="BREW"))])
    assert [key[0] for key in seen.of(series.HTTP_SERVER)] == ["_OTHER"]


def test_labels_say_how_late_they_came(tmp_path: Path) -> None:
    minted = 0x01A1B2C3D4E5 * 1_000_000
    label = Feedback(received_unix_ns=minted + 3600 * 10**9, prediction_id=exchange().prediction_id, label=True)
    keyed = Feedback(received_unix_ns=minted, key="application-7")
    strange = Feedback(received_unix_ns=minted, prediction_id="not-one-of-ours")
    seen = Observed(tmp_path, [label, keyed, strange])
    assert seen.of(series.LABELS) == {("prediction_id",): 2, ("key",): 1}
    delay = seen.of(series.LABEL_DELAY_SECONDS)[()]
    assert (sum(delay.counts), delay.total) == (1, 3600.0)


def test_what_the_journal_says_it_does_not_have_is_counted(tmp_path: Path) -> None:
    seen = Observed(tmp_path, [Gap(from_unix_ns=1, to_unix_ns=2, records=7, reason="disk_full")])
    assert seen.of(series.GAPS) == {("disk_full",): 7}


def test_exemplars_lead_to_traces_that_are_exported_where_any_are(tmp_path: Path) -> None:
    records = [
        exchange(total_ns=2_000_000),
        exchange(total_ns=20_000_000, trace_id="e" * 32, parent_span_id="b" * 16, trace_flags=1),
        exchange(total_ns=200_000_000, trace_id="no-id"),
    ]
    seen = Observed(tmp_path, records, section=Section(sample=0.0))
    (server,) = seen.of(series.HTTP_SERVER).values()
    assert [each.trace_id for each in server.exemplars if each] == ["e" * 32]
    assert sum(server.counts) == 3


def test_a_restart_goes_on_from_the_last_commit_and_counts_nothing_twice(tmp_path: Path) -> None:
    records = [exchange(), exchange()]
    assert Observed(tmp_path / "a", records).restored == Cursor()
    again = Observed(tmp_path / "a", [exchange()])
    assert again.restored == cursor(2)
    assert again.of(series.RECORDED) == {("credit-risk", "credit", ROUTE, "ok"): 3}


def test_a_scrape_shows_only_what_a_crash_cannot_take_back(tmp_path: Path) -> None:
    seen = Observed(tmp_path, [exchange()])

    async def one_more_not_committed() -> None:
        await seen.observer.open()
        await seen.observer.take([read(exchange())])

    asyncio.run(one_more_not_committed())
    assert seen.of(series.RECORDED) == {("credit-risk", "credit", ROUTE, "ok"): 1}
    after_the_crash = Observed(tmp_path / "again", [], said=Said())
    assert after_the_crash.of(series.RECORDED) == {}


def test_a_damaged_state_is_kept_aside_and_said(tmp_path: Path) -> None:
    Observed(tmp_path, [exchange()])
    path = tmp_path / "observers" / "metrics.state"
    path.write_bytes(b"\x92\x80\xc4\x02hi")
    said = Said()
    seen = Observed(tmp_path, [exchange()], said=said, book=OneBook())
    assert seen.restored == Cursor()
    assert [event for event, _ in said] == ["metrics.state_damaged"]
    assert path.with_suffix(".damaged").read_bytes() == b"\x92\x80\xc4\x02hi"


def test_a_policy_that_the_book_does_not_know_yet_is_looked_up_again(tmp_path: Path) -> None:
    book = OneBook()
    book.names.pop(DIGEST)
    seen = Observed(tmp_path, [exchange()], book=book)
    assert [key[0] for key in seen.of(series.RECORDED)] == ["unknown"]
    book.names[DIGEST] = "credit-risk"
    seen.run([exchange()])
    assert seen.of(series.RECORDED)[("credit-risk", "credit", ROUTE, "ok")] == 1
