"""`sidecar explain --key NAME=VALUE --on DAY`: the prediction of a customer and day, hashed or not, in a zone."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.cli.explain_key import Found, Wanted, day_of
from sidecar.errors import RuntimeSetupError
from sidecar.exchange import Kind, encode
from sidecar.predictions import Prediction
from sidecar.predictions.values import hashed
from tests.archive.desk import SECRET, Desk
from tests.kit.guards import policy
from tests.predictions.calls import judged_call

MODEL = "protocol: tfserving, name: credit"
CONTRACT = """
mode: enforce
features:
  application_id: {type: string, role: key, pii: true}
  customer: {type: int, required: false}
  age: {type: int, max: 120}
prediction:
  score: {type: float, min: 0, max: 1}
"""
TEXT = policy(CONTRACT, model=MODEL) + "feedback: {entity: application_id}\n"
DROPPED = policy(CONTRACT, model=MODEL) + "capture: {hide: {application_id: drop}}\n"
START = 1_767_323_045_000_000_000  # 2026-01-02T03:04:05Z
HOUR = 3600 * 10**9
DAY = ("--on", "2026-01-02")


def opened(folder: Path, text: str = TEXT) -> Desk:
    made = Desk(folder, text)
    (made.data / "secret").write_bytes(SECRET)
    return made


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return opened(tmp_path)


def call(desk: Desk, *rows: dict[str, Any], hours: float = 0.0, **other: Any) -> str:
    """One call so many hours after the first moment; its prediction id."""
    desk.calls += 1
    body = json.dumps({"instances": [{"age": 30, **row} for row in rows]}).encode()
    reply = json.dumps({"predictions": [0.25] * len(rows)}).encode()
    at = {"started_unix_ns": START + int(hours * HOUR), "protocol": "tfserving", "target": "/v1/models/credit:predict"}
    record, payloads = judged_call(desk.guard, body, reply, desk.calls, **at, **other)
    assert desk.writer.append(Kind.EXCHANGE, encode(record), payloads)
    return record.prediction_id


def explain(desk: Desk, *words: str) -> int:
    return main(["explain", *words, "--data", str(desk.data)])


def told(desk: Desk, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert explain(desk, *words, "--format", "json") == code
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_the_prediction_of_a_customer_and_day_is_told_though_the_key_is_hashed(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    call(desk, {"application_id": "a-1"})
    wanted = call(desk, {"application_id": "a-2"})
    assert explain(desk, "--key", "application_id=a-2", *DAY) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"prediction {wanted}\n")
    assert "a-2" not in out


@pytest.mark.parametrize("at_rest", [False, True])
def test_several_are_listed_and_the_latest_delivered_is_told(
    desk: Desk, capsys: pytest.CaptureFixture[str], at_rest: bool
) -> None:
    first = call(desk, {"application_id": "a-1"})
    latest = call(desk, {"application_id": "a-9"}, {"application_id": "a-1"}, hours=1)
    refused = call(desk, {"application_id": "a-1", "age": 130}, hours=2)
    if at_rest:
        desk.archive()
        shutil.rmtree(desk.journal)
    document = told(desk, capsys, "--key", "application_id=a-1", *DAY)
    found = [(each["prediction_id"], each["row"], each["verdict"]) for each in document["found"]]
    assert found == [(first, 0, "ok"), (latest, 1, "ok"), (refused, 0, "rejected")]
    assert [each["delivered"] for each in document["found"]] == [{"score": 0.25}, {"score": 0.25}, None]
    assert [each["prediction_id"] for each in document["predictions"]] == [latest]
    assert explain(desk, "--key", "application_id=a-1", *DAY, "--tz", "+02:00") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 rows with application_id = a-1 on 2026-01-02 in +02:00, from 2026-01-01T22:00:00")
    assert lines[2] == f'  2026-01-02T06:04:05.000+02:00  {latest} row 1  ok  {{"score": 0.25}}'
    assert lines[3].endswith(f"{refused}  rejected  nothing delivered")
    assert lines[4] == f"told below: {latest}, the latest that was delivered. Another: sidecar explain ID"
    assert lines[6] == f"prediction {latest}"


def test_where_none_was_delivered_the_latest_is_told() -> None:
    rows = [Prediction(prediction_id=f"p{hour}", ts=f"2026-01-02T0{hour}:00:00.000000Z") for hour in (3, 1, 2)]
    chosen = Found(rows).chosen
    assert chosen is not None and chosen.prediction_id == "p3"


def test_a_number_is_found_however_it_is_written(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = call(desk, {"application_id": "a-1", "customer": 17})
    for value in ("17", "17.0"):
        found = told(desk, capsys, "--key", f"customer={value}", *DAY)["found"]
        assert [each["prediction_id"] for each in found] == [wanted]
    told(desk, capsys, "--key", "customer=170", *DAY, code=1)


@pytest.mark.parametrize(("sent", "asked"), [("17", "17"), (17, "17"), (17.0, "17"), (17, "17.0"), (0.5, "0.50")])
def test_hashes_of_numbers_are_met(sent: Any, asked: str) -> None:
    assert Wanted("k", asked, SECRET).is_said_by([hashed(sent, SECRET)])
    assert not Wanted("k", "18", SECRET).is_said_by([hashed(sent, SECRET)])


def test_a_key_that_records_drop_is_found_by_the_hash_that_labels_join_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = opened(tmp_path / "a", DROPPED + "feedback: {label: {name: y, of: score, key: application_id}}\n")
    wanted = call(labelled, {"application_id": "a-1"})
    (found,) = told(labelled, capsys, "--key", "application_id=a-1", *DAY)["found"]
    assert found["prediction_id"] == wanted
    dropped = opened(tmp_path / "b", DROPPED)
    call(dropped, {"application_id": "a-1"})
    assert explain(dropped, "--key", "application_id=a-1", *DAY) == 1
    assert "a policy of that day drops application_id from its records" in capsys.readouterr().err


def test_without_the_secret_of_the_hashes_nobody_can_look(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = call(desk, {"application_id": "a-1", "customer": 17})
    desk.archive()
    secret = desk.data / "secret"
    elsewhere = desk.data.parent / "key"
    secret.rename(elsewhere)
    words = ["--key", "application_id=a-1", *DAY]
    assert main(["explain", *words, "--from", str(desk.root)]) == 2
    assert "application_id is hashed in these records and the key of the hashes is not here" in capsys.readouterr().err
    assert main(["explain", *words, "--from", str(desk.root), "--secret-file", str(elsewhere)]) == 0
    assert f"prediction {wanted}" in capsys.readouterr().out
    assert main(["explain", "--key", "customer=17", *DAY, "--from", str(desk.root)]) == 0


def test_a_day_is_that_of_its_zone(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    call(desk, {"application_id": "a-1"}, hours=20.5)  # 2026-01-02T23:34:05Z: the third in Berlin
    assert explain(desk, "--key", "application_id=a-1", *DAY, "--tz", "Europe/Berlin") == 1
    assert capsys.readouterr().err == (
        "sidecar explain: no prediction with application_id = a-1 on 2026-01-02 in Europe/Berlin, from "
        "2026-01-01T23:00:00.000000Z to 2026-01-02T23:00:00.000000Z: 0 rows looked at\n"
    )
    assert explain(desk, "--key", "application_id=a-1", "--on", "2026-01-03", "--tz", "Europe/Berlin") == 0
    assert explain(desk, "--key", "application_id=a-1", *DAY) == 0


def test_nothing_says_which_name_was_meant(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    call(desk, {"application_id": "a-1"})
    assert explain(desk, "--key", "aplication_id=a-1", *DAY) == 1
    assert "1 row looked at; no row had a feature `aplication_id`: did you mean `application_id`?" in (
        capsys.readouterr().err
    )
    document = told(desk, capsys, "--key", "application_id=zzz", *DAY, code=1)
    assert (document["found"], document["predictions"], document["looked_at"]) == ([], [], 1)
    assert (document["since"], document["until"]) == ("2026-01-02T00:00:00.000000Z", "2026-01-03T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key", "application_id"], "--key application_id: write NAME=VALUE"),
        (["--key", "=x"], "write NAME=VALUE"),
        (["--key", "a=1", "--on", "03/03/2026"], "--on 03/03/2026: no such day"),
        (["--key", "a=1", "--on", "2026-02-30"], "--on 2026-02-30: no such day (day is out of range for month)"),
        (["--key", "a=1", "--on", "9999-12-31"], "--on 9999-12-31: no such day"),
        (["--key", "a=1", "--tz", "Europe/Berlim"], "no such time zone; did you mean Europe/Berlin?"),
        (["--key", "a=1", "--tz", "Europe"], "--tz Europe: no such time zone"),
        (["--key", "a=1", "--tz", "/etc/passwd"], "no such time zone"),
        (["--key", "a=1", "some-id"], "give either"),
        (["some-id", "--on", "2026-01-02"], "--on and --tz go with --key"),
        ([], "give either"),
    ],
)
def test_what_cannot_be_asked_is_said(
    desk: Desk, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert explain(desk, *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("on", "tz", "hours"),
    [
        ("2026-01-02", "UTC", 24),
        ("2026-03-29", "Europe/Berlin", 23),  # clocks go forward
        ("2026-10-25", "Europe/Berlin", 25),
        ("2026-09-06", "America/Santiago", 23),  # at midnight
        ("2026-01-02", "-05:30", 24),
    ],
)
def test_days_are_as_long_as_their_clocks_say(on: str, tz: str, hours: int) -> None:
    day = day_of(on, tz, datetime(2026, 1, 1, tzinfo=UTC))
    assert day.until_ns + 1 - day.since_ns == hours * HOUR
    assert day.local(datetime.fromtimestamp(day.since_ns / 1e9, UTC).isoformat())[:10] == on


def test_without_a_day_it_is_today_in_the_zone() -> None:
    late = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)
    assert str(day_of(None, None, late).on) == "2026-01-01"
    assert str(day_of(None, "Europe/Berlin", late).on) == "2026-01-02"
    with pytest.raises(RuntimeSetupError):
        day_of("", None, late)
