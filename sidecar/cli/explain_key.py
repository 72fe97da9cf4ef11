"""`sidecar explain --key NAME=VALUE --on DAY`: the predictions of a customer and day.

A day is that of a zone, from its midnight to the next. What a policy hides is found by its keyed hash.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from ..errors import RuntimeSetupError
from ..predictions import Prediction, hashed, moment
from ..yamldoc import nearest
from .record_lines import escaped
from .recorded import Recorded

MOST_LISTED: Final = 50
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")
_HASH: Final = re.compile(r"hash:[0-9a-f]{32}")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say whose prediction, and of which day."""
    key = parser.add_argument_group("the prediction of a customer and day")
    key.add_argument("--key", metavar="NAME=VALUE", help="a feature and its value, as application_id=A-17")
    key.add_argument("--on", metavar="DAY", help="YYYY-MM-DD (default: today)")
    key.add_argument("--tz", metavar="ZONE", help="whose day: Europe/Berlin, or --tz=-05:00 (default: UTC)")


class Day(NamedTuple):
    """One day of a zone, in Unix nanoseconds; both ends are in it."""

    on: date
    zone: tzinfo
    zone_name: str
    since_ns: int
    until_ns: int

    def __str__(self) -> str:
        """The day and its boundaries in UTC."""
        since, until = moment(self.since_ns), moment(self.until_ns + 1)
        return f"{self.on} in {self.zone_name}, from {since} to {until}"

    def local(self, ts: str | None) -> str:
        """A row's time on this zone's clocks."""
        if ts is None:
            return "-"
        return datetime.fromisoformat(ts).astimezone(self.zone).isoformat(timespec="milliseconds")


def day_of(on: str | None, tz: str | None, now: datetime) -> Day:
    """RuntimeSetupError for what is no day or no zone."""
    zone, name = _zone(tz)
    try:
        if on is not None and _DAY.fullmatch(on) is None:
            raise ValueError("a day is written YYYY-MM-DD")
        day = now.astimezone(zone).date() if on is None else date.fromisoformat(on)
        begins, ends = (_midnight(each, zone) for each in (day, day + timedelta(days=1)))
    except (ValueError, OverflowError) as error:
        raise RuntimeSetupError(f"--on {on}: no such day ({error}); write it like 2026-03-03") from None
    return Day(day, zone, name, begins, ends - 1)


def _midnight(day: date, zone: tzinfo) -> int:
    """Where clocks skip midnight, the moment they skip it."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1_000_000_000


def _zone(name: str | None) -> tuple[tzinfo, str]:
    if name is None or name.upper() in ("UTC", "Z"):
        return UTC, "UTC"
    offset = _OFFSET.fullmatch(name)
    if offset is not None and int(offset[2]) < 24 and int(offset[3]) < 60:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-ahead if offset[1] == "-" else ahead), name
    try:
        return ZoneInfo(name), name
    except (KeyError, ValueError, OSError):  # OSError: a folder of the database, like Europe
        known = available_timezones()
        near = nearest(name, sorted(known))
        hint = f"did you mean {near}?" if near else "write Europe/Berlin, UTC or an offset like +02:00"
        if not known:
            hint = "this machine has no time zone database: write an offset like +02:00"
        raise RuntimeSetupError(f"--tz {name}: no such time zone; {hint}") from None


@dataclass
class Wanted:
    """A feature's value as a person writes it, and every hash that it may have in records."""

    name: str
    value: str
    secret: bytes = b""
    hashes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        spelled = {self.value, *(json.dumps(number) for number in _numbers(self.value))}
        self.hashes = frozenset(text for each in spelled if (text := hashed(each, self.secret)) is not None)

    def is_said_by(self, told: Sequence[Any]) -> bool:
        """Whether one of a row's values for the name is this one."""
        return any(self._is(value) for value in told)

    def _is(self, value: Any) -> bool:
        if isinstance(value, str):
            return value == self.value or value in self.hashes
        if isinstance(value, bool):
            return self.value.lower() == json.dumps(value)
        return isinstance(value, int | float) and value in _numbers(self.value)


def _numbers(text: str) -> tuple[int | float, ...]:
    """The number that a text may be, in both spellings: records have what was sent."""
    try:
        number = float(text)
    except ValueError:
        return ()
    if not math.isfinite(number):
        return ()
    whole = re.fullmatch(r"-?[0-9]{1,19}", text)
    return (int(text), number) if whole else (int(number), number) if number.is_integer() else (number,)


@dataclass
class Found:
    """What a day has. `unread` rows may be the ones; `features` are the names that rows had."""

    rows: list[Prediction] = field(default_factory=list)
    looked_at: int = 0
    unread: int = 0
    features: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)  # how records hide the name: hash | drop
    unhashable: bool = False  # hashes are there, and the key that makes them is not

    @property
    def chosen(self) -> Prediction | None:
        """The latest that a caller could act upon, as late labels join it; where there is none, the latest."""
        among = [row for row in self.rows if row.delivers] or self.rows
        return max(among, key=lambda row: (row.ts or "", row.prediction_id)) if among else None


def asked_for(key: str) -> tuple[str, str]:
    """RuntimeSetupError for what is no NAME=VALUE."""
    name, equals, value = key.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise RuntimeSetupError(f"--key {key}: write NAME=VALUE, like application_id=A-17")
    return name.strip(), value.strip()


def search(recorded: Recorded, wanted: Wanted, day: Day) -> Found:
    """Every row of the day with this value."""
    found = Found()
    for row in recorded.source.predictions(since_ns=day.since_ns, until_ns=day.until_ns):
        found.looked_at += 1
        found.unread += bool(row.unread) and not row.features
        found.features.update(row.features)
        told = _told(recorded, wanted.name, row, found)
        hashes = [value for value in told if isinstance(value, str) and _HASH.fullmatch(value)]
        found.unhashable = found.unhashable or (bool(hashes) and not wanted.secret)
        if wanted.is_said_by(told):
            found.rows.append(row)
    found.rows.sort(key=lambda row: (row.ts or "", row.prediction_id, row.row))
    return found


def _told(recorded: Recorded, name: str, row: Prediction, found: Found) -> list[Any]:
    """What a row says of the feature: itself, as the entity, as the hash that late labels join by."""
    told = [row.features.get(name)]
    guard = recorded.book.guard(row.policy.digest) if row.policy.digest else None
    if guard is not None:
        recording = guard.recording
        if name == recording.entity:
            told.append(row.entity)
        if name == recording.label_key:
            told.append(row.join_key)
        if name in recording.hidden:
            found.hidden.add(recording.hidden[name])
    return [value for value in told if value is not None]


def nothing_found(wanted: Wanted, day: Day, found: Found) -> str:
    """What was searched, and why it may have been missed."""
    said = [f"no prediction with {wanted.name} = {wanted.value} on {day}: {_many(found.looked_at, 'row')} looked at"]
    if found.unread:
        said.append(f"{found.unread} of them could not be read")
    if "drop" in found.hidden:
        said.append(f"a policy of that day drops {wanted.name} from its records")
    elif found.looked_at > found.unread and wanted.name not in found.features and not found.hidden:
        near = nearest(wanted.name, sorted(found.features))
        said.append(f"no row had a feature `{wanted.name}`" + (f": did you mean `{near}`?" if near else ""))
    return escaped("; ".join(said))


def why_not(wanted: Wanted, found: Found) -> str:
    """Why a value cannot be looked for at all, or nothing."""
    if found.rows or wanted.secret or not (found.unhashable or "hash" in found.hidden):
        return ""
    return f"{wanted.name} is hashed in these records and the key of the hashes is not here; give --secret-file FILE"


def listed(found: Found) -> list[dict[str, Any]]:
    """The rows that were found, for other programs."""
    names = ("ts", "prediction_id", "row", "verdict", "delivered")
    return [{name: getattr(row, name) for name in names} for row in found.rows]


def list_lines(wanted: Wanted, day: Day, found: Found) -> Iterator[str]:
    """The rows that were found, oldest first, and which of them is told."""
    chosen = found.chosen
    yield escaped(f"{_many(len(found.rows), 'row')} with {wanted.name} = {wanted.value} on {day}")
    left_out = len(found.rows) - MOST_LISTED
    if left_out > 0:
        yield f"  … {left_out} earlier ones; --format json has them all"
    for row in found.rows[max(left_out, 0) :]:
        given = "nothing delivered" if not row.delivers else json.dumps(row.delivered, ensure_ascii=False)
        place = f" row {row.row}" if row.story.rows > 1 else ""
        yield escaped(f"  {day.local(row.ts)}  {row.prediction_id}{place}  {row.verdict or 'not judged'}  {given}")
    if chosen is not None:
        which = "the latest that was delivered" if chosen.delivers else "the latest; none was delivered"
        yield f"told below: {chosen.prediction_id}, {which}. Another: sidecar explain ID"


def as_json(key: str, day: Day, found: Found, stories: Sequence[dict[str, Any]]) -> str:
    """A stable object."""
    document = {
        "key": key,
        "on": day.on.isoformat(),
        "tz": day.zone_name,
        "since": moment(day.since_ns),
        "until": moment(day.until_ns + 1),
        "looked_at": found.looked_at,
        "found": listed(found),
        "predictions": list(stories),
    }
    return json.dumps(document, indent=2, allow_nan=False)


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
