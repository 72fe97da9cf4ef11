"""The examples in policies/ are promises: each passes `check`, alone and together."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.policy import load

POLICIES = Path(__file__).parents[1] / "policies"
TESTS = sorted(POLICIES.rglob("*.test.yaml"))
DOCUMENTS = sorted(path for path in POLICIES.rglob("*.yaml") if path not in TESTS)
FOUR_LINES = sorted((POLICIES / "four-lines").glob("*.yaml"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_example_passes(path: Path) -> None:
    loaded = load([path])
    assert [finding for finding in loaded.findings if finding.severity == "error"] == []


def test_the_folder_passes_as_a_whole() -> None:
    loaded = load([POLICIES])
    assert loaded.errors == 0
    assert "credit-risk" in {policy.name for policy in loaded.policies}
    assert loaded.platform.environment == "production"


def test_the_folder_passes_for_the_other_environment_but_for_its_hosts() -> None:
    """`stage` is not in the platform's `hosts`, and its override does not add it: `check` must say so."""
    loaded = load([POLICIES], environment="staging")
    assert {finding.code for finding in loaded.findings if finding.severity == "error"} == {"url.host"}


@pytest.mark.parametrize("path", FOUR_LINES, ids=lambda path: path.name)
def test_four_lines_are_four_lines(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == 4
    (policy,) = load([path], upstream="http://127.0.0.1:8080").policies
    assert policy.contract.mode == "observe"
