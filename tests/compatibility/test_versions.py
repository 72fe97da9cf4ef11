"""Versions, bumps and outcomes."""

from __future__ import annotations

import pytest

from sidecar.compatibility import Bump, Outcome, appeared, compare, vanished
from sidecar.compatibility.versions import advised, step, suffices

from .desk import policy

AGE = {"features": {"age": {"type": "int", "max": 120}}}
NARROWER = {"features": {"age": {"type": "int", "max": 100}}}
WIDER = {"features": {"age": {"type": "int", "max": 130}}}
DESCRIBED = {"features": {"age": {"type": "int", "max": 120, "description": "Age."}}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1.2.3", "2.0.0", "major"),
        ("1.2.3", "1.3.0", "minor"),
        ("1.2.3", "1.2.4", "patch"),
        ("1.2.3", "1.2.3", "none"),
        ("1.2.3", "1.2.3+build", "none"),
        ("1.2.3", "1.2.2", "backwards"),
        ("14", "15", "major"),
        ("v1.2", "v1.3", "minor"),
        ("", "1.0.0", "unstated"),
        ("blue", "green", "unstated"),
        ("0.1.0", "0.2.0", "major"),
        ("0.1.0", "0.1.1", "patch"),
        ("0.9.0", "1.0.0", "major"),
    ],
)
def test_how_far_apart_two_versions_are(old: str, new: str, said: str) -> None:
    assert step(old, new) == said


@pytest.mark.parametrize(
    ("actual", "required", "enough"),
    [("major", Bump.MINOR, True), ("minor", Bump.MAJOR, False), ("none", Bump.PATCH, False), ("none", None, True),
     ("backwards", Bump.PATCH, False), ("unstated", Bump.MAJOR, False), ("none", Bump.AUTHOR, True)],
)  # fmt: skip
def test_whether_a_step_suffices(actual: str, required: Bump | None, enough: bool) -> None:
    assert suffices(actual, required) is enough


def test_the_version_that_is_advised() -> None:
    assert [advised("1.2.3", bump) for bump in (Bump.MAJOR, Bump.MINOR, Bump.PATCH)] == ["2.0.0", "1.3.0", "1.2.4"]
    assert advised("0.2.3", Bump.MAJOR) == "0.3.0"
    assert advised("blue", Bump.MAJOR) == advised("1.2.3", Bump.AUTHOR) == ""


def test_a_break_without_a_major_bump_is_breaking_and_with_one_it_is_told() -> None:
    old = policy(AGE, version="1.2.3")
    for version in ("1.2.3", "1.2.4", "1.3.0"):
        found = compare(old, policy(NARROWER, version=version))
        assert (found.outcome, found.required, found.advised) == (Outcome.BREAKING, Bump.MAJOR, "2.0.0")
    assert compare(old, policy(NARROWER, version="2.0.0")).outcome is Outcome.SAFE


def test_a_widening_needs_evidence_whatever_the_version_says() -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        assert compare(policy(AGE), policy(WIDER, version=version)).outcome is Outcome.EVIDENCE


def test_text_is_safe_and_the_patch_is_advice() -> None:
    found = compare(policy(AGE), policy(DESCRIBED))
    assert (found.outcome, found.required, found.advised) == (Outcome.SAFE, Bump.PATCH, "1.0.1")


def test_identity_alone_is_safe_and_its_bump_is_the_authors() -> None:
    old, new = (policy(AGE, model={"protocol": "oip", "version": [version]}) for version in ("14", "15"))
    assert (compare(old, new).outcome, compare(old, new).required) == (Outcome.SAFE, Bump.AUTHOR)


def test_a_contract_that_only_observes_is_judged_as_if_it_enforced_and_says_so() -> None:
    old, new = (policy({**contract, "mode": "observe"}) for contract in (AGE, NARROWER))
    found = compare(old, new)
    assert found.outcome is Outcome.BREAKING
    assert "only observes" in found.notes[0]


def test_policies_that_come_and_go() -> None:
    assert appeared(policy()).outcome is Outcome.SAFE
    assert vanished(policy()).outcome is Outcome.BREAKING
