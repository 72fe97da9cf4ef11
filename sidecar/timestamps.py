"""RFC 3339 timestamps as seconds since the epoch; nothing else is a timestamp in a row (ISO 8601 allows far more).

The times that people send with labels are read more widely, see `unix_ns_of`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

# RFC 3339 §5.6. The pattern is linear: no repeat is nested. ASCII digits only, so `\d` is spelled out.
_RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,30})?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def seconds_of(text: str) -> float | None:
    """Seconds since 1970-01-01T00:00:00Z (microseconds kept), or None when the text is not RFC 3339 with a zone."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = match.groups()
    # §5.7: 60 is a leap second. POSIX time has none, so it is the first instant of the next minute.
    leap = second == "60"
    zone: timezone = UTC
    if sign:
        if int(zone_hours) > 23 or int(zone_minutes) > 59:
            return None
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second), tzinfo=zone
        )
    except ValueError:
        return None
    return moment.timestamp() + leap + (float(f"0{fraction[:7]}") if fraction else 0.0)


def moment(unix_ns: int) -> str | None:
    """RFC 3339, UTC, microseconds; None where the calendar has no such day."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def unix_ns_of(text: str) -> int | None:
    """RFC 3339, also a day alone or without a zone (UTC), or seconds since 1970 → nanoseconds, to the microsecond;
    None for anything else."""
    try:
        return int(round(float(text), 6) * 1_000_000) * 1000
    except (ValueError, OverflowError):
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    whole = at.replace(microsecond=0)
    return (int(whole.timestamp()) * 1_000_000 + at.microsecond) * 1000
