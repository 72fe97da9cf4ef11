"""The documents fail the build when they lag behind the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bench.__main__ import command_line
from sidecar.cli import COMMANDS
from sidecar.gateway.settings import STAMPS
from sidecar.policy import Policy
from sidecar.runtime.settings import SETTINGS
from sidecar.telemetry.metrics import TABLE
from sidecar.telemetry.series import ALERT_TABLE, RECORD_TABLE
from sidecar.verdict import Outcome
from sidecar.yamldoc import schema_of

from .documentation import PAGES, ROOT, parser_of, policies_of, render, subcommands

README = (ROOT / "README.md").read_text()
TEXTS = sorted(ROOT.glob("*.md"))
POLICIES = sorted(
    path
    for path in (ROOT / "policies").glob("*.yaml")
    if path.name != "sidecar.yaml" and not path.name.endswith(".test.yaml")
)
DEMONSTRATED = [ROOT / "policies" / name for name in ("iris.yaml", "diabetes.yaml")]


class Yaml12(yaml.SafeLoader):
    """YAML 1.2, as editors read it: `on`, `no` and dates are text."""


Yaml12.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith(":timestamp") and (first in "tTfF" or not tag.endswith(":bool"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def rows(*headings: str) -> list[list[str]]:
    """The cells of the README table with these headings."""
    table = README.partition(f"| {' | '.join(headings)} |\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tables_made_from_the_code_are_current(page: Path) -> None:
    assert page.read_text() == render(page.read_text()), "run `make docs`"


def test_every_header_that_is_added_has_its_row_and_the_other_way_round() -> None:
    assert {row[0].strip("`") for row in rows("header", "value")} == STAMPS


def test_every_verdict_has_its_row_and_the_other_way_round() -> None:
    assert {row[0].strip("`").partition(";")[0] for row in rows("`x-contract-verdict`", "means")} == {
        each.value for each in Outcome
    }


def test_every_metric_that_is_named_exists() -> None:
    families = {metric.name for metric in TABLE} | {metric.name for metric in (*RECORD_TABLE, *ALERT_TABLE)}
    named = {name for path in TEXTS for name in re.findall(r"\b(?:sidecar|http)_[a-z_]+[a-z]", path.read_text())}
    named -= {label for metric in (*RECORD_TABLE, *ALERT_TABLE) for label in metric.labels}
    assert families <= named
    assert named - families == set()


def test_every_command_that_is_named_exists() -> None:
    known = set(COMMANDS)
    named = {name for path in TEXTS for name in re.findall(r"`sidecar ([a-z]+)", path.read_text())}
    assert named <= known
    assert known <= named


def test_every_flag_that_is_named_exists() -> None:
    known = {setting.flag for setting in SETTINGS}
    for parser in map(parser_of, COMMANDS):
        for each in (parser, *subcommands(parser).values()):
            known |= {flag for action in each._actions for flag in action.option_strings}
    known |= {flag for action in command_line()._actions for flag in action.option_strings}  # of `python -m bench`
    known |= {"--read-only", "--version"}  # docker's; the main parser's
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert named <= known


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", path.read_text(), flags=re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", [*TEXTS, ROOT / "policies" / "README.md"], ids=lambda path: path.name)
def test_every_link_within_the_repository_leads_somewhere(path: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_picture_of_the_rooms_is_the_package() -> None:
    picture = README.partition("```\nsidecar/\n")[2].partition("```")[0]
    shown = {line.split()[0].rstrip("/") for line in picture.splitlines()}
    packages = {path.parent.name for path in (ROOT / "sidecar").glob("*/__init__.py")}
    assert packages <= shown
    assert [name for name in shown if not (ROOT / "sidecar" / name).exists()] == []


def sidecar(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it."""
    return subprocess.run([sys.executable, "-m", "sidecar", *arguments], capture_output=True, text=True, cwd=ROOT)


def test_the_four_policies_are_files_of_four_lines() -> None:
    files = [path.read_text() for path in sorted((ROOT / "policies" / "four-lines").glob("*.yaml"))]
    assert sorted(policies_of(README)) == sorted(files)
    assert [len(text.splitlines()) for text in files] == [4, 4, 4, 4]


@pytest.mark.parametrize(
    "path", [*POLICIES, *sorted((ROOT / "policies" / "four-lines").glob("*.yaml"))], ids=lambda path: path.stem
)
def test_every_shipped_policy_passes_check(path: Path) -> None:
    checked = sidecar("check", str(path))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_demo_uses_nothing_that_is_not_acted_on_yet() -> None:
    checked = sidecar("check", "--strict", *map(str, DEMONSTRATED))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture(scope="module")
def schema() -> Any:
    printed = sidecar("schema")
    assert printed.returncode == 0, printed.stderr
    return json.loads(printed.stdout)


def test_the_schema_is_draft_07_and_speaks_of_policies(schema: Any) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["definitions"].keys() == schema_of(Policy)["definitions"].keys()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_editors_underline_nothing_in_the_shipped_policies(path: Path, schema: Any) -> None:
    errors = list(jsonschema.Draft7Validator(schema).iter_errors(yaml.load(path.read_text(), Yaml12)))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize(
    "spoilt", ["contrakt: {}", "contract: {mode: strict}", "contract: {features: {a: {minimum: 1}}}"]
)
def test_editors_underline_what_check_refuses(spoilt: str, schema: Any) -> None:
    document = yaml.load(f"policy: p\nmodel: {{protocol: tfserving}}\n{spoilt}", Yaml12)
    assert list(jsonschema.Draft7Validator(schema).iter_errors(document)) != []


def test_the_image_listens_where_serve_does_and_asks_a_command_that_exists() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    defaults = {setting.name: setting.default for setting in SETTINGS}
    ports = [defaults[name].rpartition(":")[2] for name in ("listen", "health")]
    assert f"EXPOSE {' '.join(ports)}" in dockerfile
    assert set(re.findall(r"\bSIDECAR_[A-Z_]+", dockerfile.rpartition("\nFROM ")[2])) <= {
        setting.variable for setting in SETTINGS
    }
    asked = json.loads(re.search(r"CMD (\[\"sidecar\", \"status\".*\])", dockerfile)[1])  # type: ignore[index]
    parser_of(asked[1]).parse_args(asked[2:])
