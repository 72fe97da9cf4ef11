"""The request target (RFC 9112 section 3.2): accepted byte for byte, or why two servers could read it differently."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_AMBIGUOUS: Final = re.compile(
    rb"""
      //                                  # an empty segment: merged by some servers
    | /\.\.?(?:/|;|$)                     # dot segments
    | /(?:\.|%2e)(?:\.|%2e)?(?:/|;|$)     # dot segments, encoded
    | %(?:2f|5c|00|25(?:2f|5c|2e|00))     # encoded slash, backslash, NUL; and the same encoded twice
    | \\
    | [\x00-\x20\x7f-\xff]
    | %(?![0-9a-f]{2})                    # not an encoding at all
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


class Target(NamedTuple):
    """`path` is the raw path as latin-1; `send` the bytes that go upstream.

    `refused` is set for what no origin server can be meant by (always 400); `ambiguous` for a path that the model
    server could read as another one than the policy matched (400 once a policy enforces, counted while all observe).
    """

    path: str
    send: bytes
    authority: bytes = b""
    refused: str = ""
    ambiguous: str = ""


def read_target(raw: bytes) -> Target:
    """Classify a request target; nothing is normalised."""
    send, authority = raw, b""
    if not raw.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(raw)
        if absolute is None:
            return Target("", raw, refused="the request target must be a path that starts with `/`")
        # RFC 9112 section 3.2.2: a server must accept the absolute form; the path is what an origin server gets
        authority, send = absolute.group(1), absolute.group(2)
        if not send.startswith(b"/"):
            send = b"/" + send
    if b"#" in raw:
        return Target("", raw, authority, refused="a request target has no fragment; remove `#` and what follows")
    path = send.partition(b"?")[0]
    ambiguous = ""
    if _AMBIGUOUS.search(path):
        ambiguous = (
            "the path can be read in two ways (empty or dot segments, encoded slashes, raw bytes); send the plain path"
        )
    return Target(path.decode("latin-1"), send, authority, ambiguous=ambiguous)
