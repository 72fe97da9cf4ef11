"""What holds for every file of the repository."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

import sidecar

ROOT = Path(__file__).parents[1]
MOST_LINES = 400
# Spelt in pieces so that this file passes its own test.
MACHINE_PATHS = re.compile(
    "|".join("/" + name for name in (r"work/(main|shared)\b", r"root/", r"home/\w+/", r"opt/(pypi|wheels)"))
)
REGISTRY_HOSTS = re.compile(
    "|".join((r"pypi\." + "org", r"pythonhosted\." + "org", r"anaconda\." + "org", "index" + "-url:"))
)


@cache
def files() -> tuple[Path, ...]:
    """Every file the repository has, or would have once added; outside a clone, every file of its folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return tuple(path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file())
    folders = ("sidecar", "tests", "bench", "policies", "requirements", ".github", ".ci", "helm")
    nested = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return (*(path for path in ROOT.iterdir() if path.is_file()), *nested)


def texts() -> dict[str, str]:
    """Relative path → text, of every file that is text."""
    found = {}
    for path in files():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def python_files(*folders: str) -> list[Path]:
    """The Python files of some folders."""
    return [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def test_the_walk_sees_the_repository() -> None:
    assert {"README.md", "sidecar/__init__.py", "tests/test_repository.py"} <= set(texts())


def test_no_file_names_a_place_of_one_machine() -> None:
    assert [name for name, text in texts().items() if MACHINE_PATHS.search(text)] == []


def test_no_file_names_the_host_of_a_package_index() -> None:
    assert [name for name, text in texts().items() if REGISTRY_HOSTS.search(text)] == []


def test_no_file_is_longer_than_a_room() -> None:
    lines = {path.relative_to(ROOT): path.read_text().count("\n") for path in python_files("sidecar", "tests", "bench")}
    assert {str(path): count for path, count in lines.items() if count > MOST_LINES} == {}


def test_every_module_of_the_package_opens_with_a_docstring() -> None:
    silent = [path for path in python_files("sidecar") if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in python_files("sidecar")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error"])
def test_nothing_is_left_for_later_in_the_package(word: str) -> None:
    assert [path.name for path in python_files("sidecar") if word in path.read_text()] == []


@pytest.mark.parametrize("word", ["unittest" + ".mock", "Magic" + "Mock"])
def test_the_tests_use_fakes_that_ship(word: str) -> None:
    assert [path.name for path in python_files("tests") if word in path.read_text()] == []


def test_the_changelog_knows_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions[1] == sidecar.__version__


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "sidecar.__version__"}


def pins(lock: Path) -> dict[str, str]:
    """Distribution → version, of a lock file."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ \\]+)", lock.read_text(), flags=re.MULTILINE))


LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_has_its_hashes(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)
    pinned = [entry for entry in entries if "==" in entry.partition("\n")[0]]
    assert len(pinned) == len(pins(lock)) > 0
    assert [entry.partition(" ")[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def test_every_lock_file_has_its_source_and_the_other_way_round() -> None:
    sources = {path.stem for path in (ROOT / "requirements").glob("*.in")} | {"runtime"}
    assert {lock.stem for lock in LOCKS} == sources


def test_the_runtime_lock_has_every_dependency_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {re.split(r"[<>=~!\[ ]", each)[0].lower() for each in project["project"]["dependencies"]}
    assert names <= set(pins(ROOT / "requirements" / "runtime.lock"))


def test_tests_run_on_what_is_served() -> None:
    development = pins(ROOT / "requirements" / "dev.lock")
    runtime = pins(ROOT / "requirements" / "runtime.lock")
    assert {name: development.get(name) for name in runtime} == runtime


def test_the_image_is_built_from_files_that_are_let_in() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    wanted = {name for line in copied for name in line.split()}
    assert wanted == allowed
    assert [name for name in wanted if not (ROOT / name).exists()] == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^make test\b", script.read_text(), flags=re.MULTILINE)
    assert re.search(r"^make test\b", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
