"""The pipeline in policies/ci/ does what it says: its own commands, on a repository with a planted change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "policies" / "ci" / "policies.yml"
IRIS = (ROOT / "policies" / "iris.yaml").read_text()
TESTS = (ROOT / "policies" / "iris.test.yaml").read_text()
NARROWER = IRIS.replace("min: 4, max: 8", "min: 4, max: 7")
WIDER = IRIS.replace("min: 4, max: 8", "min: 4, max: 9")


def steps() -> dict[str, str]:
    """Name → commands of the steps that call the command line."""
    document = yaml.safe_load(WORKFLOW.read_text())
    found = document["jobs"]["compatibility"]["steps"]
    return {step["name"]: step["run"] for step in found if "sidecar " in step.get("run", "")}


class Repository:
    """A git repository with policies/, and a pipeline's environment."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.policy = self.root / "policies" / "iris.yaml"
        self.summary = folder / "summary.md"
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        command = bin_folder / "sidecar"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sidecar "$@"\n')
        command.chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(folder),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "HOME": str(folder),
        }
        self.policy.parent.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.environment["BASE"] = self.commit(IRIS)

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", *who, *words], cwd=self.root, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, text: str, tests: str = TESTS) -> str:
        self.policy.write_text(text)
        self.policy.with_name("iris.test.yaml").write_text(tests)
        self.git("add", "policies")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def pipeline(self) -> subprocess.CompletedProcess[str]:
        """Each step in a shell as the runner starts it; the first that fails ends it."""
        for commands in steps().values():
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", commands],
                cwd=self.root,
                env=self.environment,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                break
        return done


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    assert shutil.which("git"), "the example is about a git repository"
    return Repository(tmp_path)


def test_a_break_without_a_major_bump_fails_and_the_summary_says_why(repository: Repository) -> None:
    repository.commit(NARROWER.replace("version: 1.0.0", "version: 1.1.0"))
    done = repository.pipeline()
    assert done.returncode == 1, done.stderr
    summary = repository.summary.read_text()
    assert "❌ `iris` 1.0.0 → 1.1.0" in summary
    assert "say version 2.0.0" in summary


def test_the_same_break_passes_with_a_major_bump(repository: Repository) -> None:
    repository.commit(NARROWER.replace("version: 1.0.0", "version: 2.0.0"))
    done = repository.pipeline()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✅ `iris` 1.0.0 → 2.0.0" in repository.summary.read_text()


def test_what_needs_evidence_passes_with_a_warning(repository: Repository) -> None:
    repository.commit(WIDER.replace("version: 1.0.0", "version: 1.1.0"), TESTS.replace("8.1", "9.1"))
    done = repository.pipeline()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::warning::" in done.stdout


def test_an_invalid_policy_fails(repository: Repository) -> None:
    repository.commit(IRIS.replace("mode: enforce", "mode: enfroce"))
    done = repository.pipeline()
    assert done.returncode == 1
    assert "policies/iris.yaml:" in done.stdout
