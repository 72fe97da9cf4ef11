"""One line per request: once, harmless, after the answer; and a reader who is not there delays nobody."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sidecar.exchange import Close, ListedViolation
from sidecar.journal import Cursor, StatsPage
from sidecar.observers.access import Access
from sidecar.telemetry import metrics

from .calls import context, cursor, exchange, read


def recent(**changes: Any) -> Any:
    return exchange(**{"started_unix_ns": time.time_ns()} | changes)


def live(folder: Path, target: Path | str, records: Sequence[msgspec.Struct], first: int = 0) -> StatsPage:
    """One life of the observer."""
    surroundings = context(folder, section=str(target))

    async def all_of_it() -> None:
        observer = Access(surroundings)
        await observer.open()
        await observer.take([read(record, number) for number, record in enumerate(records)])
        await observer.commit(cursor(first + len(records)))
        await observer.close()

    asyncio.run(all_of_it())
    return surroundings.stats


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_asked_what_and_what_became_of_it(tmp_path: Path) -> None:
    target = tmp_path / "access.log"
    violated = ListedViolation("age.min", "age", 0, "reject", "input")
    unknown = ListedViolation("unknown.z", "z", 0, "warn", "input")
    record = recent(
        target="/v2/models/credit/infer?sig=secret&a=1", verdict="rejected", status=422, trace_flags=1,
        violations=(violated, violated, unknown), violations_total=3, request_headers=(("user-agent", "curl/8"),),
    )  # fmt: skip
    live(tmp_path, target, [record, Close(exchange=recent(streamed=True))])
    line, streamed = lines(target)
    assert line["event"] == "request.answered"
    assert (line["trace_id"], line["span_id"], line["trace_flags"]) == (record.trace_id, record.span_id, "01")
    assert (line["method"], line["path"], line["query"]) == ("POST", "/v2/models/credit/infer", "sig=REDACTED&a=1")
    assert (line["status"], line["verdict"], line["codes"]) == (422, "rejected", ["age.min", "unknown.z"])
    assert line["violations"] == [
        {"code": "age.min", "owner": "crm", "contact": "#crm", "source": "customer-core", "review_by": "2999-03-01"},
        {"code": "unknown.z", "owner": "risk"},
    ]
    assert (line["policy"], line["model"], line["client"]) == ("credit-risk", "credit", "10.0.0.7")
    assert (line["duration_ms"], line["upstream_ms"], line["user_agent"]) == (10.0, 8.0, "curl/8")
    assert "error" not in line
    assert streamed["status"] == 200
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_a_caller_sent_begins_no_line_of_its_own(tmp_path: Path) -> None:
    target = tmp_path / "access.log"
    live(tmp_path, target, [recent(caller='x\n{"event":"forged"}\x1b[2J\u2028', method="GET\x7f")])
    raw = target.read_bytes()
    assert raw.count(b"\n") == 1
    assert raw.decode("ascii").strip().isprintable()


def test_a_restart_goes_on_after_the_last_line(tmp_path: Path) -> None:
    target = tmp_path / "access.log"
    live(tmp_path, target, [recent(request_id="a")])
    live(tmp_path, target, [recent(request_id="b", started_unix_ns=1)], first=1)
    assert [line["request_id"] for line in lines(target)] == ["a", "b"]
    resumed = Access(context(tmp_path, section=str(target)))

    async def where() -> Cursor:
        found = await resumed.open()
        await resumed.close()
        return found

    assert asyncio.run(where()) == cursor(2)


def test_a_damaged_cursor_is_set_aside_and_lines_go_on(tmp_path: Path) -> None:
    target, state = tmp_path / "access.log", tmp_path / "observers" / "access.state"
    live(tmp_path, target, [recent(request_id="a")])
    for damaged in (b"", b"{bad", state.read_bytes()[:-3], b"\xff" * 40):
        state.write_bytes(damaged)
        live(tmp_path, target, [recent(request_id="b")], first=1)
        assert state.with_suffix(".damaged").read_bytes() == damaged
        assert lines(target)[-1]["request_id"] == "b"


def test_the_first_time_it_does_not_tell_all_that_the_journal_holds(tmp_path: Path) -> None:
    target = tmp_path / "access.log"
    live(
        tmp_path,
        target,
        [recent(request_id="old", started_unix_ns=time.time_ns() - 3600 * 10**9), recent(request_id="new")],
    )
    assert [line["request_id"] for line in lines(target)] == ["new"]


def test_a_file_that_was_rotated_away_is_followed_by_a_new_one(tmp_path: Path) -> None:
    target, rotated = tmp_path / "access.log", tmp_path / "access.log.1"

    async def rotate() -> None:
        observer = Access(context(tmp_path, section=str(target)))
        await observer.open()
        await observer.take([read(recent(request_id="a"))])
        target.rename(rotated)
        await observer.take([read(recent(request_id="b"))])
        await observer.close()

    asyncio.run(rotate())
    assert [line["request_id"] for line in lines(rotated)] == ["a"]
    assert [line["request_id"] for line in lines(target)] == ["b"]


def test_lines_that_the_disk_does_not_take_are_counted(tmp_path: Path) -> None:
    stats = live(tmp_path, "/dev/full", [recent(), recent(), recent()])
    assert stats.counters[metrics.ACCESS_LINES_LOST.at()] == 3


def test_a_pipe_that_nobody_reads_costs_lines_and_not_the_observer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        records = [recent(caller="c" * 200) for _ in range(300)]  # more than a pipe holds
        stats = live(tmp_path, pipe, records)
        held = b""
        while piece := _rest(reading):
            held += piece
    finally:
        os.close(reading)
    whole = held.splitlines()
    assert all(json.loads(line)["caller"] for line in whole), "no line is cut"
    assert len(whole) + stats.counters[metrics.ACCESS_LINES_LOST.at()] == 300
    assert stats.counters[metrics.ACCESS_LINES_LOST.at()] > 0


def _rest(reading: int) -> bytes:
    try:
        return os.read(reading, 65536)
    except BlockingIOError:
        return b""
