"""A resolved policy as canonical JSON, and the digest that names it in headers, records and the journal."""

from __future__ import annotations

import hashlib
from typing import Final

from ..errors import PolicyError
from ..yamldoc import dumps, loads
from .platform import Platform
from .sections import Policy

SHORT_HEX: Final = 12


def to_canonical(policy: Policy) -> bytes:
    """The policy as canonical JSON: defaults filled in, nothing of the file's spelling left."""
    return dumps(policy)


def from_canonical(data: bytes) -> Policy:
    """The policy back, exactly. PolicyError for anything `to_canonical` does not write."""
    try:
        return loads(data, Policy)
    except ValueError as error:
        raise PolicyError(f"not a resolved policy of this version: {error}") from None


def platform_to_canonical(platform: Platform) -> bytes:
    """The resolved platform as canonical JSON."""
    return dumps(platform)


def platform_from_canonical(data: bytes) -> Platform:
    """The platform back, exactly. PolicyError for anything `platform_to_canonical` does not write."""
    try:
        return loads(data, Platform)
    except ValueError as error:
        raise PolicyError(f"not a resolved platform of this version: {error}") from None


def digest(policy: Policy) -> str:
    """`b2:` and 64 hexadecimal digits: BLAKE2b of the canonical form."""
    return "b2:" + hashlib.blake2b(to_canonical(policy), digest_size=32).hexdigest()


def short(full: str) -> str:
    """The form for headers: `b2:` and the first 12 digits."""
    return full[: len("b2:") + SHORT_HEX]
