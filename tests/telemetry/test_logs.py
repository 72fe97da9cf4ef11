"""The log: one harmless JSON object a line, whatever is in it, and whoever reads it."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.telemetry import logs

from ..observers.calls import exchange


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def said(level: logs.Level = "info") -> tuple[Any, io.StringIO]:
    stream = io.StringIO()
    logs.configure(level, stream=stream)
    return logs.logger(), stream


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_event_level_and_time() -> None:
    log, stream = said()
    log.bind(worker=1).warning("worker.died", exit_code=9)
    (line,) = told(stream)
    assert (line["event"], line["level"], line["worker"], line["exit_code"]) == ("worker.died", "warning", 1, 9)
    assert line["timestamp"].endswith("Z")


def test_trace_ids_are_at_the_top_level() -> None:
    log, stream = said()
    log.error("guard.failed", trace=exchange(trace_flags=1))
    (line,) = told(stream)
    assert line["trace_id"] == exchange().trace_id
    assert line["span_id"] == exchange().span_id
    assert line["trace_flags"] == "01"
    assert "trace" not in line


def test_what_is_below_the_level_is_not_said() -> None:
    log, stream = said("warning")
    log.info("policy.loaded")
    log.debug("policy.loaded")
    log.warning("policy.refused")
    assert [line["event"] for line in told(stream)] == ["policy.refused"]


def test_an_exception_is_told_in_the_same_line() -> None:
    log, stream = said()
    log.error("observer.failed", exc_info=ValueError("broken\nhere"))
    (line,) = told(stream)
    assert "ValueError: broken" in line["exception"]


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=4))
@settings(max_examples=200, deadline=None)
def test_no_text_moves_a_terminal_or_begins_a_line(fields: dict[str, str]) -> None:
    line = logs.line(fields)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == fields


def test_what_json_does_not_have_is_told_as_text() -> None:
    class Strange:
        def __repr__(self) -> str:
            return "strange\x1b[2J"

    round_in_itself: list[Any] = []
    round_in_itself.append(round_in_itself)
    fields = {"nan": float("nan"), "deep": {"inf": [float("inf"), 1]}, "object": Strange(), "key": {b"k": 1}}
    for value in (fields, {**fields, "round": round_in_itself}):
        line = json.loads(logs.line(value))
        assert (line["nan"], line["deep"]["inf"], line["object"]) == ("nan", ["inf", 1], "strange\x1b[2J")
        assert line["key"] == {"b'k'": 1}
    assert "\x1b" not in logs.line(fields)


def test_nobody_reading_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1, closefd=False) as stream:
        logs.configure(stream=stream)
        logs.logger().info("drain.started")
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
    logs.logger().info("drain.finished")
    os.close(writing)
