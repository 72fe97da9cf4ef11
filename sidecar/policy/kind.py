"""Which of the three documents a file holds: each is taken in a place of its own, and mixed up with the others."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Final

from ..yamldoc import Finding, Keys
from .files import TEST_SUFFIXES
from .platform import Platform
from .sections import Policy


class Kind(StrEnum):
    """What a document is, as messages call it."""

    POLICY = "a policy"
    PLATFORM = "a platform file"
    TEST = "a test file"


BEGINS: Final = {
    Kind.POLICY: "a policy begins with `policy: NAME`",
    Kind.PLATFORM: "a platform file begins with `api: v1`",
    Kind.TEST: "a test file begins with `contract: FILE`, the policy under test; `sidecar test` runs it",
}
_PLATFORM: Final = frozenset(field.name for field in dataclasses.fields(Platform)) - {"api"}
_POLICY_ONLY: Final = frozenset(field.name for field in dataclasses.fields(Policy)) - _PLATFORM - {"api"}


def kind_of(root: Keys, wanted: Kind) -> Kind:
    """By its keys, or its name where that is a test's; `wanted` where nothing speaks against it."""
    names = set(root.entries)
    called = wanted is not Kind.TEST and named_as(root.place.file) is Kind.TEST
    if "model" not in names and ("tests" in names or called):
        return Kind.TEST
    named = "policy" in names and wanted is not Kind.TEST  # tests name the policy they test
    if named or names & {"model", "features"} or isinstance(root.get("contract"), Keys):
        return Kind.POLICY
    return Kind.PLATFORM if names & _PLATFORM and not names & _POLICY_ONLY else wanted


def named_as(file: str) -> Kind:
    """What the name of a file says that it holds."""
    return Kind.TEST if file.endswith(TEST_SUFFIXES) else Kind.POLICY


def mixed_up(root: Keys, kind: Kind, wanted: Kind) -> Finding:
    """What is said of a document in the place of another kind."""
    file = root.place.file
    named = "FILE" if file.startswith("<") else file
    if kind is Kind.PLATFORM:
        hint = f"pass it with --config {named}"
    elif kind is Kind.TEST:
        hint = f"run it with `sidecar test {named}`"
    elif wanted is Kind.PLATFORM:
        hint = f"give it as an argument, or to `serve` with --policy {named}"
        hint += "; one policy alone may carry the platform's sections itself"
    else:
        hint = f"`sidecar check {named}` checks it; its tests stand in {Path(file).stem}.test.yaml"
    place = root.entries["policy"][0] if "policy" in root.entries and kind is Kind.POLICY else root.place
    message = f"this is {kind.value}, not {wanted.value}"
    return Finding(
        {Kind.POLICY: "policy.kind", Kind.PLATFORM: "platform.policy", Kind.TEST: "test.kind"}[wanted],
        message,
        hint,
        file=file,
        line=place.line,
        column=place.column,
    )
