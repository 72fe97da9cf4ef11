"""Query parameters, strictly: one that is not known, comes twice or cannot be meant is an error with a sentence."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

MOST_ROWS: Final = 1000
DEFAULT_ROWS: Final = 100
_MOST_CHARACTERS: Final = 200
_MARK: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)~([A-Za-z0-9_.:-]{0,200})")


class QueryError(ValueError):
    """What is wrong with a parameter, for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class PredictionQuery:
    """Newest first. Empty texts and None do not restrict; times are Unix seconds."""

    limit: int = DEFAULT_ROWS
    since: float | None = None
    until: float | None = None
    verdict: str = ""
    policy: str = ""
    caller: str = ""
    status: int | None = None
    page: tuple[str, str] | None = None  # older than this (time, prediction id)
    latest: bool = False  # of the latest calls alone


PREDICTION_PARAMETERS: Final[Mapping[str, str]] = {
    "limit": f"how many rows at most, 1 to {MOST_ROWS} (default {DEFAULT_ROWS})",
    "since": "not before this time (RFC 3339, for example 2026-03-03T12:00:00Z)",
    "until": "before this time (RFC 3339)",
    "verdict": "ok, observed, repaired, fallback, rejected, unchecked, interrupted",
    "policy": "the policy's name",
    "caller": "the caller, as it named itself",
    "status": "the HTTP status sent to the caller",
    "page": "the `next` of the answer before: older rows follow",
    "latest": "yes: only among the latest calls, without reading what is on disk",
}


def single(pairs: Sequence[tuple[str, str]], known: Collection[str]) -> dict[str, str]:
    """Name → value. QueryError for names that are not known or come twice."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            there = ", ".join(known) if known else "none"
            raise QueryError(f"no parameter {name[:40]!r} here; there are: {there}")
        if name in found:
            raise QueryError(f"{name} is given twice; give it once")
        if len(value) > _MOST_CHARACTERS or not value.isprintable():
            raise QueryError(f"{name}: at most {_MOST_CHARACTERS} printable characters")
        found[name] = value
    return found


def prediction_query(pairs: Sequence[tuple[str, str]]) -> PredictionQuery:
    """QueryError for anything that is not what `PREDICTION_PARAMETERS` says."""
    given = single(pairs, PREDICTION_PARAMETERS)
    limit = _whole(given, "limit", 1, MOST_ROWS)
    return PredictionQuery(
        limit=DEFAULT_ROWS if limit is None else limit,
        since=_moment(given, "since"),
        until=_moment(given, "until"),
        verdict=given.get("verdict", ""),
        policy=given.get("policy", ""),
        caller=given.get("caller", ""),
        status=_whole(given, "status", 100, 599),
        page=_mark(given),
        latest=_yes(given, "latest"),
    )


def _yes(given: Mapping[str, str], name: str) -> bool:
    if given.get(name, "no") not in ("yes", "no"):
        raise QueryError(f"{name}: yes or no")
    return given.get(name) == "yes"


def _mark(given: Mapping[str, str]) -> tuple[str, str] | None:
    text = given.get("page")
    if text is None:
        return None
    found = _MARK.fullmatch(text)
    if found is None:
        raise QueryError("page: what the answer before said as `next`, as it is")
    return found[1], found[2]


def _whole(given: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise QueryError(f"{name}: a whole number from {least} to {most}")
    return int(text)


def _moment(given: Mapping[str, str], name: str) -> float | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + arrives as a space
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise QueryError(f"{name}: a time like 2026-03-03T12:00:00Z") from None
