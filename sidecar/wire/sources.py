"""Features that do not come from the body: `from: header:x-region` is one text for all rows; the contract types it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..rows import MISSING, Value, header_of
from .base import HeaderLookup


def split_headers(features: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(feature → header name, feature → its place in the body), each in policy order. ValueError for no name."""
    headers = {name: found for name, source in features.items() if (found := header_of(source)) is not None}
    for name, header in headers.items():
        if not header:
            raise ValueError(f"`from: {features[name]}` names no header: write `header:x-region`")
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
    return lambda feature, row: f"header:{headers[feature]}" if feature in headers else ""
