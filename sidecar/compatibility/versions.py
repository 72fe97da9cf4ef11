"""How far two versions are apart, and whether that tells callers what they must know (semver.org)."""

from __future__ import annotations

import re
from typing import Final

from .change import Bump

_SEMVER: Final = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[-+].*)?")
_STEPS: Final = (Bump.MAJOR, Bump.MINOR, Bump.PATCH)
BACKWARDS: Final = "backwards"
NONE: Final = "none"
UNSTATED: Final = "unstated"


def parse(version: str) -> tuple[int, int, int] | None:
    """(major, minor, patch); None for what is no such version."""
    match = _SEMVER.fullmatch(version)
    return None if match is None else (int(match[1]), int(match[2] or 0), int(match[3] or 0))


def step(old: str, new: str) -> str:
    """major, minor, patch, none, backwards, or unstated where a version cannot be read.

    While the major is 0, a step of the minor counts as major: that is how 0.y.z tells of a break.
    """
    before, after = parse(old), parse(new)
    if before is None or after is None:
        return UNSTATED
    if after < before:
        return BACKWARDS
    for position, bump in enumerate(_STEPS):
        if after[position] != before[position]:
            early = bump is Bump.MINOR and before[0] == 0
            return Bump.MAJOR.value if early else bump.value
    return NONE


def suffices(actual: str, required: Bump | None) -> bool:
    """Whether a step is as large as the one asked for. What the author decides, the author has decided."""
    if required in (None, Bump.AUTHOR):
        return True
    order = [bump.value for bump in _STEPS]
    return actual in order and order.index(actual) <= _STEPS.index(required)


def advised(old: str, required: Bump | None) -> str:
    """The version to give, or "" where there is none to say."""
    before = parse(old)
    if before is None or required in (None, Bump.AUTHOR):
        return ""
    major, minor, patch = before
    if required is Bump.MAJOR:
        return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
    return f"{major}.{minor + 1}.0" if required is Bump.MINOR else f"{major}.{minor}.{patch + 1}"
