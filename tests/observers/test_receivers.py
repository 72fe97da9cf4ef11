"""Collectors that are not ours read what we export: SERVER and CLIENT connected, in the caller's trace."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.exchange import ListedViolation
from sidecar.observers.traces import Traces

from ..kit.collector import attributes, collector
from .calls import context, cursor, exchange, read
from .test_traces import Section

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venvs" / "receivers"
DEADLINE_SECONDS = 60.0

RECORD = exchange(
    parent_span_id="b" * 16,
    trace_flags=1,
    violations=(ListedViolation("age.min", "age", 0, "warn", "input"),),
    violations_total=1,
)


def program(pattern: str) -> Path:
    """A program of the receivers' own environment."""
    found = next(ENVIRONMENT.glob(pattern), None)
    if found is None:
        pytest.skip("no receivers are installed: `make receivers` installs them")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(*command: object, port: int) -> Iterator[subprocess.Popen[str]]:
    """The program, once it listens."""
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            assert process.poll() is None and time.monotonic() < deadline, "it does not listen"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)  # the pace of the poll
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def export(folder: Path, url: str) -> None:
    """One record, as the observer exports it."""

    async def once() -> None:
        observer = Traces(context(folder, section=Section(to=url)))
        await observer.open()
        await observer.take([read(RECORD)])
        await observer.commit(cursor(1))
        await observer.close()

    asyncio.run(once())


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def test_rotel_takes_the_spans_and_passes_them_on_connected(tmp_path: Path) -> None:
    agent = program("lib/python*/site-packages/rotel/rotel-agent")
    http, grpc = free_port(), free_port()
    with collector() as behind:
        flags = (
            "start", "--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}",
            "--exporter", "otlp", "--otlp-exporter-endpoint", behind.url, "--otlp-exporter-protocol", "http",
            "--batch-timeout", "100ms",
        )  # fmt: skip
        with running(agent, *flags, port=http):
            export(tmp_path, f"http://127.0.0.1:{http}")
            deadline = time.monotonic() + DEADLINE_SECONDS
            while len(behind.spans) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)  # the pace of the poll
    server, client = sorted(behind.spans, key=lambda span: span.kind)
    assert (server.kind, client.kind) == (2, 3)
    assert server.trace_id.hex() == client.trace_id.hex() == RECORD.trace_id
    assert (server.parent_span_id.hex(), client.parent_span_id) == ("b" * 16, server.span_id)
    assert attributes(server)["sidecar.policy.name"] == "credit-risk"
    assert [event.name for event in server.events] == ["sidecar.contract.violation"]


def test_oteltap_prints_both_spans_connected(tmp_path: Path) -> None:
    tap = program("bin/oteltap")
    port = free_port()
    with running(ENVIRONMENT / "bin" / "python", "-u", tap, "--port", port, port=port) as process:
        printed: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        reader = threading.Thread(target=hand_on, args=(process.stdout, printed))
        reader.start()
        export(tmp_path, f"http://127.0.0.1:{port}")
        told = ""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (RECORD.span_id in told and RECORD.client_span_id in told) and time.monotonic() < deadline:
            try:
                told += printed.get(timeout=0.1)
            except queue.Empty:
                continue
        process.kill()
        reader.join()
    spans = {span["spanId"]: span for span in found(told)}
    assert spans[RECORD.client_span_id]["parentSpanId"] == RECORD.span_id
    assert spans[RECORD.span_id]["parentSpanId"] == "b" * 16
    assert {span["traceId"] for span in spans.values()} == {RECORD.trace_id}


def hand_on(lines: Iterable[str], printed: queue.Queue[str]) -> None:
    for line in lines:
        printed.put(line)


def found(told: str) -> list[dict[str, Any]]:
    """Every JSON object with a span id in what was printed."""
    spans: list[dict[str, Any]] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if "spanId" in value:
                spans.append(value)
            for each in value.values():
                look(each)
        elif isinstance(value, list):
            for each in value:
                look(each)

    for line in told.splitlines():
        if line.startswith("{"):
            look(json.loads(line))
    return spans
