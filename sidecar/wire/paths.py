"""Raw request paths → the segments a server would see, so that one model has one name however it is spelled."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def plain_path(path: str) -> str:
    """The path decoded once, without trailing slashes. `%2F` stays as it is: it does not separate segments."""
    if "%" in path:
        path = _ESCAPES.sub(_decoded, path)
    return path.rstrip("/")


def _decoded(match: re.Match[str]) -> str:
    raw = bytes.fromhex(match[0].replace("%", ""))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return match[0]
    return text.replace("/", "%2F")
