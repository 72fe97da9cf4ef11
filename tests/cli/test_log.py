"""`sidecar log`: everything written can be listed, read, checked and taken out."""

from __future__ import annotations

import argparse
import json
import math
import signal
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.cli import log
from sidecar.cli.record_lines import as_plain, as_text, parse_since
from sidecar.exchange import Close, Edit, Exchange, Feedback, Gap, Kind, ListedViolation, Open, PolicyPublished, encode
from sidecar.journal.frame import HEADER_BYTES
from sidecar.journal.reader import Read
from sidecar.journal.segment import PREAMBLE_BYTES
from sidecar.journal.settings import JournalSettings
from sidecar.journal.stats import StatsPage
from sidecar.journal.writer import Writer

START = 1_767_323_045_123_456_789  # 2026-01-02T03:04:05.123456789Z


def an_exchange(number: int, **other: Any) -> Exchange:
    fields: dict[str, Any] = {
        "prediction_id": f"p-{number}", "request_id": f"r-{number}", "started_unix_ns": START + number * 60 * 10**9,
        "trace_id": "t", "span_id": "s", "parent_span_id": "", "client_span_id": "", "trace_flags": 1,
        "method": "POST", "target": "/v2/models/credit/infer", "route": "/v2/models/{model}/infer",
        "route_kind": "inference", "protocol": "oip", "model_name": "credit", "model_version": "14",
        "version_source": "body", "policy_digest": "d", "identity": "match", "mode": "enforce", "verdict": "rejected",
        "would": "rejected", "reason": "", "status": 422, "total_ns": 1_500_000,
        "violations": (ListedViolation("age.min", "age", 0, "reject", "input"),),
    }  # fmt: skip
    return Exchange(**(fields | other))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with one stream of six records, its sidecar stopped."""
    writer = Writer(
        tmp_path / "journal",
        "hot-0",
        JournalSettings(),
        StatsPage(),
        identity={"replica": "pod-1", "environment": "test"},
    )
    published = PolicyPublished(digest="d", name="credit", version="2", published_unix_ns=START)
    opening = Open(
        prediction_id="p-3", request_id="r-3", started_unix_ns=START, trace_id="t", method="POST", target="/v1/chat"
    )
    writer.append(Kind.POLICY, encode(published), (b'{"policy": "credit"}',))
    writer.append(Kind.EXCHANGE, encode(an_exchange(1)), (b'{"age": NaN}\n', b"\xff\x00"))
    writer.append(Kind.EXCHANGE, encode(an_exchange(2)), (b'{"age": "\\ud800"}', "ü\n".encode()))
    writer.append(Kind.OPEN, encode(opening))
    writer.append(Kind.CLOSE, encode(Close(exchange=an_exchange(3, delivered={"score": float("nan")}))))
    writer.append(Kind.FEEDBACK, encode(Feedback(received_unix_ns=START, prediction_id="p-1", label=float("inf"))))
    writer.close()
    return tmp_path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    log.add(parser.add_subparsers())
    return log.run(parser.parse_args(["log", *words]))


def test_ls_says_what_there_is(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", "--data", str(data)) == 0
    text = capsys.readouterr().out
    assert "hot-0" in text
    assert "2026-01-02T03:04:05.123456Z" in text
    assert run("ls", "--data", str(data), "--format", "json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["records"], row["damaged"], row["last"]) == (6, 0, "2026-01-02T03:07:05.123456Z")


def test_cat_gives_a_line_for_each_record(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cat", "--data", str(data)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[1] == (
        "2026-01-02T03:05:05.123456Z hot-0 exchange p-1 POST /v2/models/credit/infer 422 rejected age.min[0] 1.50ms"
    )


def test_cat_says_of_each_kind_what_matters(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cat", "--data", str(data)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" hot-0 policy credit@2 d")
    assert lines[3].endswith(" hot-0 open p-3 POST /v1/chat 0")
    assert lines[5].endswith(" hot-0 feedback p-1 label=inf")


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--kind", "exchange"], 2),
        (["--kind", "exchange", "--kind", "close"], 3),
        (["--id", "p-3"], 2),
        (["--id", "r-1"], 1),
        (["--id", "nobody"], 0),
        (["--since", "2026-01-02T03:06:00Z"], 2),
        (["--until", "2026-01-02T03:04:30Z"], 3),
    ],
)
def test_cat_chooses(data: Path, capsys: pytest.CaptureFixture[str], words: list[str], count: int) -> None:
    assert run("cat", "--data", str(data), *words) == 0
    assert len(capsys.readouterr().out.splitlines()) == count


def test_export_keeps_what_json_has_no_word_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "--data", str(data)) == 0
    rows = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    assert [row["kind"] for row in rows] == ["policy", "exchange", "exchange", "open", "close", "feedback"]
    assert rows[1]["payloads"][0] == {"text": '{"age": NaN}\n'}
    assert b64decode(rows[1]["payloads"][1]["base64"]) == b"\xff\x00"
    assert rows[2]["payloads"] == [{"text": '{"age": "\\ud800"}'}, {"text": "ü\n"}]
    assert rows[1]["violations"] == [
        {"code": "age.min", "feature": "age", "row": 0, "applied": "reject", "side": "input", "enforced": True}
    ]
    assert rows[4]["exchange"]["delivered"] == {"score": {"float": "nan"}}
    assert rows[5]["label"] == {"float": "inf"}
    assert [row["number"] for row in rows] == list(range(6))
    assert rows[0]["replica"] == "pod-1"


def test_export_goes_to_a_file(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "--data", str(data), "-o", str(tmp_path / "out.jsonl")) == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 6
    assert capsys.readouterr().out == ""


def test_verify_is_quiet_about_a_whole_journal(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "--data", str(data)) == 0
    assert capsys.readouterr().out == "1 segments, 6 good records, 0 damaged places\n"


def test_verify_finds_damage(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = (data / "journal" / "hot-0").glob("*.seg")
    content = bytearray(path.read_bytes())
    content[PREAMBLE_BYTES + HEADER_BYTES + 3] ^= 1
    path.write_bytes(content[:-2])
    assert run("verify", "--data", str(data), "--format", "json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["records"] == 4
    assert [place["reason"] for place in answer["damage"]] == ["body", "torn"]
    assert run("verify", "--data", str(data)) == 1
    assert f"hot-0/{path.name} bytes {PREAMBLE_BYTES}-" in capsys.readouterr().out
    assert run("export", "--data", str(data)) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 4
    assert "left out as damaged" in captured.err


def test_a_record_being_written_is_no_damage(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "journal", "hot-0", JournalSettings(), StatsPage(), identity={})
    for number in range(3):
        writer.append(Kind.EXCHANGE, encode(an_exchange(number)))
    (path,) = (tmp_path / "journal" / "hot-0").glob("*.seg")
    path.write_bytes(path.read_bytes()[:-5])
    assert run("verify", "--data", str(tmp_path)) == 0
    writer.close()
    assert run("verify", "--data", str(tmp_path)) == 1


def test_streams_without_an_end_are_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = Writer(tmp_path / "journal", "hot-0", JournalSettings(), StatsPage(), identity={})
    for number in range(3):
        exchange = an_exchange(number, streamed=True)
        opening = Open(
            prediction_id=exchange.prediction_id, request_id=exchange.request_id, started_unix_ns=START,
            trace_id="t", method="POST", target="/",
        )  # fmt: skip
        writer.append(Kind.OPEN, encode(opening))
        if number != 1:
            writer.append(Kind.CLOSE, encode(Close(exchange=exchange)))
    assert run("verify", "--data", str(tmp_path)) == 0
    assert "1 streamed answers began and have no end: interrupted (or still running)\n" in capsys.readouterr().out
    writer.close()
    assert run("verify", "--data", str(tmp_path), "--format", "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["interrupted"] == [{"stream": "hot-0", "prediction_id": "p-1", "request_id": "r-1"}]


def test_a_segment_taken_away_from_the_middle_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        writer = Writer(tmp_path / "journal", "hot-0", JournalSettings(), StatsPage(), identity={})
        writer.append(Kind.EXCHANGE, encode(an_exchange(number)))
        writer.close()
    sorted((tmp_path / "journal" / "hot-0").glob("*.seg"))[1].unlink()
    assert run("verify", "--data", str(tmp_path)) == 1
    assert "1 records are missing before this segment" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["ls"], ["cat"], ["verify"], ["export"]])
def test_where_there_is_no_journal_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(*words, "--data", str(tmp_path)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no journal here" in captured.err


def test_a_time_that_is_none_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cat", "--data", str(data), "--since", "yesterday") == 2
    assert "'yesterday' is not a time" in capsys.readouterr().err


def test_times_ago_and_absolute() -> None:
    assert parse_since("10m", START) == START - 600 * 10**9
    assert parse_since("1.5h", START) == START - 5400 * 10**9
    assert parse_since("2026-01-02T03:04:05Z", 0) == START // 10**9 * 10**9
    assert parse_since("2026-01-02T04:04:05+01:00", 0) == START // 10**9 * 10**9


def test_follow_shows_what_is_written_from_now_on(data: Path) -> None:
    script = f"""
import argparse, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from sidecar.cli import log
parser = argparse.ArgumentParser()
log.add(parser.add_subparsers())
sys.exit(log.run(parser.parse_args(["log", "cat", "--follow", "--kind", "gap", "--data", {str(data)!r}])))
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    writer = Writer(data / "journal", "hot-0", JournalSettings(), StatsPage(), identity={})
    for number in (7, 8):
        gap = Gap(from_unix_ns=START, to_unix_ns=START, records=number, reason="disk_full")
        writer.append(Kind.GAP, encode(gap))
        assert f"{number} records missing: disk_full" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 0
    child.stdout.close()
    writer.close()


def a_read(record: Exchange, payloads: tuple[bytes, ...] = ()) -> Read:
    return Read(Kind.EXCHANGE, record, b"", payloads, "hot-0", "s", 0, 0, "pod", "test")


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_caller_cannot_move_the_terminal_or_forge_a_line(text: str) -> None:
    line = as_text(a_read(an_exchange(1, target=text, reason=text, error="\x1b[2J\r\n")))
    assert all(character.isprintable() for character in line)


def plain_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(max_size=20)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
        ["base64", "float", "object"]
    )
    return st.recursive(leaves | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=8)


def restored(value: Any) -> Any:
    """What export wrote, as it was."""
    if isinstance(value, list):
        return [restored(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return b64decode(value["base64"])
        if set(value) == {"float"}:
            return float(value["float"])
        if set(value) == {"object"}:
            value = value["object"]
        return {name: restored(item) for name, item in value.items()}
    return value


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return bool(left == right)


@settings(max_examples=150, deadline=None)
@given(
    plain_values(),
    st.lists(
        st.binary(max_size=80) | st.text(max_size=30).map(lambda t: t.encode("utf-8", "surrogatepass")), max_size=3
    ),
)
def test_any_value_and_any_payload_survive_the_way_through_json(delivered: Any, payloads: list[bytes]) -> None:
    record = an_exchange(1, delivered=delivered, request_edits=(Edit(0, 3, b"\x00\xff"),))
    line = json.dumps(as_plain(a_read(record, tuple(payloads))), allow_nan=False)
    assert "\n" not in line
    plain = json.loads(line)
    assert same(restored(plain["delivered"]), delivered)
    assert restored(plain["request_edits"]) == [{"start": 0, "end": 3, "data": b"\x00\xff"}]
    back = [p["text"].encode() if "text" in p else b64decode(p["base64"]) for p in plain["payloads"]]
    assert back == payloads
