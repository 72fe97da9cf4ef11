"""Batches to a collector: taken once, tried again as the protocol says, and never sent anywhere else."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from email.utils import formatdate

import pytest

from sidecar.observers.otlp import CollectorAwayError, Endpoint, Exporter, Taken, retry_after_seconds
from sidecar.telemetry.spans import spans_of

from ..kit.collector import Collector, Say, collector
from .calls import exchange


class Sending:
    """One exporter at work: what became of the batch, the pauses it made, the results it counted."""

    def __init__(
        self, url: str, *, records: int = 1, attempt_seconds: float = 10.0, give_up_seconds: float = 45.0
    ) -> None:
        self.pauses: list[float] = []
        self.results: Counter[str] = Counter()
        self._endpoint = Endpoint(url + "/v1/traces", {"authorization": "Bearer t"}, False, attempt_seconds)
        self._give_up_seconds = give_up_seconds
        self._records = records

    def send(self) -> Taken:
        async def once() -> Taken:
            exporter = Exporter(
                self._endpoint,
                count=lambda result: self.results.update([result]),
                pause=self._pause,
                give_up_seconds=self._give_up_seconds,
            )
            try:
                spans = [span for _ in range(self._records) for span in spans_of(exchange())]
                return await exporter.send(spans)
            finally:
                await exporter.close()

        return asyncio.run(once())

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def test_a_batch_arrives_as_otlp_with_the_stated_headers() -> None:
    with collector() as there:
        assert Sending(there.url, records=3).send() == Taken(spans=6)
        ((path, headers, spans),) = there.requests
    assert (path, spans) == ("/v1/traces", 6)
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["authorization"] == "Bearer t"
    assert len(there.spans) == 6


def test_a_busy_collector_is_asked_again_when_it_says() -> None:
    with collector() as there:
        there.script = [Say(503, {"retry-after": "7"}), Say(429, {"retry-after": "3"}), Say(504)]
        sending = Sending(there.url)
        assert sending.send() == Taken(spans=2)
    assert sending.pauses[:2] == [7.0, 3.0]
    assert 0 < sending.pauses[2] <= 2.0
    assert sending.results == {"busy": 3, "taken": 1}
    assert len(there.spans) == 2


def test_what_is_refused_is_not_sent_twice() -> None:
    with collector() as there:
        there.script = [Say(400)]
        sending = Sending(there.url)
        taken = sending.send()
        assert len(there.requests) == 1
    assert (taken.spans, taken.refused) == (0, 2)
    assert taken.reason.startswith("400")
    assert sending.results == {"refused": 1}


def test_part_of_a_batch_may_be_rejected_and_is_not_sent_again() -> None:
    with collector() as there:
        there.script = [Say(rejected=1)]
        assert Sending(there.url, records=2).send() == Taken(spans=3, partly_refused=1, reason="too old")
        assert len(there.requests) == 1


def test_a_batch_that_is_too_large_is_halved_until_it_fits() -> None:
    with collector() as there:
        there.most_spans = 2
        assert Sending(there.url, records=5).send() == Taken(spans=10)
        assert len(there.spans) == 10
        there.most_spans = 0
        assert Sending(there.url, records=1).send() == Taken(too_large=2, reason="413")


def test_a_collector_that_hangs_costs_one_attempt_and_is_asked_again() -> None:
    with collector() as there:
        there.script = [Say(hang=True)]
        sending = Sending(there.url, attempt_seconds=2.0)
        assert sending.send() == Taken(spans=2)
    assert sending.results == {"unreachable": 1, "taken": 1}


def test_a_collector_that_is_away_is_named_and_nothing_is_given_up_for_it() -> None:
    with collector() as there:
        url = there.url
    sending = Sending(url.replace("http://", "http://user:word@"), give_up_seconds=0.0)
    with pytest.raises(CollectorAwayError, match="kept in the journal") as caught:
        sending.send()
    assert url in str(caught.value)
    assert "word" not in str(caught.value)


def test_d53_sink_down_for_ten_minutes_is_asked_less_than_once_a_second() -> None:
    """On a clock of its own: each attempt that fails is followed by pauses alone, one life after another."""
    now, attempts = 0.0, []

    async def pause(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def ten_minutes(url: str) -> Taken:
        nonlocal now
        exporter = Exporter(
            Endpoint(url + "/v1/traces"), count=lambda result: attempts.append(now), pause=pause, clock=lambda: now
        )
        try:
            while now < 600:
                with pytest.raises(CollectorAwayError):
                    await exporter.send(spans_of(exchange()))
                now += 0.1  # the shortest backoff of who runs it
            with collector(port=int(url.rpartition(":")[2])) as back:
                taken = await exporter.send(spans_of(exchange()))
                assert len(back.spans) == 2
            return taken
        finally:
            await exporter.close()

    with collector() as there:
        url = there.url
    assert asyncio.run(ten_minutes(url)) == Taken(spans=2)
    assert 60 < len(attempts) < 200
    busiest = max(sum(at <= each < at + 10 for each in attempts) for at in attempts)
    assert busiest <= 10, "in any ten seconds"
    assert max(later - at for at, later in itertools.pairwise(attempts)) <= 12, "and it is never forgotten"


def test_a_redirect_is_not_followed() -> None:
    with collector() as elsewhere, collector() as there:
        there.script = [Say(307, {"location": elsewhere.url + "/v1/traces"})]
        assert Sending(there.url).send().refused == 2
        assert elsewhere.requests == []


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as proxy, collector() as there:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert Sending(there.url).send() == Taken(spans=2)
        assert proxy.requests == []


@pytest.mark.parametrize(
    ("environ", "stated", "url"),
    [
        ({}, "", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "", "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/base/"}, "", "http://c:4318/base/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x"}, "", "http://c/x"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://p:4318", "http://p:4318/v1/traces"),
        ({}, "http://p:4318/v1/traces", "http://p:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, "http://p", None),
    ],
)
def test_who_names_the_collector(environ: dict[str, str], stated: str, url: str | None) -> None:
    endpoint = Endpoint.from_environment(environ, stated)
    assert (endpoint.url if endpoint is not None else None) == url


def test_the_other_variables_of_the_exporter_are_read_and_credentials_are_not_shown() -> None:
    endpoint = Endpoint.from_environment(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20k, x-tenant = a ,bad",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
        }
    )
    assert endpoint is not None
    assert endpoint.headers == {"authorization": "Bearer k", "x-tenant": "a"}
    assert endpoint.compress
    assert endpoint.attempt_seconds == 10.0
    assert "Bearer" not in repr(endpoint)


def test_gzip_is_sent_where_it_is_asked_for() -> None:
    async def once(there: Collector) -> Sequence[object]:
        exporter = Exporter(Endpoint(there.url, compress=True))
        await exporter.send(spans_of(exchange()))
        await exporter.close()
        return there.spans

    with collector() as there:
        assert len(asyncio.run(once(there))) == 2
        assert there.requests[0][1]["content-encoding"] == "gzip"


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after_seconds({"retry-after": "12"}) == 12.0
    assert 50 < retry_after_seconds({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60
    for nothing in ("", "soon", "-5", "1.5", "²"):
        assert retry_after_seconds({"retry-after": nothing}) == 0.0
    assert retry_after_seconds({}) == 0.0
