"""Values as JSON that loses nothing: what JSON has no word for is an object with one key that names it.

`{"float": "nan"}`, `{"base64": …}` (bytes, and text that is no Unicode), `{"integer": "…"}` beyond 64 bits,
`{"missing": true}`; an object that only looks like one of these is `{"object": …}`.
"""

from __future__ import annotations

import hmac
import json
import math
import re
from base64 import b64decode, b64encode
from hashlib import blake2b
from typing import Any, Final

from ..rows import MISSING, Value
from ..timestamps import moment, unix_ns_of

__all__ = ["hashed", "is_hashed", "moment", "plain", "restored", "unix_ns_of"]
_MARKS: Final = frozenset({"float", "base64", "integer", "missing", "object"})
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_EASY: Final = frozenset({bool, type(None)})
_HASH_BYTES: Final = 16
_HASHED: Final = re.compile(r"hash:[0-9a-f]{32}")
DEEPEST: Final = 100


def plain(value: Value, depth: int = 0) -> Any:
    """The value as JSON. What is nested deeper than any reader of JSON goes is `{"object": {"too_deep": true}}`."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is str:
        return value if value.isascii() else _text(value)
    if kind is int:
        return value if _SMALLEST <= value <= _LARGEST else {"integer": str(value)}
    if kind in _EASY:
        return value
    if depth > DEEPEST and kind in (list, tuple, dict):
        return {"object": {"too_deep": True}}
    if kind is list or kind is tuple:
        return [plain(item, depth + 1) for item in value]
    if kind is dict:
        made = {safe_name(name): plain(item, depth + 1) for name, item in value.items()}
        return {"object": made} if len(made) == 1 and made.keys() <= _MARKS else made
    if value is MISSING:
        return {"missing": True}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": b64encode(value).decode()}
    return _text(str(value))


def restored(value: Any) -> Any:
    """What `plain` was given."""
    if type(value) is list:
        return [restored(item) for item in value]
    if type(value) is not dict:
        return value
    if len(value) == 1:
        match value:
            case {"float": str(text)}:
                return float(text)
            case {"base64": str(text)}:
                return b64decode(text)
            case {"integer": str(text)}:
                return int(text)
            case {"missing": True}:
                return MISSING
            case {"object": dict(inner)}:
                return {name: restored(item) for name, item in inner.items()}
    return {name: restored(item) for name, item in value.items()}


def hashed(value: Any, key: bytes) -> str | None:
    """A keyed hash of one JSON value; None where there is no key: then nothing may be told. Text and a number that
    reads the same give one hash, so that a label's key finds its feature."""
    if not key:
        return None
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    derived = hmac.digest(key, b"sidecar: hidden values", "sha256")  # a key of its own: the coin's must not be asked
    return "hash:" + blake2b(text.encode("utf-8", "surrogatepass"), key=derived, digest_size=_HASH_BYTES).hexdigest()


def is_hashed(value: Any) -> bool:
    """Whether a told value is one that `hashed` made."""
    return isinstance(value, str) and _HASHED.fullmatch(value) is not None


def _text(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON may hold it, UTF-8 may not
        return {"base64": b64encode(text.encode("utf-8", "surrogatepass")).decode()}
    return text


def safe_name(name: Any) -> str:
    """A name that UTF-8 can hold."""
    return str(name).encode("utf-8", "replace").decode()
