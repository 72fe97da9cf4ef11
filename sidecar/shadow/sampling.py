"""Which units are copied: a keyed hash below a threshold. Sticky, and the same in every replica that has the key.

The decision is taken before anything is sent and never sees a candidate's behaviour. A unit that is a request is named
by the prediction id, which the sidecar makes: a caller cannot choose what is sampled. The key is derived for this
purpose alone, so the sample says nothing about any other draw (the holdout's coin, a canary's arm).
"""

from __future__ import annotations

import json
import math
from hashlib import blake2b
from typing import Final, NamedTuple

from ..rows import MISSING, Value

REQUEST: Final = "request"
ROW: Final = "row"
_PURPOSE: Final = b"sidecar shadow sampling 1"
_RANGE: Final = 1 << 64


class Draw(NamedTuple):
    """`unit` is 16 hexadecimal digits: the unit's name in records, from which nobody without the key finds it."""

    unit: str
    sampled: bool


def derive_key(secret: bytes) -> bytes:
    """The sampling key of a shared secret (any length). ValueError for an empty one: that would be no secret."""
    if not secret:
        raise ValueError(
            "no secret: what is sampled must be the same in every replica; give all of them one --secret-file"
        )
    return blake2b(_PURPOSE, key=blake2b(secret).digest(), digest_size=32).digest()


class Sampler:
    """The sample of one policy and kind of unit. Candidates with one `unit` nest: 10% is part of 25%."""

    __slots__ = ("_key", "_prefix", "_threshold", "policy")

    def __init__(self, key: bytes, policy: str, unit: str, share: float) -> None:
        """`key` from `derive_key`; `share` in [0, 1]."""
        self.policy = policy
        self._key = key
        self._prefix = f"{policy}\0{unit}\0".encode()
        self._threshold = round(share * _RANGE)

    def draw(self, value: Value) -> Draw:
        """The unit named by this value, and whether it is in the sample."""
        digest = blake2b(self._prefix + unit_text(value).encode(), key=self._key, digest_size=16).digest()
        return Draw(digest[8:].hex(), int.from_bytes(digest[:8], "big") < self._threshold)


def unit_text(value: Value) -> str:
    """One spelling for one entity: 17, 17.0 and "17" are the same customer, whichever way a caller writes the id."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return ""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, sort_keys=True, default=str)
