"""What can be seen of a running sidecar: spans in a collector, series with exemplars, a line per request."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics

from sidecar.exchange import Exchange
from sidecar.journal import Reader
from sidecar.journal.progress import read_standing
from tests.kit.collector import Collector, Say, attributes, collector
from tests.supervisor.serving import REAL, Serving

from .processes import BENCH_POLICY, Model, Sidecar, children, eventually, kill

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
parsed: Any = openmetrics.text_string_to_metric_families


class Seen(Sidecar):
    """Both halves, told to write access lines to a file and to export to a collector."""

    def __init__(self, folder: Path, model: Model, there: Collector) -> None:
        self.lines = folder / "access.log"
        folder.mkdir(parents=True, exist_ok=True)
        flags = (
            "--upstream", model.url, "--policy", str(BENCH_POLICY), "--observers", "on", "--admin", "127.0.0.1:0",
            "--access-log", str(self.lines),
        )  # fmt: skip
        Serving.__init__(self, folder, *flags, command=REAL, environ={"OTEL_EXPORTER_OTLP_ENDPOINT": there.url})
        self.journal = self.data / "journal"

    def __enter__(self) -> Seen:
        return self

    def ask(self, value: float, **headers: str) -> httpx.Response:
        """One row of 20 features."""
        tensor = {"name": "input-0", "shape": [1, 20], "datatype": "FP64", "data": [value] * 20}
        return httpx.post(
            f"{self.url}/v2/models/bench/infer", json={"inputs": [tensor]}, headers=headers, trust_env=False, timeout=60
        )

    def scrape(self) -> dict[str, Any]:
        """The families that the admin port shows, as OpenMetrics."""
        accept = {"accept": "application/openmetrics-text;version=1.0.0"}
        answer = httpx.get(f"http://{self.running()['admin']}/metrics", headers=accept, trust_env=False, timeout=60)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        return {family.name: family for family in parsed(answer.text)}

    def access(self) -> list[dict[str, Any]]:
        text = self.lines.read_text() if self.lines.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def there() -> Iterator[Collector]:
    with collector() as listening:
        yield listening


@pytest.fixture
def seen(tmp_path: Path, there: Collector) -> Iterator[Seen]:
    with Model(tmp_path / "model") as model, Seen(tmp_path / "seen", model, there) as serving:
        serving.until_ready()
        yield serving


def test_one_request_is_a_trace_a_series_and_a_line_under_one_id(seen: Seen, there: Collector) -> None:
    answer = seen.ask(0.5, traceparent=f"00-{TRACE}-{PARENT}-01")
    assert answer.status_code == 200
    eventually(lambda: len(there.spans) >= 2)
    server, client, *_ = there.spans  # on a slow day the guard has one, too
    assert server.trace_id.hex() == client.trace_id.hex() == TRACE
    assert (server.parent_span_id.hex(), client.parent_span_id) == (PARENT, server.span_id)
    assert server.name == "POST /v2/models/{model}/infer"
    assert server.start_time_unix_nano <= client.start_time_unix_nano <= client.end_time_unix_nano
    assert client.end_time_unix_nano <= server.end_time_unix_nano
    assert attributes(server)["sidecar.prediction.id"] == answer.headers["x-prediction-id"]
    assert attributes(server)["sidecar.policy.name"] == "bench"
    assert attributes(client)["server.address"] == "127.0.0.1"

    (line,) = eventually(seen.access)
    assert (line["trace_id"], line["span_id"]) == (TRACE, server.span_id.hex())
    assert (line["status"], line["verdict"], line["policy"]) == (200, "ok", "bench")

    def exemplars() -> list[Any]:
        families = seen.scrape()
        return [s.exemplar for s in families["http_server_request_duration_seconds"].samples if s.exemplar]

    (exemplar,) = eventually(exemplars)
    assert exemplar.labels == {"trace_id": TRACE, "span_id": server.span_id.hex()}
    families = seen.scrape()
    recorded = {tuple(s.labels.values()): s.value for s in families["sidecar_recorded_requests"].samples}
    assert recorded == {("bench", "bench", "/v2/models/{model}/infer", "ok"): 1.0}
    assert "sidecar_requests" in families, "the pages of all processes are in the same scrape"


def test_a_trace_that_begins_here_is_flagged_and_exported_alike(tmp_path: Path, there: Collector) -> None:
    """What the model server is told of sampling is what the collector gets."""
    config = tmp_path / "sidecar.yaml"
    config.write_text(f"trace: {{to: '{there.url}', sample: 50%, always: []}}\n")
    flags = ("--policy", str(BENCH_POLICY), "--config", str(config), "--observers", "on")
    with Model(tmp_path / "model") as model, Sidecar(tmp_path / "seen", "--upstream", model.url, *flags) as serving:
        serving.until_ready()
        for _ in range(24):
            assert (
                httpx.post(f"{serving.url}/v2/models/bench/infer", json={}, trust_env=False, timeout=60).status_code
                < 500
            )
        records = [read.record for read in Reader(serving.journal).read() if isinstance(read.record, Exchange)]
        sampled = {record.trace_id for record in records if record.trace_flags == 3}
        assert {record.trace_flags for record in records} == {2, 3}
        eventually(lambda: sampled <= {span.trace_id.hex() for span in there.spans})
        assert serving.stop() == 0
    assert sampled == {span.trace_id.hex() for span in there.spans}


def test_what_was_refused_is_always_exported_and_says_why(seen: Seen, there: Collector) -> None:
    assert seen.ask(-918273.25, traceparent=f"00-{TRACE}-{PARENT}-00").status_code == 422
    eventually(lambda: there.spans)
    server, guard = there.spans
    assert (guard.name, guard.parent_span_id) == ("contract", server.span_id)
    assert attributes(server)["sidecar.verdict"] == "rejected"
    assert server.status.code == 0, "4xx is the caller's"
    assert {attributes(event)["sidecar.violation.code"] for event in server.events} >= {"feature_00.min"}
    assert "918273" not in repr(server)
    (line,) = eventually(seen.access)
    assert "feature_00.min" in line["codes"]


def test_a_collector_that_is_busy_gets_everything_later(seen: Seen, there: Collector) -> None:
    there.script = [Say(503, {"retry-after": "1"}), Say(503)]
    for _ in range(5):
        assert seen.ask(0.5, traceparent=f"00-{TRACE}-{PARENT}-01").status_code == 200
    eventually(lambda: len({span.span_id for span in there.spans if span.name != "contract"}) == 10)
    assert seen.stop() == 0


def test_counts_never_go_backwards_and_nothing_is_counted_twice_when_the_observers_are_killed(seen: Seen) -> None:
    def cold() -> int:
        standing = read_standing(seen.data)
        alive = standing is not None and standing.pid in children(seen.process.pid)
        return standing.pid if standing is not None and alive else 0

    def recorded() -> float:
        with contextlib.suppress(httpx.TransportError, KeyError):
            return float(sum(s.value for s in seen.scrape()["sidecar_recorded_requests"].samples))
        return -1.0  # nobody answers: a scrape that fails is no count

    shown: list[float] = []

    def shows(number: int) -> bool:
        shown.append(recorded())
        return shown[-1] == number

    for life in range(1, 4):
        for _ in range(20):
            assert seen.ask(0.5).status_code == 200
        if life < 3:
            kill(eventually(cold))
    eventually(lambda: shows(60))
    counts = [count for count in shown if count >= 0]
    assert counts == sorted(counts)
    assert seen.stop() == 0
