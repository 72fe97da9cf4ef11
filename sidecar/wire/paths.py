"""Raw request paths → the segments a server would see, so that one model has one name however it is spelled."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_PARAMETERS: Final = re.compile(r";[^/]*")
READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def plain_path(path: str) -> str:
    """The path decoded once, without trailing slashes. `%2F` stays as it is: it does not separate segments.

    Parameters of a segment (`;v=1`, RFC 3986 section 3.3) are left out, as servlet containers leave them out.
    """
    if ";" in path:
        path = _PARAMETERS.sub("", path)
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
