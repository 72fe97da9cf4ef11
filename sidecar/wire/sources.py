"""Features that do not come from the body: `from: header:x-region` is one text for all rows; the contract types it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..rows import MISSING, Value
from .base import HeaderLookup

PREFIX = "header:"


def header_of(source: str) -> str:
    """The lower-case header name of a `from:`, or "" when it names another place. ValueError for an empty name."""
    if not source.lower().startswith(PREFIX):
        return ""
    name = source[len(PREFIX) :].strip().lower()
    if not name:
        raise ValueError(f"`from: {source}` names no header: write `header:x-region`")
    return name


def split_headers(features: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(feature → header name, feature → its place in the body), each in policy order."""
    headers = {name: found for name, source in features.items() if (found := header_of(source))}
    return headers, {name: source for name, source in features.items() if name not in headers}


def header_columns(headers: Mapping[str, str], lookup: HeaderLookup, count: int) -> dict[str, Sequence[Value]]:
    """A column for each header-sourced feature: its text in all rows, or MISSING."""
    columns: dict[str, Sequence[Value]] = {}
    for feature, name in headers.items():
        text = lookup(name)
        columns[feature] = [MISSING if text is None else text] * count
    return columns


def header_pointer(headers: Mapping[str, str]) -> Callable[[str, int], str]:
    """A place outside the body: `header:x-region`, which no RFC 6901 pointer can look like."""
    return lambda feature, row: PREFIX + headers[feature] if feature in headers else ""
